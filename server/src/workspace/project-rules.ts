import { wildcard } from './wildcard.ts';
import type { Workspace } from './workspace.ts';

/** A file in which a project says how it wants to be worked on. */
export interface RuleFile {
  readonly path: string;
  readonly text: string;
  /** It is for files that one of these fits, relative to the folder that it is the rule of. Without: for all. */
  readonly globs?: readonly string[];
}

/** What other assistants read too, and DevLM's own. */
const names = ['AGENTS.md', 'CLAUDE.md', '.github/copilot-instructions.md'];
const ownFolder = '.devlm';
/** Characters of all rule files together. */
const mostChars = 60_000;
/** A window that does not answer must not hold back the first word for long. */
const waitMs = 2_000;

/**
 * The rule files of a workspace, in a fixed order; the same rules give the same prompt. Of several
 * folders each may have its own. What cannot be read in time is left out.
 */
export async function readRules(workspace: Workspace, signal: AbortSignal): Promise<RuleFile[]> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);
  const roots = workspace.folders.length > 1 ? workspace.folders.map(({ name }) => `${name}/`) : [''];
  const paths = await Promise.all(
    roots.map(async (root) => {
      const { entries } = await workspace
        .list({ path: `${root}${ownFolder}`, depth: 1, limit: 50 }, stop)
        .catch(() => ({ entries: [] }));
      const own = entries.flatMap(({ kind, path }) => (kind === 'file' && path.endsWith('.md') ? [path] : []));
      return [...names.map((name) => root + name), ...own.sort()];
    }),
  );
  const files = await Promise.all(
    paths.flat().map(async (path) => {
      const file = await workspace.read(path, stop).catch(() => null);
      return file?.kind === 'text' && file.text.trim() !== '' ? [ruleOf(path, file.text.trim())] : [];
    }),
  );
  signal.throwIfAborted();
  const rules: RuleFile[] = [];
  const seen = new Set<string>();
  let left = mostChars;
  for (const { path, text, globs } of files.flat()) {
    // Projects often keep one text under several names.
    if (seen.has(text) || left === 0) continue;
    seen.add(text);
    const part = text.slice(0, left);
    left -= part.length;
    rules.push({ path, text: part, ...(globs ? { globs } : {}) });
  }
  return rules;
}

/** Whether a rule is for a file, by its globs; a glob without a slash fits in every folder. */
export function appliesTo({ path, globs }: RuleFile, file: string): boolean {
  if (!globs) return true;
  const at = path.indexOf(`${ownFolder}/`);
  const root = at > 0 ? path.slice(0, at) : '';
  if (!file.startsWith(root)) return false;
  const below = file.slice(root.length);
  return globs.some((glob) =>
    wildcard(glob.includes('/') ? glob.replace(/^\.?\//, '') : `**/${glob}`, false).test(below),
  );
}

/** Most globs of one rule, and the longest. */
const mostGlobs = { count: 50, chars: 200 } as const;

/** DevLM's own rules may begin with a front matter that has `globs`: one, several with commas, or a list. */
function ruleOf(path: string, text: string): RuleFile {
  const [whole, head = ''] = /^---[ \t]*\r?\n(.*?\r?\n)?---[ \t]*(?:\r?\n|$)/s.exec(text) ?? [];
  if (whole === undefined || !path.includes(`${ownFolder}/`)) return { path, text };
  const body = text.slice(whole.length).trim();
  const [, line = '', list = ''] = /^globs:[ \t]*(.*)\r?\n((?:[ \t]*-.*(?:\r?\n|$))*)/m.exec(head) ?? [];
  const named = [
    ...line.replace(/^\[|\]$/g, '').split(','),
    ...list.split('\n').map((item) => item.replace(/^\s*-/, '')),
  ];
  const globs = named.map((glob) => glob.trim().replace(/^(["'])(.*)\1$/, '$2')).filter((glob) => glob !== '');
  if (globs.length === 0) return { path, text: body };
  return { path, text: body, globs: globs.filter((glob) => glob.length <= mostGlobs.chars).slice(0, mostGlobs.count) };
}
