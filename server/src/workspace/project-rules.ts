import { PathFilter } from '@devlm/workspace-core/path-filter.ts';
import type { Workspace } from './workspace.ts';

/** File with a project's instructions for assistants. */
export interface RuleFile {
  readonly path: string;
  readonly text: string;
  /** Globs of the files that the rule is for, relative to the folder that has the rule. Default: all files. */
  readonly globs?: readonly string[];
}

/** Rule files that other assistants read as well. */
const ruleFileNames = ['AGENTS.md', 'CLAUDE.md', '.github/copilot-instructions.md'];
/** Folder of DevLM's own rule files. */
const ownFolder = '.devlm';
/** Maximum length of all rule files together, in UTF-16 code units. */
const maxTotalChars = 60_000;
/** Maximum time to wait for the files, in milliseconds: a slow window must not delay the first word for long. */
const readTimeoutMs = 2_000;

/**
 * Reads the rule files of a workspace in a fixed order, so that the same rules give the same prompt. If there are several
 * folders, each may have its own. Files that cannot be read in time are left out.
 */
export async function readRules(workspace: Workspace, signal: AbortSignal): Promise<RuleFile[]> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(readTimeoutMs)]);
  const roots = workspace.folders.length > 1 ? workspace.folders.map(({ name }) => `${name}/`) : [''];
  const paths = await Promise.all(
    roots.map(async (root) => {
      const { entries } = await workspace
        .list({ path: `${root}${ownFolder}`, depth: 1, limit: 50 }, deadline)
        .catch(() => ({ entries: [] }));
      const ownRules = entries.flatMap(({ kind, path }) => (kind === 'file' && path.endsWith('.md') ? [path] : []));
      return [...ruleFileNames.map((name) => root + name), ...ownRules.sort()];
    }),
  );
  const files = await Promise.all(
    paths.flat().map(async (path) => {
      const file = await workspace.read(path, deadline).catch(() => null);
      return file?.kind === 'text' && file.text.trim() !== '' ? [ruleOf(path, file.text.trim())] : [];
    }),
  );
  signal.throwIfAborted();
  const rules: RuleFile[] = [];
  const seen = new Set<string>();
  let remaining = maxTotalChars;
  for (const { path, text, globs } of files.flat()) {
    // Projects often keep the same text under several names.
    if (seen.has(text) || remaining === 0) continue;
    seen.add(text);
    const part = text.slice(0, remaining);
    remaining -= part.length;
    rules.push({ path, text: part, ...(globs ? { globs } : {}) });
  }
  return rules;
}

/** Returns whether a rule is for a file. Its globs are those of `PathFilter`. */
export function appliesTo({ path, globs }: RuleFile, file: string): boolean {
  if (!globs) return true;
  const index = path.indexOf(`${ownFolder}/`);
  const root = index > 0 ? path.slice(0, index) : '';
  if (!file.startsWith(root)) return false;
  return globs.length > 0 && new PathFilter(globs).has(file.slice(root.length));
}

/** Maximum number of globs of a rule, and maximum length of a glob in UTF-16 code units. */
const globLimits = { count: 50, chars: 200 } as const;

/** Parses a rule file. DevLM's own rules may start with a front matter with `globs`: one, a comma-separated text or a list. */
function ruleOf(path: string, text: string): RuleFile {
  const [whole, head = ''] = /^---[ \t]*\r?\n(.*?\r?\n)?---[ \t]*(?:\r?\n|$)/s.exec(text) ?? [];
  if (whole === undefined || !path.includes(`${ownFolder}/`)) return { path, text };
  const body = text.slice(whole.length).trim();
  const [, line = '', list = ''] = /^globs:[ \t]*(.*)\r?\n((?:[ \t]*-.*(?:\r?\n|$))*)/m.exec(head) ?? [];
  const candidates = [
    ...line.replace(/^\[|\]$/g, '').split(','),
    ...list.split('\n').map((item) => item.replace(/^\s*-/, '')),
  ];
  const globs = candidates.map((glob) => glob.trim().replace(/^(["'])(.*)\1$/, '$2')).filter((glob) => glob !== '');
  if (globs.length === 0) return { path, text: body };
  return {
    path,
    text: body,
    globs: globs.filter((glob) => glob.length <= globLimits.chars).slice(0, globLimits.count),
  };
}
