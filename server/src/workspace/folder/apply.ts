import type { EditorAnswerOf, EditorChange } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { type Look, look } from './look.ts';
import { segmentsOf } from './path-names.ts';
import { type ConfinedFile, listConfined, removeConfined, writeConfined } from './paths.ts';
import { encode, fileOf, hashOf } from './text.ts';

/** One file of a change: its bytes before and after; null: there is no such file. */
interface Step {
  readonly path: string;
  readonly before: ConfinedFile | null;
  readonly after: Buffer | null;
}

/**
 * Changes all files or none: each is written whole beside its place and renamed, and where a later one fails the
 * earlier ones are put back. A server that is killed in between leaves each file as it was or as it shall be.
 *
 * @throws ProblemError where it may not or cannot be done; nothing has changed then, unless it is `half_applied`
 */
export async function applyToFolder(
  root: string,
  changes: readonly EditorChange[],
  signal: AbortSignal,
): Promise<EditorAnswerOf<'apply'>> {
  const tidied = changes.map((change) => ({ ...change, path: segmentsOf(change.path).join('/') }));
  const twice = tidied.find(({ path }, i) => tidied.findIndex((other) => other.path === path) !== i);
  if (twice) throw refusal('invalid_request', 400, 'Invalid request', `${twice.path} is named twice.`);
  const found = await Promise.all(tidied.map(async (change) => ({ change, now: await look(root, change.path) })));
  const conflicts = found.filter(({ change, now: { file } }) =>
    change.base === null ? file.kind !== 'missing' : file.kind !== 'text' || file.hash !== change.base,
  );
  if (conflicts.length > 0)
    return answerConflicts(conflicts.map(({ change: { path }, now: { file } }) => ({ path, file })));
  const steps = found.map(({ change, now }) => stepOf(change, now));
  signal.throwIfAborted();
  await perform(root, steps);
  const files = tidied.map(({ path, text }) => ({ path, hash: text === null ? null : hashOf(text) }));
  return { conflicts: [], files, diagnostics: [] };
}

function stepOf({ path, text, encoding: wanted }: EditorChange, { file, stored }: Look): Step {
  if (stored && (stored.mode & 0o222) === 0)
    throw refusal('file_read_only', 403, 'Read-only', `${path} may not be written: it is read-only.`);
  if (text === null) return { path, before: stored, after: null };
  const encoding = file.kind === 'text' ? file.encoding : (wanted ?? 'utf8');
  const after = encode(text, encoding);
  if (after && after.length > limits.fileBytes)
    throw refusal('file_too_large', 413, 'Too large', `The new text of ${path} is too large.`);
  const again = after && fileOf(after);
  if (!after || again?.kind !== 'text' || again.text !== text)
    throw refusal(
      'not_encodable',
      422,
      'Not encodable',
      `${path} is stored as ${encoding}, which cannot hold all characters of the new text.`,
    );
  return { path, before: stored, after };
}

async function perform(root: string, steps: readonly Step[]): Promise<void> {
  const done: (() => Promise<unknown>)[] = [];
  let at: string | undefined;
  try {
    for (const step of steps) {
      at = step.path;
      done.push(...(await missingFolders(root, step)).map((folder) => () => removeConfined(root, folder)));
      done.push(await make(root, step));
    }
  } catch (error) {
    const left: string[] = [];
    for (const putBack of done.reverse())
      await putBack()
        .catch(notThere)
        .catch(() => left.push(String(error)));
    const [said, path = ''] = [
      error instanceof ProblemError ? error.problem.detail : 'The file system refused it.',
      at,
    ];
    const why = said.includes(path) ? said : `${path}: ${said}`;
    if (left.length > 0)
      throw new ProblemError(
        {
          code: 'half_applied',
          status: 500,
          title: 'Changed by half',
          detail: `The change failed (${why}), and ${left.length} of the files could not be put back. Read them again.`,
        },
        { cause: error },
      );
    if (error instanceof ProblemError)
      throw refusal(error.problem.code, error.problem.status, error.problem.title, why);
    throw error;
  }
}

/** Makes one change, and answers how it is taken back. */
async function make(root: string, { path, before, after }: Step): Promise<() => Promise<unknown>> {
  if (after === null) {
    if (!before) return async () => undefined;
    await removeConfined(root, path, { expectedHash: before.hash });
    return () => writeConfined(root, path, before.bytes, { expectedHash: null, mode: before.mode });
  }
  const expectedHash = await writeConfined(root, path, after, { expectedHash: before?.hash ?? null });
  return () =>
    before ? writeConfined(root, path, before.bytes, { expectedHash }) : removeConfined(root, path, { expectedHash });
}

/** The folders that a new file needs and that are not there, the outermost first. */
async function missingFolders(root: string, { path, before, after }: Step): Promise<string[]> {
  if (before || after === null) return [];
  const parents = path.split('/').slice(0, -1);
  const folders = parents.map((_, i) => parents.slice(0, i + 1).join('/'));
  for (const [i, folder] of folders.entries()) {
    const there = await listConfined(root, folder).then(
      () => true,
      (error: unknown) => {
        if (error instanceof ProblemError && error.problem.code === 'not_found') return false;
        throw error;
      },
    );
    if (!there) return folders.slice(i);
  }
  return [];
}

/** What was never made, or is not empty because of somebody else, need not be taken back. */
function notThere(error: unknown): void {
  if (!(error instanceof ProblemError) || !['not_found', 'not_empty'].includes(error.problem.code)) throw error;
}

/** Text of conflicting files that one answer brings, in UTF-16 code units. */
const conflictChars = limits.fileBytes;

function answerConflicts(conflicts: EditorAnswerOf<'apply'>['conflicts']): EditorAnswerOf<'apply'> {
  let left: number = conflictChars;
  return {
    conflicts: conflicts.map(({ path, file }) => {
      left -= file.kind === 'text' ? file.text.length : file.kind === 'image' ? file.data.length : 0;
      if (left >= 0) return { path, file };
      return {
        path,
        file: { kind: 'unreadable', reason: 'It changed, and is too long to be shown here.', bytes: null },
      };
    }),
    files: [],
    diagnostics: [],
  };
}

function refusal(code: string, status: number, title: string, why: string): ProblemError {
  return new ProblemError({ code, status, title, detail: `${why} Nothing was changed.`.slice(0, 2000) });
}
