import { wildcard } from './wildcard.ts';
import type { Workspace } from './workspace.ts';

/** Maximum number of files for one run. */
const maxFiles = 200;
/** Maximum number of entries that are listed for one glob. */
const maxEntries = 5_000;
/** Maximum length of all files together, in UTF-16 code units. */
const maxChars = 8 * 1024 * 1024;
/** Number of files that are read at the same time. */
const maxParallelReads = 8;

/** A text file for a run in the sandbox. */
export interface SandboxFile {
  readonly path: string;
  readonly content: string;
}

/**
 * Reads files of a workspace, including unsaved text, for a run in the sandbox.
 *
 * @param requested paths, or globs (`src/**`) that skip ignored files and files that are not text
 * @returns the files, or a sentence for the model if they are too many, too large or not readable
 */
export async function readSandboxFiles(
  workspace: Workspace,
  requested: readonly string[],
  signal: AbortSignal,
): Promise<SandboxFile[] | string> {
  const named = new Set(requested.filter((path) => !isGlob(path)));
  const found = new Set<string>();
  for (const glob of requested.filter(isGlob)) {
    const { entries } = await workspace.list({ path: folderOf(glob), depth: 20, limit: maxEntries }, signal);
    const pattern = wildcard(glob, false);
    for (const { path, kind } of entries)
      if (kind === 'file' && pattern.test(path) && !named.has(path)) found.add(path);
  }
  const paths = [...named, ...found];
  if (paths.length > maxFiles)
    return `These are ${paths.length} files, but at most ${maxFiles} can be copied into the sandbox. Name fewer files.`;
  const files: SandboxFile[] = [];
  let chars = 0;
  for (let i = 0; i < paths.length; i += maxParallelReads) {
    const read = await Promise.all(
      paths.slice(i, i + maxParallelReads).map(async (path) => ({ path, file: await workspace.read(path, signal) })),
    );
    for (const { path, file } of read) {
      if (file.kind === 'text') files.push({ path, content: file.text });
      else if (named.has(path)) return `${path} cannot be copied into the sandbox: it is not a readable text file.`;
      chars += file.kind === 'text' ? file.text.length : 0;
    }
    if (chars > maxChars) return `These files are larger than ${maxChars / 1024 / 1024} MB in total. Name fewer files.`;
  }
  return files;
}

function isGlob(path: string): boolean {
  return /[*?]/.test(path);
}

/** Returns the deepest folder that contains all paths that a glob can match. */
function folderOf(glob: string): string {
  const fixed = /^[^*?]*\//.exec(glob)?.[0] ?? '';
  return fixed.replace(/\/+$/, '') || '.';
}
