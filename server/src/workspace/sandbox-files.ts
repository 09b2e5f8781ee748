import { wildcard } from './wildcard.ts';
import type { Workspace } from './workspace.ts';

/** Files that one run may take along, and what is read of the workspace to find them. */
const mostFiles = 200;
const mostEntries = 5_000;
const mostChars = 8 * 1024 * 1024;
const readsAtOnce = 8;

export interface SandboxFile {
  readonly path: string;
  readonly content: string;
}

/**
 * The files of a workspace that a run in the sandbox is to have: by path, or by glob (`src/**`), where what is
 * ignored or no text is passed over. Unsaved text counts.
 *
 * @returns a sentence for the model where they cannot be had
 */
export async function takeAlong(
  workspace: Workspace,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<SandboxFile[] | string> {
  const named = new Set(wanted.filter((path) => !isGlob(path)));
  const found = new Set<string>();
  for (const glob of wanted.filter(isGlob)) {
    const { entries } = await workspace.list({ path: folderOf(glob), depth: 20, limit: mostEntries }, signal);
    const pattern = wildcard(glob, false);
    for (const { path, kind } of entries)
      if (kind === 'file' && pattern.test(path) && !named.has(path)) found.add(path);
  }
  const paths = [...named, ...found];
  if (paths.length > mostFiles) return `These are ${paths.length} files; at most ${mostFiles} can be taken along.`;
  const files: SandboxFile[] = [];
  let chars = 0;
  for (let i = 0; i < paths.length; i += readsAtOnce) {
    const read = await Promise.all(
      paths.slice(i, i + readsAtOnce).map(async (path) => ({ path, file: await workspace.read(path, signal) })),
    );
    for (const { path, file } of read) {
      if (file.kind === 'text') files.push({ path, content: file.text });
      else if (named.has(path))
        return `${path} cannot be copied into the sandbox: it is no text file that can be read.`;
      chars += file.kind === 'text' ? file.text.length : 0;
    }
    if (chars > mostChars) return `These files are larger than ${mostChars / 1024 / 1024} MB together.`;
  }
  return files;
}

function isGlob(path: string): boolean {
  return /[*?]/.test(path);
}

/** The folder that all that a glob can name is in. */
function folderOf(glob: string): string {
  const fixed = /^[^*?]*\//.exec(glob)?.[0] ?? '';
  return fixed.replace(/\/+$/, '') || '.';
}
