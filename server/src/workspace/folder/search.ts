import type { EditorAnswerOf, EditorRequest } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import ignore from 'ignore';
import { readConfined } from './paths.ts';
import { Scan, type Scanned } from './scan.ts';
import { fileOf } from './text.ts';
import { type Found, walk } from './walk.ts';

type Asked = Omit<Extract<EditorRequest, { kind: 'search' }>, 'id' | 'kind'>;

/** Longest search, milliseconds. */
const searchMs = 20_000;
/** What one search looks through at most. */
const bounds = { files: 20_000, fileBytes: 1024 * 1024, bytes: 256 * 1024 * 1024, depth: 100 };
/** Bytes that are read before they are looked through together. */
const batchBytes = 4 * 1024 * 1024;
/** What is searched only where it is asked for: as VS Code has it from the start. */
const leftOut = new Set(['node_modules', 'bower_components']);

/**
 * Lines of the text files below a folder that match; ignored files are left out. The expressions are JavaScript's.
 *
 * @throws ProblemError `invalid_pattern`, `search_timeout`
 */
export async function searchFolder(root: string, asked: Asked, signal: AbortSignal): Promise<EditorAnswerOf<'search'>> {
  const deadline = AbortSignal.timeout(searchMs);
  const stop = AbortSignal.any([signal, deadline]);
  await using scan = new Scan(asked);
  const included = includedBy(asked.include);
  let [files, bytes, batched] = [0, 0, 0];
  let batch: Scanned[] = [];
  let exhausted = false;
  const flush = async () => {
    await scan.add(batch, stop);
    batch = [];
    batched = 0;
  };
  const visit = async (found: Found): Promise<boolean> => {
    if (found.kind !== 'file' || !included(found.path) || (found.bytes ?? 0) > bounds.fileBytes) return true;
    exhausted = files >= bounds.files || bytes >= bounds.bytes;
    if (exhausted) return false;
    const text = await textOf(root, found.path);
    if (text === null) return true;
    files++;
    bytes += found.bytes ?? 0;
    batched += found.bytes ?? 0;
    batch.push({ path: found.path, text });
    if (batched >= batchBytes) await flush();
    return !scan.full;
  };
  try {
    await walk(root, '', bounds.depth, visit, stop, leftOut);
    if (!scan.full) await flush();
  } catch (error) {
    signal.throwIfAborted();
    // What was found in time is of use.
    if (!deadline.aborted) throw error;
    if (scan.found.matches.length === 0) throw tooLong();
    exhausted = true;
  }
  const { matches, truncated } = scan.found;
  const byPlace = matches.toSorted((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1));
  return { matches: byPlace, truncated: truncated || exhausted };
}

/** Whether globs take a file in: without a slash at any depth, a folder with what is in it, `!` leaves out. */
function includedBy(globs: readonly string[]): (path: string) => boolean {
  const plain = globs.flatMap(braced).map((glob) => glob.replace(/^(!?)\.\//, '$1'));
  const matcher = (patterns: readonly string[]) => ignore({ ignorecase: false }).add([...patterns]);
  const wanted = plain.filter((glob) => !glob.startsWith('!')).map((glob) => (/^\.?$/.test(glob) ? '**' : glob));
  const [take, leave] = [
    matcher(wanted),
    matcher(plain.filter((glob) => glob.startsWith('!')).map((glob) => glob.slice(1))),
  ];
  return (path) => (wanted.length === 0 || take.ignores(path)) && !leave.ignores(path);
}

/** `*.{a,b}` as `*.a` and `*.b`; nested ones are left as they are. */
function braced(glob: string): string[] {
  const [whole, choices = ''] = /\{([^{}]*)\}/.exec(glob) ?? [];
  if (whole === undefined) return [glob];
  return choices
    .split(',')
    .slice(0, 50)
    .map((choice) => glob.replace(whole, () => choice));
}

async function textOf(root: string, path: string): Promise<string | null> {
  try {
    const file = fileOf((await readConfined(root, path, { maxBytes: bounds.fileBytes })).bytes);
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
