import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import { pathParts } from './path-parts.ts';
import { refusals } from './problems.ts';

/** A shared folder. Its name is the first part of its paths if there are several folders. */
export interface Folder {
  readonly name: string;
  readonly uri: vscode.Uri;
}

/** A file or folder of the workspace, which need not exist. */
export interface Place {
  /** Normalized path, as the agent writes it. */
  readonly path: string;
  /** Location with symbolic links resolved, so that each file has a single one. */
  readonly uri: vscode.Uri;
  readonly folder: Folder;
  /** Whether the path is a symbolic link or passes through one. */
  readonly linked: boolean;
}

/** Returns the folders of the workspace. Duplicate names get a number. */
export function workspaceFolders(): Folder[] {
  const usedNames = new Set<string>();
  return (vscode.workspace.workspaceFolders ?? []).map(({ name, uri }) => {
    // A slash would be read as a path separator.
    const base = name.replaceAll(/[\\/]/g, '-');
    let unique = base;
    for (let i = 2; usedNames.has(unique); i++) unique = `${base}-${i}`;
    usedNames.add(unique);
    return { name: unique, uri };
  });
}

/**
 * Resolves a path at the moment of use.
 *
 * @returns undefined for the root of a multi-root workspace, which is not a folder itself
 * @throws ProblemError `outside_workspace` if the path leads outside, also through a symbolic link; `invalid_path`
 */
export async function placeOf(path: string, folders: readonly Folder[]): Promise<Place | undefined> {
  const parts = pathParts(path);
  const [first = '', ...rest] = parts;
  const isMultiRoot = folders.length > 1;
  if (isMultiRoot && first === '') return undefined;
  const folder = isMultiRoot ? folders.find(({ name }) => name === first) : folders[0];
  if (!folder) throw refusals.outside(path);
  const relativeParts = isMultiRoot ? rest : parts;
  const unresolved = vscode.Uri.joinPath(folder.uri, ...relativeParts);
  const normalized = parts.join('/') || '.';
  if (folder.uri.scheme !== 'file') return { path: normalized, uri: unresolved, folder, linked: false };
  const real = await resolved(unresolved.fsPath, path);
  for (const candidate of [folder, ...folders.filter((other) => other !== folder && other.uri.scheme === 'file')]) {
    const root = await realpath(candidate.uri.fsPath).catch(() => candidate.uri.fsPath);
    const inside = relative(root, real);
    if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) continue;
    const uri = inside === '' ? candidate.uri : vscode.Uri.joinPath(candidate.uri, ...inside.split(sep));
    return { path: normalized, uri, folder: candidate, linked: uri.toString() !== unresolved.toString() };
  }
  throw refusals.outside(path);
}

/** Resolves a path like `placeOf`, but refuses the root of a multi-root workspace. */
export async function filePlace(path: string, folders: readonly Folder[]): Promise<Place> {
  const place = await placeOf(path, folders);
  if (!place) throw refusals.badPath(path, 'it does not name a file');
  return place;
}

/** Returns the path of a URI as the agent writes it, or undefined if it is outside the folders. */
export function pathOf(uri: vscode.Uri, folders: readonly Folder[]): string | undefined {
  // Use the innermost folder if one contains another.
  const folder = folders
    .filter((candidate) => candidate.uri.scheme === uri.scheme && candidate.uri.authority === uri.authority)
    .filter(
      (candidate) => uri.path === candidate.uri.path || uri.path.startsWith(candidate.uri.path.replace(/\/?$/, '/')),
    )
    .sort((a, b) => b.uri.path.length - a.uri.path.length)[0];
  if (!folder) return undefined;
  const below = uri.path.slice(folder.uri.path.length).replace(/^\//, '');
  return folders.length > 1 ? [folder.name, below].filter((part) => part !== '').join('/') : below || '.';
}

/** Resolves all links of a path. If the path does not exist, resolves its nearest existing parent. */
async function resolved(path: string, requestedPath: string): Promise<string> {
  const missing: string[] = [];
  for (let at = path; ; at = dirname(at)) {
    try {
      return join(await realpath(at), ...missing);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'ELOOP') throw refusals.outside(requestedPath);
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw refusals.failed(requestedPath, error);
      // Writing through a dangling link would create its target.
      const isDangling = await lstat(at).then(
        () => true,
        () => false,
      );
      if (isDangling || dirname(at) === at) throw refusals.outside(requestedPath);
      missing.unshift(basename(at));
    }
  }
}

/** Awaits the work and converts file system errors to a problem that names the path. */
export async function withFileErrors<T>(path: string, work: PromiseLike<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof ProblemError ? error : refusals.failed(path, error);
  }
}
