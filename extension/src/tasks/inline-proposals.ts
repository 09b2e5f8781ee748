import * as vscode from 'vscode';
import { proposalContext } from '../commands.ts';
import { type Change, grownBy, movedBy, type Span } from './anchor.ts';

const t = vscode.l10n.t;

/** Documents of this scheme show what a document would be without its generated code; the query is its URI. */
const beforeScheme = 'devlm-before';

/** How often code is put in a place while somebody types in the same file. */
const replaceAttempts = 10;

/** A place that waits for code: it moves with the text around it, and is lost when its own text changes. */
export interface Held {
  readonly document: vscode.TextDocument;
  readonly original: string;
  /** Null: its text was changed. */
  span: Span | null;
}

/** Code that stands in a document and waits for the person. */
interface Shown extends Held {
  span: Span;
  readonly again: (place: Span) => void;
}

/** Generated code in the editor: shown where it belongs, marked, and kept or taken back by the person. */
export class InlineProposals implements vscode.CodeLensProvider, vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #held = new Set<Held>();
  /** One a document. */
  readonly #shown = new Map<vscode.TextDocument, Shown>();
  readonly #lenses = new vscode.EventEmitter<void>();
  readonly #added: vscode.TextEditorDecorationType;
  readonly #waiting: vscode.TextEditorDecorationType;
  readonly #disposables: readonly vscode.Disposable[];

  constructor() {
    this.#added = vscode.window.createTextEditorDecorationType({
      isWholeLine: true,
      backgroundColor: new vscode.ThemeColor('diffEditor.insertedLineBackground'),
      overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.addedForeground'),
      overviewRulerLane: vscode.OverviewRulerLane.Left,
    });
    this.#waiting = vscode.window.createTextEditorDecorationType({
      after: {
        contentText: `  ${t('DevLM is writing...')}`,
        color: new vscode.ThemeColor('editorCodeLens.foreground'),
        fontStyle: 'italic',
      },
    });
    this.#disposables = [
      this.#added,
      this.#waiting,
      this.#lenses,
      vscode.languages.registerCodeLensProvider('*', this),
      vscode.workspace.registerTextDocumentContentProvider(beforeScheme, this),
      vscode.workspace.onDidChangeTextDocument((event) => this.#changed(event)),
      vscode.workspace.onDidCloseTextDocument((document) => this.#drop(document)),
      vscode.window.onDidChangeVisibleTextEditors(() => this.#paint()),
      vscode.window.onDidChangeActiveTextEditor(() => this.#paint()),
    ];
  }

  readonly onDidChangeCodeLenses: vscode.Event<void> = (...listener) => this.#lenses.event(...listener);

  dispose(): void {
    for (const one of this.#disposables) one.dispose();
  }

  /** Keeps hold of a place until `release`. */
  hold(document: vscode.TextDocument, span: Span): Held {
    const held: Held = { document, span, original: document.getText(rangeOf(document, span)) };
    this.#held.add(held);
    this.#paint();
    return held;
  }

  release(held: Held): void {
    this.#held.delete(held);
    this.#paint();
  }

  /**
   * Puts code in a place that was held and marks it. What stood there comes back by `reject` or undo.
   *
   * @returns false where the place is no longer what it was: nothing was changed
   */
  async show(held: Held, code: string, again: (place: Span) => void): Promise<boolean> {
    const { document, original } = held;
    this.accept(document);
    const text = withEnds(code, document.eol);
    const span = await replaceHeld(held, text);
    this.release(held);
    if (!span) return false;
    const now = { start: span.start, end: span.start + text.length };
    // Typed into in the same moment: it stays, unmarked, and undo takes it back.
    if (document.getText(rangeOf(document, now)) !== text) return true;
    this.#shown.set(document, { document, original, span: now, again });
    this.#paint();
    return true;
  }

  accept(document = vscode.window.activeTextEditor?.document): void {
    if (document) this.#drop(document);
  }

  /** Puts back what stood there. */
  async reject(document = vscode.window.activeTextEditor?.document): Promise<void> {
    const shown = document && this.#shown.get(document);
    if (!shown) return;
    this.#drop(shown.document);
    const edit = new vscode.WorkspaceEdit();
    edit.replace(shown.document.uri, rangeOf(shown.document, shown.span), shown.original);
    if (!(await vscode.workspace.applyEdit(edit)))
      void vscode.window.showWarningMessage(t('The code could not be taken back. Undo it in the editor.'));
  }

  /** Takes the code back and asks for other code. */
  async retry(document = vscode.window.activeTextEditor?.document): Promise<void> {
    const shown = document && this.#shown.get(document);
    if (!shown) return;
    const { start } = shown.span;
    await this.reject(document);
    shown.again({ start, end: start + shown.original.length });
  }

  /** `vscode.CodeLensProvider`. */
  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const shown = this.#shown.get(document);
    if (!shown) return [];
    const { start } = rangeOf(document, shown.span);
    const lens = (title: string, command: string, ...args: unknown[]) =>
      new vscode.CodeLens(new vscode.Range(start, start), { title, command, arguments: [...args, document.uri] });
    return [
      lens(`$(check) ${t('Accept')}`, 'devlm.acceptProposal'),
      lens(`$(discard) ${t('Reject')}`, 'devlm.rejectProposal'),
      lens(`$(refresh) ${t('Retry')}`, 'devlm.retryProposal'),
      ...(shown.original.trim() === '' ? [] : [lens(`$(diff) ${t('Compare')}`, 'vscode.diff', beforeUri(document))]),
    ];
  }

  /** `vscode.TextDocumentContentProvider`. */
  provideTextDocumentContent({ query }: vscode.Uri): string {
    const shown = [...this.#shown.values()].find(({ document }) => document.uri.toString() === query);
    if (!shown) return '';
    const text = shown.document.getText();
    return text.slice(0, shown.span.start) + shown.original + text.slice(shown.span.end);
  }

  #changed({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    if (contentChanges.length === 0) return;
    const changes = contentChanges.map(
      ({ rangeOffset, rangeLength, text }): Change => ({ offset: rangeOffset, length: rangeLength, text }),
    );
    for (const held of this.#held) {
      if (held.document === document && held.span) held.span = movedBy(held.span, changes);
    }
    const shown = this.#shown.get(document);
    if (!shown) return;
    const span = grownBy(shown.span, changes);
    // Undone by hand, or changed so that nobody can say any more what is of whom.
    if (!span || document.getText(rangeOf(document, span)) === shown.original) this.#drop(document);
    else shown.span = span;
    this.#paint();
  }

  #drop(document: vscode.TextDocument): void {
    if (this.#shown.delete(document)) this.#paint();
  }

  #paint(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const { document } = editor;
      const shown = this.#shown.get(document);
      const replaced =
        shown && shown.original.trim() !== '' ? replacedWords(shown.original, document.languageId) : null;
      const marked = shown
        ? [{ range: rangeOf(document, shown.span), ...(replaced ? { hoverMessage: replaced } : {}) }]
        : [];
      editor.setDecorations(this.#added, marked);
      const waiting = [...this.#held].flatMap(({ document: of, span }) =>
        of === document && span ? [rangeOf(document, { start: span.end, end: span.end })] : [],
      );
      editor.setDecorations(this.#waiting, waiting);
    }
    const active = vscode.window.activeTextEditor?.document;
    void vscode.commands.executeCommand('setContext', proposalContext, active !== undefined && this.#shown.has(active));
    this.#lenses.fire();
  }
}

/**
 * Puts text in a place that is held. The editor refuses it where the document is newer than what is known of
 * it here: then the change is waited for, and the place looked at again.
 *
 * @returns where the place was; null where it is no longer what it was: nothing was changed
 */
async function replaceHeld(held: Held, text: string): Promise<Span | null> {
  const { document, original } = held;
  for (let attempt = 0; attempt < replaceAttempts; attempt++) {
    const { span } = held;
    if (!span || document.isClosed || document.getText(rangeOf(document, span)) !== original) return null;
    const edit = new vscode.WorkspaceEdit();
    edit.replace(document.uri, rangeOf(document, span), text);
    const { version } = document;
    if (await vscode.workspace.applyEdit(edit)) return span;
    await newerThan(document, version);
  }
  return null;
}

/** Resolves when the document has changed since, after a second at the latest. */
async function newerThan(document: vscode.TextDocument, version: number): Promise<void> {
  if (document.version !== version) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const listening = vscode.workspace.onDidChangeTextDocument((event) => {
    if (event.document === document) resolve();
  });
  const timer = setTimeout(resolve, 1_000);
  await promise;
  clearTimeout(timer);
  listening.dispose();
}

function rangeOf(document: vscode.TextDocument, { start, end }: Span): vscode.Range {
  return new vscode.Range(document.positionAt(start), document.positionAt(end));
}

function beforeUri({ uri }: vscode.TextDocument): vscode.Uri {
  return vscode.Uri.from({ scheme: beforeScheme, path: uri.path, query: uri.toString() });
}

function withEnds(text: string, eol: vscode.EndOfLine): string {
  const plain = text.replaceAll('\r\n', '\n');
  return eol === vscode.EndOfLine.CRLF ? plain.replaceAll('\n', '\r\n') : plain;
}

function replacedWords(original: string, language: string): vscode.MarkdownString {
  return new vscode.MarkdownString(t('This takes the place of:')).appendCodeblock(original.slice(0, 5_000), language);
}
