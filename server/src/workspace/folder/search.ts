import type { EditorAnswerOf, EditorRequest } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { defaultHidden } from '@devlm/workspace-core/ignored-paths.ts';
import { LineSearch, type SearchedText } from '@devlm/workspace-core/line-search.ts';
import { Matches } from '@devlm/workspace-core/matches.ts';
import { PathFilter } from '@devlm/workspace-core/path-filter.ts';
import { searchTimedOut } from '@devlm/workspace-core/search-problems.ts';
import { searchedText } from '@devlm/workspace-core/searched-text.ts';
import { readConfined } from './paths.ts';
import { type WalkEntry, walk } from './walk.ts';

type SearchRequest = Omit<Extract<EditorRequest, { kind: 'search' }>, 'id' | 'kind'>;

/** Maximum duration of a search, in milliseconds. */
const searchTimeoutMs = 20_000;
/** Maximum number of files, sizes of a file and of all files in bytes, and depth of folders of one search. */
const searchLimits = { files: 20_000, fileBytes: 1024 * 1024, bytes: 256 * 1024 * 1024, depth: 100 };
/** Size of the files that are read before they are searched together, in bytes. */
const batchBytes = 4 * 1024 * 1024;

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
  const matches = new Matches(request.limit);
  await using lines = new LineSearch(request, request.limit, stop);
  const selected = new PathFilter(request.include);
  let [files, bytes, batchedBytes] = [0, 0, 0];
  let batch: SearchedText[] = [];
  const flush = async () => {
    for (const line of await lines.find(batch)) if (!matches.add(line)) break;
    batch = [];
    batchedBytes = 0;
  };
  const visit = async (found: WalkEntry): Promise<boolean> => {
    if (found.kind !== 'file' || !selected.has(found.path) || (found.bytes ?? 0) > searchLimits.fileBytes) return true;
    if (files >= searchLimits.files || bytes >= searchLimits.bytes) {
      matches.markIncomplete();
      return false;
    }
    const text = await textOf(root, found.path);
    if (text === null) return true;
    files++;
    bytes += found.bytes ?? 0;
    batchedBytes += found.bytes ?? 0;
    batch.push({ path: found.path, text });
    if (batchedBytes >= batchBytes) await flush();
    return !matches.isFull;
  };
  try {
    await walk(root, '', searchLimits.depth, visit, stop, [...defaultHidden.files, ...defaultHidden.search]);
    if (!matches.isFull) await flush();
  } catch (error) {
    signal.throwIfAborted();
    // After a timeout, the lines found so far are still useful.
    if (!deadline.aborted) throw error;
    if (matches.isEmpty) throw searchTimedOut();
    matches.markIncomplete();
  }
  return matches.answer();
}

async function textOf(root: string, path: string): Promise<string | null> {
  try {
    return searchedText((await readConfined(root, path, { maxBytes: searchLimits.fileBytes })).bytes);
  } catch (error) {
    if (error instanceof ProblemError) return null;
    throw error;
  }
}
