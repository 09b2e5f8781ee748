import { realpath } from 'node:fs/promises';
import { posix, sep } from 'node:path';
import * as vscode from 'vscode';

/**
 * Returns the URI of a file that the page names: by a path relative to a workspace folder, an absolute path, or a
 * dropped URI. Returns undefined if it is not a file of this machine or workspace.
 */
export function fileUri(text: string): vscode.Uri | undefined {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (/^[a-z][a-z0-9+.-]+:/i.test(text)) return uriOf(text, folders);
  if (/^([a-z]:[\\/]|\/)/i.test(text)) return vscode.Uri.file(text);
  const path = text.replaceAll('\\', '/');
  const [first = '', ...rest] = path.split('/');
  // In a multi-root workspace, paths are displayed with the folder's name in front.
  const namedFolder = folders.length > 1 ? folders.find((folder) => folder.name === first) : undefined;
  if (namedFolder) return vscode.Uri.joinPath(namedFolder.uri, ...rest);
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
  // In a remote window the page uses the window's URIs; here they are local files.
  if (uri.scheme === 'vscode-remote' && vscode.env.remoteName) return vscode.Uri.file(path);
  const isKnownScheme = uri.scheme === 'file' || folders.some((folder) => folder.uri.scheme === uri.scheme);
  return isKnownScheme ? uri.with({ path, query: '', fragment: '' }) : undefined;
}

/** Returns whether the file is inside a workspace folder, with symbolic links resolved. */
export async function isInWorkspace(uri: vscode.Uri): Promise<boolean> {
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  if (!folder) return false;
  if (uri.scheme !== 'file') return true;
  try {
    const [file, root] = await Promise.all([realpath(uri.fsPath), realpath(folder.uri.fsPath)]);
    return file === root || file.startsWith(root.endsWith(sep) ? root : root + sep);
  } catch {
    // The file does not exist: reading it will report that.
    return true;
  }
}

/** Returns the path of a file as displayed to the user and to the model. */
export function displayPath(uri: vscode.Uri): string {
  return vscode.workspace.asRelativePath(uri).replaceAll('\\', '/');
}
