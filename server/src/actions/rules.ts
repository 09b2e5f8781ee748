import type { Workspace } from './workspace.ts';

/** A file in which a project says how it wants to be worked on. */
export interface RuleFile {
  readonly path: string;
  readonly text: string;
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
      return file?.kind === 'text' && file.text.trim() !== '' ? [{ path, text: file.text.trim() }] : [];
    }),
  );
  signal.throwIfAborted();
  const rules: RuleFile[] = [];
  const seen = new Set<string>();
  let left = mostChars;
  for (const { path, text } of files.flat()) {
    // Projects often keep one text under several names.
    if (seen.has(text) || left === 0) continue;
    seen.add(text);
    const part = text.slice(0, left);
    left -= part.length;
    rules.push({ path, text: part });
  }
  return rules;
}
