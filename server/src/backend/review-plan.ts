import { createHash } from 'node:crypto';
import type { EditorFile } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { FileMark, Review, ReviewedFile, TurnMarks } from '@devlm/protocol/review.ts';
import type { ReviewState, TurnState } from '@devlm/protocol/state.ts';
import type { FileChange } from '@devlm/protocol/tools.ts';
import { type TurnFile, turnFiles } from '@devlm/protocol/turn-files.ts';
import { countsOf, hunksOf, shownDiff, withHunks } from '../actions/edits/hunks.ts';
import { takeBack } from '../actions/edits/take-back.ts';

/** What a decision comes to, before it has an id. */
export type Plan = Omit<Review, 'id'>;

/** Stored versions of files, and the files as they are. */
export interface Contents {
  /** @throws ProblemError `not_found` where the version is no longer stored */
  text(hash: string | null): Promise<string | null>;
  put(text: string): Promise<string>;
  read(path: string): Promise<EditorFile>;
}

/** Most files that one decision changes. */
const mostFiles = 200;
/** Lines of a difference that a person is shown of a file that is in the way. */
const shownLines = 60;

/** Accepting or rejecting changes of one turn. `branch` is what the conversation shows, oldest first. */
export async function planReview(
  contents: Contents,
  { turn, branch }: { turn: TurnState; branch: readonly TurnState[] },
  verdict: 'accept' | 'reject',
  asked: readonly ReviewedFile[],
): Promise<Plan> {
  const files = new Map(turnFiles(turn).map((file) => [file.path, file]));
  const later = branch.slice(branch.findIndex(({ id }) => id === turn.id) + 1);
  const changedLater = new Set(branch.includes(turn) ? later.flatMap(turnFiles).map(({ path }) => path) : []);
  const [marks, previous]: [FileMark[], FileMark[]] = [[], []];
  const changes: FileChange[] = [];
  for (const { path, base, now, hunks } of asked) {
    const file = files.get(path);
    if (!file) throw refused('not_found', 404, `This answer did not change ${path}.`);
    if (file.base !== base || file.now !== now)
      throw refused('review_stale', 409, `The review of ${path} has moved on. Look at it again.`);
    if (base === now) continue;
    if (verdict === 'reject' && changedLater.has(path))
      throw refused(
        'changed_later',
        409,
        `A later answer changed ${path} again: review it there, or restore the files to before this message.`,
      );
    const decided = await decide(contents, file, verdict, hunks);
    previous.push(markOf(file));
    marks.push({ path, verdict, ...decided.mark });
    if (decided.change) changes.push(decided.change);
  }
  const of = (list: FileMark[]): TurnMarks[] => (list.length > 0 ? [{ turnId: turn.id, files: list }] : []);
  return { verdict, changes, marks: of(marks), previous: of(previous) };
}

/** What becomes of the marks of a file, and of the file. */
async function decide(
  contents: Contents,
  file: TurnFile,
  verdict: 'accept' | 'reject',
  indexes: readonly number[] | undefined,
): Promise<{ mark: Pick<FileMark, 'base' | 'now'>; change?: FileChange }> {
  const { path, base, now, encoding } = file;
  const [baseText, nowText] = [await contents.text(base), await contents.text(now)];
  const hunks = hunksOf(baseText ?? '', nowText ?? '');
  const taken = new Set(indexes ?? hunks.keys());
  if ([...taken].some((index) => index >= hunks.length))
    throw refused('not_found', 404, `There is no such difference in ${path}.`);
  const whole = taken.size === hunks.length || baseText === null || nowText === null;
  if (verdict === 'accept') {
    if (whole) return { mark: { base: now, now } };
    return { mark: { base: await contents.put(withHunks(baseText, hunks, taken)), now } };
  }
  const change = (before: string | null, after: string | null, texts: [string | null, string | null]): FileChange => ({
    ...{ path, before, after, encoding },
    ...countsOf(...texts),
  });
  if (whole && !indexes) return { mark: { base, now: base }, change: change(now, base, [nowText, baseText]) };
  const kept = new Set([...hunks.keys()].filter((index) => !taken.has(index)));
  const left = whole ? baseText : withHunks(baseText, hunks, kept);
  const mark = { base, now: left === baseText ? base : left === null ? null : await contents.put(left) };
  const live = await contents.read(path);
  if (live.kind !== 'text' || live.hash === now || nowText === null || baseText === null)
    return { mark, change: change(now, mark.now, [nowText, left]) };
  // The person went on in the file.
  const mended = takeBack(baseText, nowText, live.text, taken);
  if (mended === null) throw filesChanged([{ path, expected: nowText, file: live }]);
  const after = await contents.put(mended);
  await contents.put(live.text);
  return { mark, change: change(live.hash, after, [live.text, mended]) };
}

/** What going back to before the first of these turns (oldest first) makes of files. */
function restoreChanges(turns: readonly TurnState[]): TurnFile[] {
  const net = new Map<string, TurnFile>();
  for (const file of turns.flatMap(turnFiles)) {
    const first = net.get(file.path);
    net.set(file.path, first ? { ...first, now: file.now, unsure: file.unsure } : file);
  }
  return [...net.values()];
}

/** Of a change that was cut off only the file itself knows whether it was made. */
async function whatIsThere(contents: Contents, file: TurnFile): Promise<TurnFile> {
  if (!file.unsure) return file;
  return hashOf(await contents.read(file.path)) === file.now ? file : { ...file, now: file.unsure.now };
}

/** Puts files back to what they were before the first of these turns, oldest first. */
export async function planRestore(contents: Contents, turns: readonly TurnState[]): Promise<Plan> {
  const net = await Promise.all(restoreChanges(turns).map((file) => whatIsThere(contents, file)));
  const changes: FileChange[] = [];
  for (const { path, before, now, encoding } of net) {
    if (before === now) continue;
    const counts = countsOf(await contents.text(now), await contents.text(before));
    changes.push({ path, before: now, after: before, encoding, ...counts });
  }
  if (changes.length > mostFiles)
    throw refused(
      'too_many_files',
      422,
      `At most ${mostFiles} files can be restored at once. Restore a later message first.`,
    );
  const old = new Map(net.map(({ path, before }) => [path, before]));
  const marksWith = (mark: (file: TurnFile) => FileMark) =>
    turns
      .map((turn) => ({ turnId: turn.id, files: turnFiles(turn).map(mark) }))
      .filter(({ files }) => files.length > 0);
  const marks = marksWith(({ path }) => {
    const before = old.get(path) ?? null;
    return { path, base: before, now: before, verdict: 'restore' };
  });
  return { verdict: 'restore', changes, marks, previous: marksWith(markOf) };
}

/** Takes a decision back. @throws ProblemError `review_stale` where another one came on top of it */
export async function planUndo(contents: Contents, review: ReviewState, turns: readonly TurnState[]): Promise<Plan> {
  const files = new Map(turns.flatMap((turn) => turnFiles(turn).map((file) => [`${turn.id} ${file.path}`, file])));
  const stands = ({ turnId, files: marked }: TurnMarks) =>
    marked.every(({ path, base, now }) => {
      const file = files.get(`${turnId} ${path}`);
      return file?.base === base && file.now === now;
    });
  if (review.status !== 'done' || !review.marks.every(stands))
    throw refused(
      'review_stale',
      409,
      'These files were decided about again since. That decision has to be taken back first.',
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

/** Files that are not what they would have to be: nothing was changed. */
export function filesChanged(
  files: readonly { path: string; expected: string | null; file: EditorFile }[],
): ProblemError {
  const names = files.map(({ path }) => path).join(', ');
  const diff = files.map(({ path, expected, file }) => {
    const shown = file.kind === 'text' ? shownDiff(expected ?? '', file.text, shownLines) : wordsFor(file);
    return `${path}\n${shown}`;
  });
  const detail = `Nothing was changed: ${names} ${files.length > 1 ? 'are' : 'is'} no longer what DevLM wrote.`;
  const problem = { code: 'files_changed', status: 409, title: 'Files changed', detail };
  return new ProblemError({ ...problem, diff: diff.join('\n').slice(0, 40_000) });
}

function wordsFor(file: Exclude<EditorFile, { kind: 'text' }>): string {
  if (file.kind === 'missing') return '(It is not there.)';
  return file.kind === 'unreadable' ? `(${file.reason})` : `(It is a ${file.kind}.)`;
}

export function refused(code: string, status: number, detail: string): ProblemError {
  return new ProblemError({ code, status, title: 'Not possible', detail });
}

/** As blobs and editors name a text. */
export function hashOf(file: EditorFile): string | null {
  return file.kind === 'text'
    ? file.hash
    : file.kind === 'missing'
      ? null
      : createHash('sha256').update(file.kind).digest('hex');
}
