import type { EditorFile } from '@devlm/protocol/editor.ts';
import type { ErrorCode } from '@devlm/protocol/error-codes.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { FileMark, Review, ReviewedFile, TurnMarks } from '@devlm/protocol/review.ts';
import type { ReviewState, TurnState } from '@devlm/protocol/state.ts';
import type { FileChange } from '@devlm/protocol/tools.ts';
import { type TurnFile, turnFiles } from '@devlm/protocol/turn-files.ts';
import { hunksOf } from '@devlm/workspace-core/hunks.ts';
import { countsOf, shownDiff, withHunks } from '../actions/edits/hunks.ts';
import { takeBack } from '../actions/edits/take-back.ts';
import { sha256Hex } from '../sha256.ts';

/** Outcome of a decision, before it has an id. */
export type ReviewPlan = Omit<Review, 'id'>;

/** Access to stored versions of files and to the files as they are now. */
export interface FileContents {
  /**
   * Returns the text of a stored version; null for the hash null, a file that does not exist.
   * @throws ProblemError `not_found` if the version is no longer stored
   */
  text(hash: string | null): Promise<string | null>;
  /** Stores a text. Returns its hash. */
  put(text: string): Promise<string>;
  /** Returns the file as it is now. */
  read(path: string): Promise<EditorFile>;
}

/** Maximum number of files that one restore changes. */
const maxFiles = 200;
/** Maximum number of diff lines shown for a file that has changed in the meantime. */
const maxDiffLines = 60;

/**
 * Plans the acceptance or rejection of changes of one turn.
 * @param branch the turns that the conversation shows, oldest first
 * @throws ProblemError `not_found`, `review_stale`, `changed_later`, `files_changed`
 */
export async function planReview(
  contents: FileContents,
  { turn, branch }: { turn: TurnState; branch: readonly TurnState[] },
  verdict: 'accept' | 'reject',
  asked: readonly ReviewedFile[],
): Promise<ReviewPlan> {
  const files = new Map(turnFiles(turn).map((file) => [file.path, file]));
  const later = branch.slice(branch.findIndex(({ id }) => id === turn.id) + 1);
  const changedLater = new Set(branch.includes(turn) ? later.flatMap(turnFiles).map(({ path }) => path) : []);
  const [marks, previous]: [FileMark[], FileMark[]] = [[], []];
  const changes: FileChange[] = [];
  for (const { path, base, now, hunks } of asked) {
    const file = files.get(path);
    if (!file) throw reviewProblem('not_found', 404, `This answer did not change ${path}.`);
    if (file.base !== base || file.now !== now)
      throw reviewProblem(
        'review_stale',
        409,
        `The changes to ${path} have been reviewed since. Review the current changes.`,
      );
    if (base === now) continue;
    if (verdict === 'reject' && changedLater.has(path))
      throw reviewProblem(
        'changed_later',
        409,
        `A later answer changed ${path} again. Review the file there, or restore the files to before this message.`,
      );
    const decided = await decide(contents, file, verdict, hunks);
    previous.push(markOf(file));
    marks.push({ path, verdict, ...decided.mark });
    if (decided.change) changes.push(decided.change);
  }
  const toTurnMarks = (list: FileMark[]): TurnMarks[] => (list.length > 0 ? [{ turnId: turn.id, files: list }] : []);
  return { verdict, changes, marks: toTurnMarks(marks), previous: toTurnMarks(previous) };
}

/** Returns the new review state of a file and, if the file has to change, the change. */
async function decide(
  contents: FileContents,
  file: TurnFile,
  verdict: 'accept' | 'reject',
  indexes: readonly number[] | undefined,
): Promise<{ mark: Pick<FileMark, 'base' | 'now'>; change?: FileChange }> {
  const { path, base, now, encoding } = file;
  const [baseText, nowText] = [await contents.text(base), await contents.text(now)];
  const hunks = hunksOf(baseText ?? '', nowText ?? '');
  const selected = new Set(indexes ?? hunks.keys());
  if ([...selected].some((index) => index >= hunks.length))
    throw reviewProblem('not_found', 404, `The selected change in ${path} does not exist.`);
  const whole = selected.size === hunks.length || baseText === null || nowText === null;
  if (verdict === 'accept') {
    if (whole) return { mark: { base: now, now } };
    return { mark: { base: await contents.put(withHunks(baseText, hunks, selected)), now } };
  }
  const change = (before: string | null, after: string | null, texts: [string | null, string | null]): FileChange => ({
    ...{ path, before, after, encoding },
    ...countsOf(...texts),
  });
  if (whole && !indexes) return { mark: { base, now: base }, change: change(now, base, [nowText, baseText]) };
  const kept = new Set([...hunks.keys()].filter((index) => !selected.has(index)));
  const remaining = whole ? baseText : withHunks(baseText, hunks, kept);
  const mark = { base, now: remaining === baseText ? base : remaining === null ? null : await contents.put(remaining) };
  const current = await contents.read(path);
  if (current.kind !== 'text' || current.hash === now || nowText === null || baseText === null)
    return { mark, change: change(now, mark.now, [nowText, remaining]) };
  // The user edited the file after the turn: only the selected hunks are undone in the current text.
  const merged = takeBack(baseText, nowText, current.text, selected);
  if (merged === null) throw filesChanged([{ path, expected: nowText, file: current }]);
  const after = await contents.put(merged);
  await contents.put(current.text);
  return { mark, change: change(current.hash, after, [current.text, merged]) };
}

/** Returns the net change that the turns made to each file: its state before the first turn and after the last. */
function netChanges(turns: readonly TurnState[]): TurnFile[] {
  const net = new Map<string, TurnFile>();
  for (const file of turns.flatMap(turnFiles)) {
    const first = net.get(file.path);
    net.set(file.path, first ? { ...first, now: file.now, unsure: file.unsure } : file);
  }
  return [...net.values()];
}

/** Resolves a change that was cut off: only the file itself tells whether it was made. */
async function resolveUnsure(contents: FileContents, file: TurnFile): Promise<TurnFile> {
  if (!file.unsure) return file;
  return fileHashOf(await contents.read(file.path)) === file.now ? file : { ...file, now: file.unsure.now };
}

/**
 * Plans the restore of files to their state before the first of the turns, oldest first.
 * @throws ProblemError `not_found`, `too_many_files`
 */
export async function planRestore(contents: FileContents, turns: readonly TurnState[]): Promise<ReviewPlan> {
  const net = await Promise.all(netChanges(turns).map((file) => resolveUnsure(contents, file)));
  const changes: FileChange[] = [];
  for (const { path, before, now, encoding } of net) {
    if (before === now) continue;
    const counts = countsOf(await contents.text(now), await contents.text(before));
    changes.push({ path, before: now, after: before, encoding, ...counts });
  }
  if (changes.length > maxFiles)
    throw reviewProblem(
      'too_many_files',
      422,
      `Cannot restore more than ${maxFiles} files at once. Restore a later message first.`,
    );
  const originals = new Map(net.map(({ path, before }) => [path, before]));
  const marksWith = (mark: (file: TurnFile) => FileMark) =>
    turns
      .map((turn) => ({ turnId: turn.id, files: turnFiles(turn).map(mark) }))
      .filter(({ files }) => files.length > 0);
  const marks = marksWith(({ path }) => {
    const before = originals.get(path) ?? null;
    return { path, base: before, now: before, verdict: 'restore' };
  });
  return { verdict: 'restore', changes, marks, previous: marksWith(markOf) };
}

/**
 * Plans the undoing of a decision.
 * @throws ProblemError `review_stale` if there are newer decisions about the files, `not_found`
 */
export async function planUndo(
  contents: FileContents,
  review: ReviewState,
  turns: readonly TurnState[],
): Promise<ReviewPlan> {
  const files = new Map(turns.flatMap((turn) => turnFiles(turn).map((file) => [`${turn.id} ${file.path}`, file])));
  const isCurrent = ({ turnId, files: marked }: TurnMarks) =>
    marked.every(({ path, base, now }) => {
      const file = files.get(`${turnId} ${path}`);
      return file?.base === base && file.now === now;
    });
  if (review.status !== 'done' || !review.marks.every(isCurrent))
    throw reviewProblem(
      'review_stale',
      409,
      'These files have been reviewed again since. Undo the later decision first.',
    );
  const changes: FileChange[] = [];
  for (const { path, before, after, encoding } of review.changes) {
    const counts = countsOf(await contents.text(after), await contents.text(before));
    changes.push({ path, before: after, after: before, encoding, ...counts });
  }
  return {
    verdict: 'undo',
    changes,
    marks: review.previous,
    previous: review.marks,
    undoes: review.id,
    ...(review.head ? { head: { from: review.head.to, to: review.head.from } } : {}),
  };
}

function markOf({ path, base, now, verdict }: TurnFile): FileMark {
  return { path, base, now, verdict };
}

/** Returns a problem for files whose content is not the expected one, with a diff. No file was changed. */
export function filesChanged(
  files: readonly { path: string; expected: string | null; file: EditorFile }[],
): ProblemError {
  const names = files.map(({ path }) => path).join(', ');
  const diff = files.map(({ path, expected, file }) => {
    const shown = file.kind === 'text' ? shownDiff(expected ?? '', file.text, maxDiffLines) : describe(file);
    return `${path}\n${shown}`;
  });
  const detail = `${names} ${files.length > 1 ? 'have changed since DevLM wrote them' : 'has changed since DevLM wrote it'}. No files were changed.`;
  return new ProblemError({
    code: 'files_changed',
    status: 409,
    title: 'Files changed',
    detail,
    diff: diff.join('\n').slice(0, 40_000),
  });
}

function describe(file: Exclude<EditorFile, { kind: 'text' }>): string {
  if (file.kind === 'missing') return '(The file does not exist.)';
  return file.kind === 'unreadable' ? `(${file.reason})` : `(The file is a ${file.kind}.)`;
}

/** Returns a problem for a decision that cannot be carried out. */
export function reviewProblem(code: ErrorCode, status: number, detail: string): ProblemError {
  return new ProblemError({ code, status, title: 'Action not available', detail });
}

/** Returns the hash of a file as blobs and editors use it; null for a missing file. */
export function fileHashOf(file: EditorFile): string | null {
  return file.kind === 'text' ? file.hash : file.kind === 'missing' ? null : sha256Hex(file.kind);
}
