import * as vscode from 'vscode';

const t = vscode.l10n.t;

/** The code actions: fixes for problems, and tasks for a selection. */
export const taskActions: vscode.CodeActionProvider = {
  provideCodeActions(document, range, { diagnostics, only }) {
    const target = { uri: document.uri, range: new vscode.Range(range.start, range.end) };
    const offered: vscode.CodeAction[] = [];
    const offer = (title: string, kind: vscode.CodeActionKind, command: string): vscode.CodeAction => {
      const action = new vscode.CodeAction(title, kind);
      action.command = { command, title, arguments: [target] };
      offered.push(action);
      return action;
    };
    if (diagnostics.length > 0) {
      offer(t('Fix with DevLM'), vscode.CodeActionKind.QuickFix, 'devlm.fix').diagnostics = [...diagnostics];
      offer(t('Explain with DevLM'), vscode.CodeActionKind.QuickFix, 'devlm.explain');
    }
    // Offer these only by request or for a selection, not at every cursor position.
    if (!range.isEmpty || only?.intersects(vscode.CodeActionKind.Refactor)) {
      const rewrite = vscode.CodeActionKind.RefactorRewrite;
      offer(t('Generate with DevLM'), rewrite, 'devlm.generate');
      offer(t('Test with DevLM'), rewrite, 'devlm.test');
      offer(t('Document with DevLM'), rewrite, 'devlm.document');
    }
    return offered;
  },
};

/** Kinds of the code actions. */
export const offeredKinds: vscode.CodeActionProviderMetadata = {
  providedCodeActionKinds: [vscode.CodeActionKind.QuickFix, vscode.CodeActionKind.RefactorRewrite],
};
