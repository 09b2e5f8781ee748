import { ProblemError } from '@devlm/protocol/problem.ts';
import ignore, { type Ignore } from 'ignore';
import { type ConfinedEntry, isTemporary, listConfined, readConfined, removeConfined } from './paths.ts';

/** What lies there for the version control or the system, and is never shown: as VS Code has it from the start. */
const hidden = new Set(['.git', '.svn', '.hg', '.DS_Store', 'Thumbs.db']);
/** What is being written for longer than this was left by a server that was killed, milliseconds. */
const staleMs = 3_600_000;
/** A .gitignore larger than this is not one, bytes. */
const ignoreBytes = 256 * 1024;

/** A file or folder that a walk came by; `path` is seen from the workspace. */
export interface Found extends ConfinedEntry {
  readonly path: string;
}

/** The rules of one .gitignore, for what lies below its folder. */
interface Rules {
  readonly folder: string;
  readonly ignore: Ignore;
}

/**
 * Goes through a folder level by level, each by name, until `visit` answers false. What .gitignore files leave out is
 * passed over, unless the folder that was asked for is itself left out. Links are named, not entered.
 *
 * @param path tidied; `''` is the workspace
 * @param leftOut names that are passed over besides
 * @throws ProblemError as `listConfined`
 */
export async function walk(
  root: string,
  path: string,
  depth: number,
  visit: (found: Found) => boolean | Promise<boolean>,
  signal: AbortSignal,
  leftOut: ReadonlySet<string> = new Set(),
): Promise<void> {
  const above = await rulesAbove(root, path);
  const all = path !== '' && above.ignored;
  let level = [{ path, rules: above.rules }];
  for (let left = depth; left > 0 && level.length > 0; left--) {
    const next: typeof level = [];
    for (const folder of level) {
      signal.throwIfAborted();
      // Another one may go while the others are looked through; the one that was asked for has to be there.
      const entries = await listConfined(root, folder.path || '.', { stats: true }).catch((error: unknown) => {
        if (folder.path === path || !(error instanceof ProblemError)) throw error;
        return [];
      });
      const own = folder.path === path ? [] : await rulesIn(root, folder.path, entries);
      const rules = [...own, ...folder.rules];
      for (const entry of entries) {
        if (entry.kind === 'other' || hidden.has(entry.name) || leftOut.has(entry.name)) continue;
        const found = { ...entry, path: folder.path === '' ? entry.name : `${folder.path}/${entry.name}` };
        if (isTemporary(entry.name)) {
          if (Date.now() - (entry.modified ?? Date.now()) > staleMs)
            await removeConfined(root, found.path).catch(() => undefined);
          continue;
        }
        if (!all && isIgnored(rules, found.path, entry.kind === 'folder')) continue;
        if (!(await visit(found))) return;
        if (entry.kind === 'folder') next.push({ path: found.path, rules });
      }
    }
    level = next;
  }
}

/** The rules that hold in a folder, the innermost first, and whether they leave the folder itself out. */
async function rulesAbove(root: string, path: string): Promise<{ rules: Rules[]; ignored: boolean }> {
  const parts = path === '' ? [] : path.split('/');
  let rules: Rules[] = [];
  let ignored = false;
  for (let depth = 0; depth <= parts.length; depth++) {
    const folder = parts.slice(0, depth).join('/');
    if (depth > 0) ignored ||= hidden.has(parts[depth - 1] ?? '') || isIgnored(rules, folder, true);
    rules = [...(await rulesIn(root, folder)), ...rules];
  }
  return { rules, ignored };
}

async function rulesIn(root: string, folder: string, entries?: readonly ConfinedEntry[]): Promise<Rules[]> {
  if (entries && !entries.some(({ name, kind }) => name === '.gitignore' && kind === 'file')) return [];
  const path = folder === '' ? '.gitignore' : `${folder}/.gitignore`;
  try {
    const { bytes } = await readConfined(root, path, { maxBytes: ignoreBytes });
    return [{ folder, ignore: ignore({ ignorecase: false }).add(bytes.toString()) }];
  } catch (error) {
    if (error instanceof ProblemError) return [];
    throw error;
  }
}

/** The innermost file that says anything decides. */
function isIgnored(rules: readonly Rules[], path: string, isFolder: boolean): boolean {
  for (const { folder, ignore } of rules) {
    const below = folder === '' ? path : path.slice(folder.length + 1);
    const { ignored, unignored } = ignore.test(isFolder ? `${below}/` : below);
    if (ignored || unignored) return ignored;
  }
  return false;
}
