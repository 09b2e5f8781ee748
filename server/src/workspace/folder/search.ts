import type { EditorAnswerOf, EditorRequest } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import ignore from 'ignore';
import { readConfined } from './paths.ts';
import { Scan, type SearchedText } from './scan.ts';
import { fileOf } from './text.ts';
import { type WalkEntry, walk } from './walk.ts';

type SearchRequest = Omit<Extract<EditorRequest, { kind: 'search' }>, 'id' | 'kind'>;

/** Maximum time of a search, in milliseconds. */
const searchTimeoutMs = 20_000;
/** Maximum number of files, sizes of a file and of all files in bytes, and depth of folders of one search. */
const searchLimits = { files: 20_000, fileBytes: 1024 * 1024, bytes: 256 * 1024 * 1024, depth: 100 };
/** Size of the files that are read before they are searched together, in bytes. */
const batchBytes = 4 * 1024 * 1024;
/** Names that are not searched, as in the default settings of VS Code. */
const excludedNames = new Set(['node_modules', 'bower_components']);

/**
 * Returns the matching lines of the text files below a folder, without ignored files. Regular expressions are
 * JavaScript's.
 *
 * @throws ProblemError `invalid_pattern`, `search_timeout`
 */
export async function searchFolder(
  root: string,
  request: SearchRequest,
  signal: AbortSignal,
): Promise<EditorAnswerOf<'search'>> {
  const deadline = AbortSignal.timeout(searchTimeoutMs);
  const stop = AbortSignal.any([signal, deadline]);
  await using scan = new Scan(request);
  const included = includedBy(request.include);
  let [files, bytes, batchedBytes] = [0, 0, 0];
  let batch: SearchedText[] = [];
  let exhausted = false;
  const flush = async () => {
    await scan.add(batch, stop);
    batch = [];
    batchedBytes = 0;
  };
  const visit = async (found: WalkEntry): Promise<boolean> => {
    if (found.kind !== 'file' || !included(found.path) || (found.bytes ?? 0) > searchLimits.fileBytes) return true;
    exhausted = files >= searchLimits.files || bytes >= searchLimits.bytes;
    if (exhausted) return false;
    const text = await textOf(root, found.path);
    if (text === null) return true;
    files++;
    bytes += found.bytes ?? 0;
    batchedBytes += found.bytes ?? 0;
    batch.push({ path: found.path, text });
    if (batchedBytes >= batchBytes) await flush();
    return !scan.full;
  };
  try {
    await walk(root, '', searchLimits.depth, visit, stop, excludedNames);
    if (!scan.full) await flush();
  } catch (error) {
    signal.throwIfAborted();
    // After a timeout, the lines found so far are still useful.
    if (!deadline.aborted) throw error;
    if (scan.found.matches.length === 0) throw tooLong();
    exhausted = true;
  }
  const { matches, truncated } = scan.found;
  const sorted = matches.toSorted((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1));
  return { matches: sorted, truncated: truncated || exhausted };
}

/**
 * Returns a function that tells whether globs include a path. A glob without a slash matches at any depth, a folder
 * includes its content, and `!` excludes.
 */
function includedBy(globs: readonly string[]): (path: string) => boolean {
  const expanded = globs.flatMap(expandBraces).map((glob) => glob.replace(/^(!?)\.\//, '$1'));
  const matcher = (patterns: readonly string[]) => ignore({ ignorecase: false }).add([...patterns]);
  const wanted = expanded.filter((glob) => !glob.startsWith('!')).map((glob) => (/^\.?$/.test(glob) ? '**' : glob));
  const [includes, excludes] = [
    matcher(wanted),
    matcher(expanded.filter((glob) => glob.startsWith('!')).map((glob) => glob.slice(1))),
  ];
  return (path) => (wanted.length === 0 || includes.ignores(path)) && !excludes.ignores(path);
}

/** Expands `*.{a,b}` to `*.a` and `*.b`. Nested braces are left as they are. */
function expandBraces(glob: string): string[] {
  const [whole, choices = ''] = /\{([^{}]*)\}/.exec(glob) ?? [];
  if (whole === undefined) return [glob];
  return choices
    .split(',')
    .slice(0, 50)
    .map((choice) => glob.replace(whole, () => choice));
}

async function textOf(root: string, path: string): Promise<string | null> {
  try {
    const file = fileOf((await readConfined(root, path, { maxBytes: searchLimits.fileBytes })).bytes);
    return file.kind === 'text' ? file.text : null;
  } catch (error) {
    if (error instanceof ProblemError) return null;
    throw error;
  }
}

function tooLong(): ProblemError {
  const detail = 'The search took too long. Use a simpler pattern or globs.';
  return new ProblemError({ code: 'search_timeout', status: 504, title: 'Search too long', detail });
}
