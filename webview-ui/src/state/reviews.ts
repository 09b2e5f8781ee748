import type { ReviewVerdict } from '@devlm/protocol/review.ts';
import type { ReviewState, TurnState } from '@devlm/protocol/state.ts';
import { type TurnFile, turnFiles } from '@devlm/protocol/turn-files.ts';
import { transport } from '../transport.ts';
import { conversation } from './conversation.ts';

/** Returns the files that a turn has changed. */
export function changedFiles(turn: TurnState): readonly TurnFile[] {
  return turnFiles(turn).filter(({ before, after }) => before !== after);
}

/** Returns the last decision about a turn if it can be undone and has changed files, or null. */
export function lastReview({ reviews = [] }: TurnState): ReviewState | null {
  const last = reviews.findLast(({ status }) => status === 'done');
  const undoableVerdicts: ReadonlySet<ReviewVerdict> = new Set(['reject', 'restore']);
  return last && undoableVerdicts.has(last.verdict) ? last : null;
}

const paramsOf = (turnId: string) => ({ conversationId: conversation.peek()?.id ?? '', turnId });

/** Accepts or rejects files in the state in which they are shown. Returns the paths that were written. */
export async function decide(
  turnId: string,
  verdict: 'accept' | 'reject',
  files: readonly TurnFile[],
): Promise<readonly string[]> {
  const requested = files.map(({ path, base, now }) => ({ path, base, now }));
  const answer = await transport.call('changes.review', {
    params: paramsOf(turnId),
    body: { verdict, files: requested },
  });
  return answer.paths;
}

/** What a restore affects. */
export type RestoreWhat = 'files' | 'conversation' | 'both';

/** Returns the paths that a restore to before the turn would change. */
export async function restorePreview(turnId: string): Promise<readonly string[]> {
  const { changes } = await transport.call('files.preview', { params: paramsOf(turnId) });
  return changes.map(({ path }) => path);
}

/** Restores the state before a turn. Returns the paths that were written. */
export async function restoreTo(turnId: string, what: RestoreWhat): Promise<readonly string[]> {
  return (await transport.call('files.restore', { params: paramsOf(turnId), body: { what } })).paths;
}

/** Undoes a decision about a turn. Returns the paths that were written. */
export async function undoReview(turnId: string, reviewId: string): Promise<readonly string[]> {
  return (await transport.call('changes.undo', { params: { ...paramsOf(turnId), reviewId } })).paths;
}
