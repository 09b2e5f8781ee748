import type { TextAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { FilesAnswer, Mention, SymbolsAnswer } from '@devlm/protocol/page.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import { diagnosticsNow } from '../workspace/diagnostics.ts';
import { workspaceFolders } from '../workspace/places.ts';
import { symbolsNamed } from '../workspace/symbols.ts';
import { gitDiff } from './git-diff.ts';
import { folderText } from './mention-folder.ts';
import type { TerminalOutput } from './terminal-output.ts';
import { fileUri, isInWorkspace } from './workspace-paths.ts';

const t = vscode.l10n.t;

/** Maximum number of symbols in a list. */
const maxSymbols = 30;

/** Converts a mention to an attachment, or returns a message that says why it cannot be attached. */
export async function readMention(mention: Mention, terminals: Pick<TerminalOutput, 'last'>): Promise<FilesAnswer> {
  try {
    const read = await attachmentOf(mention, terminals);
    if (typeof read === 'string') return { attachments: [], problems: [read] };
    return { attachments: [{ ...read, path: read.path.slice(0, 4096), text: truncated(read.text) }], problems: [] };
  } catch (error) {
    const why = error instanceof ProblemError ? error.problem.detail : error instanceof Error ? error.message : '';
    return { attachments: [], problems: [t('Attaching failed: {0}', why.slice(0, 500))] };
  }
}

/** Returns the definitions that the language servers find by name. */
export async function findSymbols(query: string): Promise<SymbolsAnswer> {
  const { items } = await symbolsNamed({ query, limit: maxSymbols }, workspaceFolders());
  return { items: items.map(({ name, kind, path, line }) => ({ name, kind, path, line })) };
}

async function attachmentOf(
  mention: Mention,
  terminals: Pick<TerminalOutput, 'last'>,
): Promise<TextAttachment | string> {
  switch (mention.kind) {
    case 'folder':
      return { kind: 'folder', path: mention.path, text: await folderText(mention.path) };
    case 'symbol':
      return await symbolText(mention);
    case 'problems':
      return problemsText();
    case 'terminal':
      return terminalText(terminals);
    case 'git':
      return await gitText(mention.of);
  }
}

async function symbolText(mention: Extract<Mention, { kind: 'symbol' }>): Promise<TextAttachment | string> {
  const { path, line, name } = mention;
  const uri = fileUri(path);
  if (!uri || !(await isInWorkspace(uri))) return t('{0} is not a file in the workspace.', path);
  const document = await vscode.workspace.openTextDocument(uri);
  const start = Math.min(line, document.lineCount) - 1;
  const end = mention.endLine ? mention.endLine - 1 : await endOf(document, start, name);
  const last = document.lineAt(Math.max(start, Math.min(end, document.lineCount - 1)));
  const text = document.getText(new vscode.Range(start, 0, last.lineNumber, last.range.end.character));
  return {
    kind: 'symbol',
    path,
    language: document.languageId.slice(0, 64),
    startLine: start + 1,
    endLine: last.lineNumber + 1,
    text,
  };
}

/** Returns the last line of the definition that starts at a line, or the line itself if it is unknown. */
async function endOf(document: vscode.TextDocument, line: number, name: string): Promise<number> {
  const found = await vscode.commands.executeCommand<vscode.DocumentSymbol[] | undefined>(
    'vscode.executeDocumentSymbolProvider',
    document.uri,
  );
  const all = (found ?? []).flatMap(function flatten(symbol): vscode.DocumentSymbol[] {
    return [symbol, ...(symbol.children ?? []).flatMap(flatten)];
  });
  const enclosing = all.filter(({ range }) => range && range.start.line <= line && range.end.line >= line);
  const named = enclosing.filter((symbol) => symbol.name === name || symbol.name.startsWith(`${name}(`));
  return (named.at(-1) ?? enclosing.at(-1))?.range.end.line ?? line;
}

function problemsText(): TextAttachment | string {
  const items = diagnosticsNow(null, workspaceFolders()).filter(({ severity }) => severity !== 'hint');
  if (items.length === 0) return t('No problems have been detected in the workspace.');
  const lines = items.map(({ path, line, severity, message, source }) => {
    const from = source ? ` (${source})` : '';
    return `${path}:${line} ${severity}: ${message}${from}`;
  });
  return { kind: 'problems', path: 'workspace', text: lines.join('\n') };
}

function terminalText(terminals: Pick<TerminalOutput, 'last'>): TextAttachment | string {
  const command = terminals.last();
  if (!command) {
    return t(
      'The shell of the active terminal has not reported a command to the editor. Run a command, or copy its output.',
    );
  }
  const end = command.exitCode === undefined ? '' : `\n(exit code ${command.exitCode})`;
  const path = command.line.trim().split('\n')[0]?.slice(0, 200) || 'terminal';
  // The editor loses the output of commands that end before it has reported their start.
  const output = command.output || '(The editor captured no output.)';
  return { kind: 'terminal', path, text: `$ ${command.line}\n${output}${end}` };
}

async function gitText(of: 'staged' | 'branch'): Promise<TextAttachment | string> {
  // Git reads the repository's configuration, so it only runs in trusted workspaces.
  if (!vscode.workspace.isTrusted)
    return t('Git is not available in an untrusted workspace. Trust the workspace, then try again.');
  const active = vscode.window.activeTextEditor?.document.uri;
  const folder = (active && vscode.workspace.getWorkspaceFolder(active)) ?? vscode.workspace.workspaceFolders?.[0];
  if (folder?.uri.scheme !== 'file') return t('Open a folder on this machine, then try again.');
  const diff = await gitDiff(of, folder.uri.fsPath);
  if (!diff) {
    return of === 'staged'
      ? t('{0} is not in a Git repository.', folder.name)
      : t('Cannot compare branches because there is no Git repository with a main or master branch.');
  }
  if (diff.text.trim() === '') {
    return of === 'staged'
      ? t('There are no staged changes.')
      : t('The branch has no changes compared with {0}.', diff.base);
  }
  const path = of === 'staged' ? 'staged changes' : `changes since ${diff.base}`;
  return { kind: 'git', path, language: 'diff', text: diff.text };
}

/** Returns the text, truncated to the limit with a note. */
function truncated(text: string): string {
  if (text.length <= limits.attachmentChars) return text;
  return `${text.slice(0, limits.attachmentChars - 100).toWellFormed()}\n[... the rest was omitted ...]`;
}
