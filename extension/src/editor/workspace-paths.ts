import { realpath } from 'node:fs/promises';
import { posix, sep } from 'node:path';
import * as vscode from 'vscode';

/**
 * The URI of what the page calls a file: a path relative to a workspace folder, an absolute one,
 * or a URI from a drop. Undefined for anything that is no file of this machine or workspace.
 */
export function fileUri(text: string): vscode.Uri | undefined {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (/^[a-z][a-z0-9+.-]+:/i.test(text)) return uriOf(text, folders);
  if (/^([a-z]:[\\/]|\/)/i.test(text)) return vscode.Uri.file(text);
  const path = text.replaceAll('\\', '/');
  const [first = '', ...rest] = path.split('/');
  // With several folders, paths are shown with the folder's name in front.
  const named = folders.length > 1 ? folders.find((folder) => folder.name === first) : undefined;
  if (named) return vscode.Uri.joinPath(named.uri, ...rest);
  return folders[0] && vscode.Uri.joinPath(folders[0].uri, path);
}

function uriOf(text: string, folders: readonly vscode.WorkspaceFolder[]): vscode.Uri | undefined {
  let uri: vscode.Uri;
  try {
    uri = vscode.Uri.parse(text, true);
  } catch {
    return undefined;
  }
  const path = posix.normalize(uri.path);
  // In a remote window the page names files as the window does; here they are plain files.
  if (uri.scheme === 'vscode-remote' && vscode.env.remoteName) return vscode.Uri.file(path);
  const known = uri.scheme === 'file' || folders.some((folder) => folder.uri.scheme === uri.scheme);
  return known ? uri.with({ path, query: '', fragment: '' }) : undefined;
}

/** Whether the file lies in a workspace folder, also after its symbolic links have been followed. */
export async function isInWorkspace(uri: vscode.Uri): Promise<boolean> {
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  if (!folder) return false;
  if (uri.scheme !== 'file') return true;
  try {
    const [file, root] = await Promise.all([realpath(uri.fsPath), realpath(folder.uri.fsPath)]);
    return file === root || file.startsWith(root.endsWith(sep) ? root : root + sep);
  } catch {
    // It does not exist: reading it will say so.
    return true;
  }
}

/** As shown to the person and the model. */
export function label(uri: vscode.Uri): string {
  return vscode.workspace.asRelativePath(uri).replaceAll('\\', '/');
}
