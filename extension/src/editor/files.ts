import type { NewAttachment, TextAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { FilesAnswer } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';
import { isMissing, openDocument } from '../workspace/read.ts';
import { contentOf } from './content.ts';
import { displayPath, fileUri, isInWorkspace } from './workspace-paths.ts';

const t = vscode.l10n.t;

/** Size in bytes above which a file is not read: no text of `attachmentChars` and no image can be larger. */
const maxBytes = Math.max(limits.imageBytes, limits.attachmentChars * 4);

/**
 * Reads the files that the page names. Files outside the workspace require the user's consent, because the page may
 * be wrong about who chose them.
 */
export async function readNamed(names: readonly string[]): Promise<FilesAnswer> {
  const uris: vscode.Uri[] = [];
  const outside: vscode.Uri[] = [];
  const problems: string[] = [];
  for (const name of names) {
    const uri = fileUri(name);
    if (!uri) problems.push(t('Cannot attach {0} because it is not a file on this machine or in the workspace.', name));
    else if (await isInWorkspace(uri)) uris.push(uri);
    else outside.push(uri);
  }
  if (outside.length > 0) {
    if (await confirmOutside(outside)) uris.push(...outside);
    else problems.push(t('Files outside the workspace were not attached.'));
  }
  const answer = await readChosen(uris);
  return { attachments: answer.attachments, problems: [...problems, ...answer.problems] };
}

async function confirmOutside(uris: readonly vscode.Uri[]): Promise<boolean> {
  const attach = t('Attach');
  const answer = await vscode.window.showWarningMessage(
    t('Attach files from outside the workspace?'),
    { modal: true, detail: uris.map(displayPath).join('\n') },
    attach,
  );
  return answer === attach;
}

/** Reads files that the user chose. */
export async function readChosen(uris: readonly vscode.Uri[]): Promise<FilesAnswer> {
  const attachments: NewAttachment[] = [];
  const problems: string[] = [];
  if (uris.length > limits.attachments) {
    problems.push(t('Only the first {0} files were attached.', limits.attachments));
  }
  for (const uri of uris.slice(0, limits.attachments)) {
    const read = await readFile(uri);
    if (typeof read === 'string') problems.push(read);
    else attachments.push(read.kind === 'image' ? read : { ...read, ...untrusted(uri) });
  }
  return { attachments, problems };
}

/** Returns the attachment, or a message that says why the file cannot be attached. */
async function readFile(uri: vscode.Uri): Promise<NewAttachment | string> {
  const path = displayPath(uri);
  // Use the text that the user sees, saved or not.
  const open = openDocument(uri);
  if (open) return textAttachment(path, open.getText(), open.languageId);
  try {
    const stat = await vscode.workspace.fs.stat(uri);
    if (stat.type & vscode.FileType.Directory)
      return t('Cannot attach {0} because it is a folder. Attach its files instead.', path);
    if (stat.size > maxBytes) return t('{0} is too large to attach ({1} KB).', path, Math.round(stat.size / 1024));
    const bytes = await vscode.workspace.fs.readFile(uri);
    const content = contentOf(bytes);
    if (content.kind === 'binary') return t('Cannot attach {0} because it is neither text nor an image.', path);
    if (content.kind === 'text') return textAttachment(path, content.text);
    if (bytes.length > limits.imageBytes) {
      return t('{0} is too large to attach ({1} KB).', path, Math.round(bytes.length / 1024));
    }
    const name = path.split('/').at(-1) ?? path;
    const data = Buffer.from(bytes).toString('base64');
    return { kind: 'image', name: name.slice(-255), mediaType: content.mediaType, data };
  } catch (error) {
    return isMissing(error) ? t('{0} does not exist.', path) : t('Cannot read {0}.', path);
  }
}

function textAttachment(path: string, text: string, language?: string): NewAttachment | string {
  if (text.length > limits.attachmentChars) {
    return t('{0} is too long to attach. Attach a selection instead.', path);
  }
  return { kind: 'file', path, text, ...(language ? { language: language.slice(0, 64) } : {}) };
}

/** Returns the selections of the active editor, or no attachments if nothing is selected. */
export function readSelection(): FilesAnswer {
  const editor = vscode.window.activeTextEditor;
  const attachments: NewAttachment[] = [];
  const problems: string[] = [];
  for (const selection of editor?.selections ?? []) {
    if (!editor || selection.isEmpty || attachments.length === limits.attachments) continue;
    const { document } = editor;
    const path = displayPath(document.uri);
    const text = document.getText(selection);
    if (text.length > limits.attachmentChars) {
      problems.push(t('The selection in {0} is too long to attach.', path));
      continue;
    }
    // A selection of whole lines ends at the start of the next line, which is not part of it.
    const endLine = selection.end.character === 0 ? selection.end.line : selection.end.line + 1;
    attachments.push({
      kind: 'selection',
      path,
      language: document.languageId.slice(0, 64),
      startLine: selection.start.line + 1,
      endLine: Math.max(selection.start.line + 1, endLine),
      text,
      ...untrusted(document.uri),
    });
  }
  return { attachments, problems };
}

/** Returns the mark of a file outside the workspace: it may contain instructions from others. */
function untrusted(uri: vscode.Uri): Pick<TextAttachment, 'untrusted'> {
  const { getWorkspaceFolder, workspaceFolders = [] } = vscode.workspace;
  if (uri.scheme === 'untitled' || workspaceFolders.length === 0 || getWorkspaceFolder(uri)) return {};
  return { untrusted: { kind: 'outside', name: displayPath(uri).slice(-300) } };
}

/** Shows the open dialog and reads the chosen files. */
export async function pickFiles(): Promise<FilesAnswer> {
  const defaultUri = vscode.workspace.workspaceFolders?.[0]?.uri;
  const uris = await vscode.window.showOpenDialog({
    canSelectMany: true,
    openLabel: t('Attach'),
    ...(defaultUri ? { defaultUri } : {}),
  });
  return await readChosen(uris ?? []);
}
