import { ProblemError } from '@devlm/protocol/problem.ts';
import ignore, { type Ignore } from 'ignore';
import { type ConfinedEntry, isTemporary, listConfined, readConfined, removeConfined } from './paths.ts';

/** Names of version control and of the system that are never listed, as in the default settings of VS Code. */
const hiddenNames = new Set(['.git', '.svn', '.hg', '.DS_Store', 'Thumbs.db']);
/** Age after which a temporary file counts as left by a killed server and is removed, in milliseconds. */
const staleAfterMs = 3_600_000;
/** Maximum size of a .gitignore file, in bytes. Larger ones are not read. */
const maxIgnoreBytes = 256 * 1024;

/** A file or folder found by a walk. `path` is relative to the workspace. */
export interface WalkEntry extends ConfinedEntry {
  readonly path: string;
}

/** Rules of one .gitignore file, which apply below its folder. */
interface IgnoreRules {
  readonly folder: string;
  readonly ignore: Ignore;
}

/**
 * Walks a folder level by level, in the order of names, until `visit` returns false. Entries that .gitignore files exclude
 * are skipped, unless the walked folder is itself excluded. Links are visited, not entered.
 *
 * @param path normalized path of the folder; `''` is the workspace
 * @param depth maximum number of levels
 * @param excludedNames further names to skip; default: none
 * @throws ProblemError those of `listConfined`
 */
export async function walk(
  root: string,
  path: string,
  depth: number,
  visit: (found: WalkEntry) => boolean | Promise<boolean>,
  signal: AbortSignal,
  excludedNames: ReadonlySet<string> = new Set(),
): Promise<void> {
  const above = await rulesAbove(root, path);
  const includeIgnored = path !== '' && above.ignored;
  let level = [{ path, rules: above.rules }];
  for (let remaining = depth; remaining > 0 && level.length > 0; remaining--) {
    const next: typeof level = [];
    for (const folder of level) {
      signal.throwIfAborted();
      // Subfolders may disappear during the walk, but the walked folder itself has to exist.
      const entries = await listConfined(root, folder.path || '.', { stats: true }).catch((error: unknown) => {
        if (folder.path === path || !(error instanceof ProblemError)) throw error;
        return [];
      });
      const ownRules = folder.path === path ? [] : await rulesIn(root, folder.path, entries);
      const rules = [...ownRules, ...folder.rules];
      for (const entry of entries) {
        if (entry.kind === 'other' || hiddenNames.has(entry.name) || excludedNames.has(entry.name)) continue;
        const found = { ...entry, path: folder.path === '' ? entry.name : `${folder.path}/${entry.name}` };
        if (isTemporary(entry.name)) {
          if (Date.now() - (entry.modified ?? Date.now()) > staleAfterMs)
            await removeConfined(root, found.path).catch(() => undefined);
          continue;
        }
        if (!includeIgnored && isIgnored(rules, found.path, entry.kind === 'folder')) continue;
        if (!(await visit(found))) return;
        if (entry.kind === 'folder') next.push({ path: found.path, rules });
      }
    }
    level = next;
  }
}

/** Returns the rules that apply in a folder, innermost first, and whether they exclude the folder itself. */
async function rulesAbove(root: string, path: string): Promise<{ rules: IgnoreRules[]; ignored: boolean }> {
  const parts = path === '' ? [] : path.split('/');
  let rules: IgnoreRules[] = [];
  let ignored = false;
  for (let depth = 0; depth <= parts.length; depth++) {
    const folder = parts.slice(0, depth).join('/');
    if (depth > 0) ignored ||= hiddenNames.has(parts[depth - 1] ?? '') || isIgnored(rules, folder, true);
    rules = [...(await rulesIn(root, folder)), ...rules];
  }
  return { rules, ignored };
}

async function rulesIn(root: string, folder: string, entries?: readonly ConfinedEntry[]): Promise<IgnoreRules[]> {
  if (entries && !entries.some(({ name, kind }) => name === '.gitignore' && kind === 'file')) return [];
  const path = folder === '' ? '.gitignore' : `${folder}/.gitignore`;
  try {
    const { bytes } = await readConfined(root, path, { maxBytes: maxIgnoreBytes });
    return [{ folder, ignore: ignore({ ignorecase: false }).add(bytes.toString()) }];
  } catch (error) {
    if (error instanceof ProblemError) return [];
    throw error;
  }
}

/** Returns whether a path is ignored. The innermost file with a matching rule decides. */
function isIgnored(rules: readonly IgnoreRules[], path: string, isFolder: boolean): boolean {
  for (const { folder, ignore } of rules) {
    const relativePath = folder === '' ? path : path.slice(folder.length + 1);
    const { ignored, unignored } = ignore.test(isFolder ? `${relativePath}/` : relativePath);
    if (ignored || unignored) return ignored;
  }
  return false;
}
