import type { EditorAnswerOf, EditorChange } from '@devlm/protocol/editor.ts';
import type { ErrorCode } from '@devlm/protocol/error-codes.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { sha256Hex } from '../../sha256.ts';
import { type InspectedFile, inspectFile } from './inspect-file.ts';
import { segmentsOf } from './path-names.ts';
import { type ConfinedFile, listConfined, removeConfined, writeConfined } from './paths.ts';
import { decodeFile, encodeText } from './text.ts';

/** Change to one file, with its bytes before and after; null: the file does not exist. */
interface Step {
  readonly path: string;
  readonly before: ConfinedFile | null;
  readonly after: Buffer | null;
}

/**
 * Changes all files or none. Each file is written to a temporary file beside it and renamed; if a later one fails, the
 * earlier ones are restored. A server that is killed in between leaves each file in its old or new version.
 *
 * @throws ProblemError if a change is not allowed or fails; nothing has changed then, except with `half_applied`
 */
export async function applyToFolder(
  root: string,
  changes: readonly EditorChange[],
  signal: AbortSignal,
): Promise<EditorAnswerOf<'apply'>> {
  const normalized = changes.map((change) => ({ ...change, path: segmentsOf(change.path).join('/') }));
  const duplicate = normalized.find(
    ({ path }, i) => normalized.findIndex((candidate) => candidate.path === path) !== i,
  );
  if (duplicate)
    throw applyProblem('invalid_request', 400, 'Invalid request', `The request contains ${duplicate.path} twice.`);
  const found = await Promise.all(
    normalized.map(async (change) => ({ change, now: await inspectFile(root, change.path) })),
  );
  const conflicts = found.filter(({ change, now: { file } }) =>
    change.base === null ? file.kind !== 'missing' : file.kind !== 'text' || file.hash !== change.base,
  );
  if (conflicts.length > 0)
    return answerConflicts(conflicts.map(({ change: { path }, now: { file } }) => ({ path, file })));
  const steps = found.map(({ change, now }) => stepOf(change, now));
  signal.throwIfAborted();
  await applySteps(root, steps);
  const files = normalized.map(({ path, text }) => ({ path, hash: text === null ? null : sha256Hex(text) }));
  return { conflicts: [], files, diagnostics: [] };
}

function stepOf({ path, text, encoding: requestedEncoding }: EditorChange, { file, stored }: InspectedFile): Step {
  if (stored && (stored.mode & 0o222) === 0)
    throw applyProblem('file_read_only', 403, 'Read-only', `${path} cannot be changed because it is read-only.`);
  if (text === null) return { path, before: stored, after: null };
  const encoding = file.kind === 'text' ? file.encoding : (requestedEncoding ?? 'utf8');
  const after = encodeText(text, encoding);
  if (after && after.length > limits.fileBytes)
    throw applyProblem('file_too_large', 413, 'File too large', `The new text of ${path} is too large.`);
  const decoded = after && decodeFile(after);
  if (!after || decoded?.kind !== 'text' || decoded.text !== text)
    throw applyProblem(
      'not_encodable',
      422,
      'Text not encodable',
      `${path} is stored as ${encoding}, which cannot represent all characters of the new text.`,
    );
  return { path, before: stored, after };
}

async function applySteps(root: string, steps: readonly Step[]): Promise<void> {
  const undoSteps: (() => Promise<unknown>)[] = [];
  let currentPath: string | undefined;
  try {
    for (const step of steps) {
      currentPath = step.path;
      undoSteps.push(...(await missingFolders(root, step)).map((folder) => () => removeConfined(root, folder)));
      undoSteps.push(await applyStep(root, step));
    }
  } catch (error) {
    const failures: string[] = [];
    for (const undo of undoSteps.reverse())
      await undo()
        .catch(ignoreMissing)
        .catch(() => failures.push(String(error)));
    const [detail, path = ''] = [
      error instanceof ProblemError ? error.problem.detail : 'The file system rejected the change.',
      currentPath,
    ];
    const reason = detail.includes(path) ? detail : `${path}: ${detail}`;
    if (failures.length > 0)
      throw new ProblemError(
        {
          code: 'half_applied',
          status: 500,
          title: 'Partly changed',
          detail: `The change failed (${reason}), and ${failures.length} of the files could not be restored. Read the files again.`,
        },
        { cause: error },
      );
    if (error instanceof ProblemError) throw new ProblemError({ ...error.problem, detail: nothingChanged(reason) });
    throw error;
  }
}

/** Applies one step. Returns a function that undoes it. */
async function applyStep(root: string, { path, before, after }: Step): Promise<() => Promise<unknown>> {
  if (after === null) {
    if (!before) return async () => undefined;
    await removeConfined(root, path, { expectedHash: before.hash });
    return () => writeConfined(root, path, before.bytes, { expectedHash: null, mode: before.mode });
  }
  const expectedHash = await writeConfined(root, path, after, { expectedHash: before?.hash ?? null });
  return () =>
    before ? writeConfined(root, path, before.bytes, { expectedHash }) : removeConfined(root, path, { expectedHash });
}

/** Returns the missing parent folders of a new file, outermost first. */
async function missingFolders(root: string, { path, before, after }: Step): Promise<string[]> {
  if (before || after === null) return [];
  const parents = path.split('/').slice(0, -1);
  const folders = parents.map((_, i) => parents.slice(0, i + 1).join('/'));
  for (const [i, folder] of folders.entries()) {
    const exists = await listConfined(root, folder).then(
      () => true,
      (error: unknown) => {
        if (error instanceof ProblemError && error.problem.code === 'not_found') return false;
        throw error;
      },
    );
    if (!exists) return folders.slice(i);
  }
  return [];
}

/**
 * Ignores errors from undoing a step that was never taken, or a folder that is not empty because of another program.
 */
function ignoreMissing(error: unknown): void {
  if (!(error instanceof ProblemError) || !['not_found', 'not_empty'].includes(error.problem.code)) throw error;
}

/** Maximum length of the content of conflicting files in one answer, in UTF-16 code units. */
const maxConflictChars = limits.fileBytes;

function answerConflicts(conflicts: EditorAnswerOf<'apply'>['conflicts']): EditorAnswerOf<'apply'> {
  let remainingChars: number = maxConflictChars;
  return {
    conflicts: conflicts.map(({ path, file }) => {
      remainingChars -= file.kind === 'text' ? file.text.length : file.kind === 'image' ? file.data.length : 0;
      if (remainingChars >= 0) return { path, file };
      return {
        path,
        file: { kind: 'unreadable', reason: 'It changed and is too long to be shown here.', bytes: null },
      };
    }),
    files: [],
    diagnostics: [],
  };
}

function applyProblem(code: ErrorCode, status: number, title: string, reason: string): ProblemError {
  return new ProblemError({ code, status, title, detail: nothingChanged(reason) });
}

const nothingChanged = (reason: string): string => `${reason} Nothing was changed.`.slice(0, 2000);
