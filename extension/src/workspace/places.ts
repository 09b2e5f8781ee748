import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import { pathParts } from './path-parts.ts';
import { refusals } from './problems.ts';

/** A folder that is lent, by the name that begins its paths when there are several. */
export interface Folder {
  readonly name: string;
  readonly uri: vscode.Uri;
}

/** A file or folder of the workspace, which need not exist. */
export interface Place {
  /** As the agent writes it, tidied. */
  readonly path: string;
  /** With symbolic links resolved, so that one file has one. */
  readonly uri: vscode.Uri;
  readonly folder: Folder;
  /** The path itself is a symbolic link, or goes through one. */
  readonly linked: boolean;
}

/** The folders of the workspace. Two of the same name are told apart by a number. */
export function workspaceFolders(): Folder[] {
  const taken = new Set<string>();
  return (vscode.workspace.workspaceFolders ?? []).map(({ name, uri }) => {
    // A slash would be taken for a path's.
    const base = name.replaceAll(/[\\/]/g, '-');
    let unique = base;
    for (let i = 2; taken.has(unique); i++) unique = `${base}-${i}`;
    taken.add(unique);
    return { name: unique, uri };
  });
}

/**
 * Finds what a path means, at the moment of use.
 *
 * @returns undefined for the root of a workspace of several folders, which is no folder itself
 * @throws ProblemError `outside_workspace` for what lies outside, also by a symbolic link; `invalid_path`
 */
export async function placeOf(path: string, folders: readonly Folder[]): Promise<Place | undefined> {
  const parts = pathParts(path);
  const [first = '', ...rest] = parts;
  const several = folders.length > 1;
  if (several && first === '') return undefined;
  const folder = several ? folders.find(({ name }) => name === first) : folders[0];
  if (!folder) throw refusals.outside(path);
  const below = several ? rest : parts;
  const plain = vscode.Uri.joinPath(folder.uri, ...below);
  const tidy = parts.join('/') || '.';
  if (folder.uri.scheme !== 'file') return { path: tidy, uri: plain, folder, linked: false };
  const real = await resolved(plain.fsPath, path);
  for (const candidate of [folder, ...folders.filter((other) => other !== folder && other.uri.scheme === 'file')]) {
    const root = await realpath(candidate.uri.fsPath).catch(() => candidate.uri.fsPath);
    const inside = relative(root, real);
    if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) continue;
    const uri = inside === '' ? candidate.uri : vscode.Uri.joinPath(candidate.uri, ...inside.split(sep));
    return { path: tidy, uri, folder: candidate, linked: uri.toString() !== plain.toString() };
  }
  throw refusals.outside(path);
}

/** The same for a file or folder that has to be below one folder. */
export async function filePlace(path: string, folders: readonly Folder[]): Promise<Place> {
  const place = await placeOf(path, folders);
  if (!place) throw refusals.badPath(path, 'it names no file');
  return place;
}

/** How the agent writes a URI below one of the folders; undefined for one that is elsewhere. */
export function pathOf(uri: vscode.Uri, folders: readonly Folder[]): string | undefined {
  // The innermost, where one folder is inside another.
  const folder = folders
    .filter((one) => one.uri.scheme === uri.scheme && one.uri.authority === uri.authority)
    .filter((one) => uri.path === one.uri.path || uri.path.startsWith(one.uri.path.replace(/\/?$/, '/')))
    .sort((a, b) => b.uri.path.length - a.uri.path.length)[0];
  if (!folder) return undefined;
  const below = uri.path.slice(folder.uri.path.length).replace(/^\//, '');
  return folders.length > 1 ? [folder.name, below].filter((part) => part !== '').join('/') : below || '.';
}

/** The path with all links resolved; of what does not exist, its nearest folder's. */
async function resolved(path: string, asked: string): Promise<string> {
  const missing: string[] = [];
  for (let at = path; ; at = dirname(at)) {
    try {
      return join(await realpath(at), ...missing);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'ELOOP') throw refusals.outside(asked);
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw refusals.failed(asked, error);
      // A link to what does not exist yet would be written through.
      const dangling = await lstat(at).then(
        () => true,
        () => false,
      );
      if (dangling || dirname(at) === at) throw refusals.outside(asked);
      missing.unshift(basename(at));
    }
  }
}

/** Any failure of the file system as a problem that names the path. */
export async function named<T>(path: string, work: PromiseLike<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof ProblemError ? error : refusals.failed(path, error);
  }
}
