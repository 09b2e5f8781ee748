import type {
  EditorAction,
  FilesAnswer,
  PageCommand,
  SavedView,
  SymbolsAnswer,
  TaskAnswer,
} from '@devlm/protocol/page.ts';
import type { ProblemError } from '@devlm/protocol/problem.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import * as vscode from 'vscode';
import type { ServerConnection } from '../connection/connection.ts';
import type { Reviewer } from '../review/reviewer.ts';
import { actionRefused } from './action-refused.ts';
import { allowAlways } from './always-allow.ts';
import { openDiff } from './diff.ts';
import { pickFiles, readNamed, readSelection } from './files.ts';
import { findFiles, findFolders } from './find-files.ts';
import { parseLink } from './link.ts';
import { findSymbols, readMention } from './mentions.ts';
import { showSentRequests } from './sent-requests.ts';
import type { TerminalOutput } from './terminal-output.ts';
import { fileUri, isInWorkspace } from './workspace-paths.ts';

const t = vscode.l10n.t;

/** Dependencies of `runEditorAction`. */
export interface EditorActionsOptions {
  readonly connection: ServerConnection;
  readonly reviewer: Pick<Reviewer, 'open'>;
  readonly saveView: (view: SavedView) => Promise<void>;
  readonly tasks: { forPage(task: Task, words: string): Promise<TaskAnswer> };
  readonly terminals: Pick<TerminalOutput, 'last'>;
  readonly runCommand: (command: PageCommand) => Promise<void>;
}

/** Performs an action of the page. Returns what `EditorAction` documents for it. */
export async function runEditorAction(
  action: EditorAction,
  signal: AbortSignal,
  options: EditorActionsOptions,
): Promise<FilesAnswer | SymbolsAnswer | TaskAnswer | { paths: string[] } | null> {
  switch (action.action) {
    case 'findFiles':
      return { paths: await findFiles(action.query) };
    case 'findFolders':
      return { paths: await findFolders(action.query) };
    case 'findSymbols':
      return await findSymbols(action.query);
    case 'readMention':
      return await readMention(action.mention, options.terminals);
    case 'readFiles':
      return await readNamed(action.paths);
    case 'pickFiles':
      return await pickFiles();
    case 'readSelection':
      return readSelection();
    case 'insertAtCursor':
      await insertAtCursor(action.text);
      return null;
    case 'newFile':
      await newFile(action.text, action.language);
      return null;
    case 'copy':
      await vscode.env.clipboard.writeText(action.text);
      return null;
    case 'openLink':
      await openLink(action.href);
      return null;
    case 'openDiff':
      await openDiff(action);
      return null;
    case 'reviewChanges':
      await options.reviewer.open(action, action.path);
      return null;
    case 'openFile':
      await openFile(action.path, action.line);
      return null;
    case 'exportConversation':
      await exportConversation(action.conversationId, signal, options.connection);
      return null;
    case 'showSentRequests':
      await showSentRequests(action, options.connection, signal);
      return null;
    case 'command':
      await options.runCommand(action.command);
      return null;
    case 'alwaysAllow':
      await allowAlways(action, options.connection, signal);
      return null;
    case 'task':
      return await options.tasks.forPage(action.task, action.words);
    case 'saveView':
      await options.saveView(action.view);
      return null;
  }
}

async function insertAtCursor(text: string): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) {
    await newFile(text, '');
    return;
  }
  const isApplied = await editor.edit((edit) => {
    for (const selection of editor.selections) edit.replace(selection, text);
  });
  if (!isApplied)
    throw actionRefused('not_editable', t('Cannot insert the text in the active editor. The file may be read-only.'));
  await vscode.window.showTextDocument(editor.document, { viewColumn: editor.viewColumn ?? vscode.ViewColumn.Active });
}

async function newFile(content: string, fenceName: string): Promise<void> {
  const language = await languageId(fenceName);
  const document = await vscode.workspace.openTextDocument({ content, ...(language ? { language } : {}) });
  await vscode.window.showTextDocument(document);
}

/** Editor language ids by the short names that code fences use. */
const languageIdsByFenceName: Readonly<Record<string, string>> = {
  bash: 'shellscript',
  sh: 'shellscript',
  shell: 'shellscript',
  zsh: 'shellscript',
  js: 'javascript',
  jsx: 'javascriptreact',
  ts: 'typescript',
  tsx: 'typescriptreact',
  py: 'python',
  rb: 'ruby',
  rs: 'rust',
  golang: 'go',
  md: 'markdown',
  yml: 'yaml',
  'c++': 'cpp',
  'c#': 'csharp',
  cs: 'csharp',
  docker: 'dockerfile',
  ps1: 'powershell',
  kt: 'kotlin',
};

/** Returns the editor's language id for a fence name, or undefined if the editor does not know it. */
async function languageId(fenceName: string): Promise<string | undefined> {
  const name = fenceName.trim().toLowerCase();
  const id = Object.hasOwn(languageIdsByFenceName, name) ? languageIdsByFenceName[name] : name;
  return id && (await vscode.languages.getLanguages()).includes(id) ? id : undefined;
}

async function openLink(href: string): Promise<void> {
  const link = parseLink(href);
  if (link?.kind === 'external') {
    await vscode.env.openExternal(vscode.Uri.parse(link.url, true));
    return;
  }
  if (!link) throw linkRefused();
  await openFile(link.path, link.line, link.endLine);
}

async function openFile(path: string, line?: number, endLine?: number): Promise<void> {
  const uri = fileUri(path);
  if (!uri || !(await isInWorkspace(uri))) throw linkRefused();
  const start = new vscode.Position((line ?? 1) - 1, 0);
  const end = endLine ? new vscode.Position(endLine, 0) : start;
  const options = line === undefined ? {} : { selection: new vscode.Range(start, end) };
  try {
    // Unlike showTextDocument, this command also opens images and notebooks.
    await vscode.workspace.fs.stat(uri);
    await vscode.commands.executeCommand('vscode.open', uri, options);
  } catch {
    throw actionRefused('file_not_found', t('{0} does not exist.', path));
  }
}

function linkRefused(): ProblemError {
  return actionRefused('link_refused', t('Only web links and files in the workspace can be opened from the chat.'));
}

async function exportConversation(
  conversationId: string,
  signal: AbortSignal,
  connection: ServerConnection,
): Promise<void> {
  const { title, markdown } = await connection.call('conversations.export', { params: { conversationId } }, { signal });
  const name = `${
    title
      .replaceAll(/[^\p{L}\p{N} ._-]+/gu, ' ')
      .trim()
      .slice(0, 80) || t('conversation')
  }.md`;
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const target = await vscode.window.showSaveDialog({
    filters: { Markdown: ['md'] },
    saveLabel: t('Export'),
    ...(folder ? { defaultUri: vscode.Uri.joinPath(folder, name) } : {}),
  });
  if (!target) return;
  await vscode.workspace.fs.writeFile(target, new TextEncoder().encode(markdown));
  await vscode.commands.executeCommand('vscode.open', target);
}
