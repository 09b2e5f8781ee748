import { ProblemError } from '@devlm/protocol/problem.ts';
import { defaultHidden, IgnoredPaths, maxIgnoreFileBytes } from '@devlm/workspace-core/ignored-paths.ts';
import { type ConfinedEntry, isTemporary, listConfined, readConfined, removeConfined } from './paths.ts';

/** Age after which a temporary file counts as left by a killed server and is removed, in milliseconds. */
const staleAfterMs = 3_600_000;

/** A file or folder found by a walk. `path` is relative to the workspace. */
export interface WalkEntry extends ConfinedEntry {
  readonly path: string;
}

/**
 * Walks a folder level by level, in the order of names, until `visit` returns false. Entries that .gitignore files exclude
 * are skipped, unless the walked folder is itself excluded. Links are visited, not entered.
 *
 * @param path normalized path of the folder; `''` is the workspace
 * @param depth maximum number of levels
 * @param hidden globs of further entries to skip
 * @throws ProblemError those of `listConfined`
 */
export async function walk(
  root: string,
  path: string,
  depth: number,
  visit: (found: WalkEntry) => boolean | Promise<boolean>,
  signal: AbortSignal,
  hidden: readonly string[] = defaultHidden.files,
): Promise<void> {
  /** Paths of .gitignore files that are known not to exist. */
  const missing = new Set<string>();
  const read = async (file: string) => (missing.has(file) ? null : await readIgnoreFile(root, file));
  const ignored = new IgnoredPaths({ hidden, read });
  const isStartIgnored = await ignored.has(path, true);
  let level = [path];
  for (let remaining = depth; remaining > 0 && level.length > 0; remaining--) {
    const next: typeof level = [];
    for (const folder of level) {
      signal.throwIfAborted();
      // Subfolders may disappear during the walk, but the walked folder itself has to exist.
      const entries = await listConfined(root, folder || '.', { stats: true }).catch((error: unknown) => {
        if (folder === path || !(error instanceof ProblemError)) throw error;
        return [];
      });
      const prefix = folder === '' ? '' : `${folder}/`;
      if (!entries.some(({ name }) => name === '.gitignore')) missing.add(`${prefix}.gitignore`);
      for (const entry of entries) {
        if (entry.kind === 'other') continue;
        const found = { ...entry, path: `${prefix}${entry.name}` };
        if (isTemporary(entry.name)) {
          if (Date.now() - (entry.modified ?? Date.now()) > staleAfterMs)
            await removeConfined(root, found.path).catch(() => undefined);
          continue;
        }
        const isFolder = entry.kind === 'folder';
        if (isStartIgnored ? ignored.hides(found.path, isFolder) : await ignored.has(found.path, isFolder)) continue;
        if (!(await visit(found))) return;
        if (isFolder) next.push(found.path);
      }
    }
    level = next;
  }
}

/** Returns the text of an ignore file, or null if there is none. Like Git, it follows no link. */
async function readIgnoreFile(root: string, path: string): Promise<string | null> {
  const [, folder = '.', name = path] = /^(.*)\/(.*)$/.exec(path) ?? [];
  try {
    const entries = await listConfined(root, folder);
    if (!entries.some((entry) => entry.name === name && entry.kind === 'file')) return null;
    return (await readConfined(root, path, { maxBytes: maxIgnoreFileBytes })).bytes.toString();
  } catch (error) {
    if (error instanceof ProblemError) return null;
    throw error;
  }
}
