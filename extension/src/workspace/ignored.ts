import { IgnoredPaths, maxIgnoreFileBytes, type OuterIgnoreFile } from '@devlm/workspace-core/ignored-paths.ts';
import * as vscode from 'vscode';

/** Maximum number of levels that the repository root may be above a workspace folder. */
const maxLevels = 20;

/**
 * Returns the paths of a workspace folder that lists and searches leave out.
 *
 * @param settings names of settings such as `files.exclude`
 */
export function ignoredIn(root: vscode.Uri, settings: readonly string[]): IgnoredPaths {
  return new IgnoredPaths({
    hidden: hiddenGlobs(root, settings),
    read: (path) => read(vscode.Uri.joinPath(root, path)),
    readOuter: () => readOuter(root),
  });
}

/** Reads the .gitignore files above the workspace folder, up to its repository root, the innermost first. */
async function readOuter(root: vscode.Uri): Promise<OuterIgnoreFile[]> {
  const outer: OuterIgnoreFile[] = [];
  if (root.scheme !== 'file') return outer;
  let prefix = '';
  for (let at = root, levels = 0; levels < maxLevels; levels++) {
    const isRepository = await vscode.workspace.fs.stat(vscode.Uri.joinPath(at, '.git')).then(
      () => true,
      () => false,
    );
    if (isRepository) return outer;
    prefix = `${at.path.split('/').at(-1)}/${prefix}`;
    const parent = vscode.Uri.joinPath(at, '..');
    if (parent.path === at.path) break;
    at = parent;
    const text = await read(vscode.Uri.joinPath(at, '.gitignore'));
    if (text !== null) outer.push({ text, prefix });
  }
  // Outside a repository, the files above do not apply.
  return [];
}

/** Returns the text of an ignore file, or null if there is none. Like Git, it follows no link. */
async function read(uri: vscode.Uri): Promise<string | null> {
  try {
    const { size, type } = await vscode.workspace.fs.stat(uri);
    if (size > maxIgnoreFileBytes || type !== vscode.FileType.File) return null;
    return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  } catch {
    return null;
  }
}

/** Returns the globs that are enabled in settings such as `files.exclude`. */
export function hiddenGlobs(root: vscode.Uri, settings: readonly string[]): string[] {
  return settings.flatMap((name) => {
    const value = vscode.workspace.getConfiguration(undefined, root).get<Record<string, unknown>>(name, {});
    return Object.keys(value).filter((glob) => value[glob] === true);
  });
}
