import type { Verdict } from '@devlm/protocol/review.ts';
import type { ReviewState, TurnState } from '@devlm/protocol/state.ts';
import { type TurnFile, turnFiles } from '@devlm/protocol/turn-files.ts';
import { transport } from '../transport.ts';
import { conversation } from './conversation.ts';

/** Files that a turn left changed, each once. */
export function changedFiles(turn: TurnState): readonly TurnFile[] {
  return turnFiles(turn).filter(({ before, after }) => before !== after);
}

/** The last decision about a turn, where it can be taken back and there is something in that. */
export function lastReview({ reviews = [] }: TurnState): ReviewState | null {
  const last = reviews.findLast(({ status }) => status === 'done');
  const undone: ReadonlySet<Verdict> = new Set(['reject', 'restore']);
  return last && undone.has(last.verdict) ? last : null;
}

const paramsOf = (turnId: string) => ({ conversationId: conversation.peek()?.id ?? '', turnId });

/** Accepts or rejects these files as they are shown. Answers those that were written. */
export async function decide(
  turnId: string,
  verdict: 'accept' | 'reject',
  files: readonly TurnFile[],
): Promise<readonly string[]> {
  const asked = files.map(({ path, base, now }) => ({ path, base, now }));
  const answer = await transport.call('changes.review', { params: paramsOf(turnId), body: { verdict, files: asked } });
  return answer.paths;
}

export type RestoreWhat = 'files' | 'conversation' | 'both';

/** Names of the files that a restore to before the turn would change. */
export async function restorePreview(turnId: string): Promise<readonly string[]> {
  const { changes } = await transport.call('files.preview', { params: paramsOf(turnId) });
  return changes.map(({ path }) => path);
}

export async function restoreTo(turnId: string, what: RestoreWhat): Promise<readonly string[]> {
  return (await transport.call('files.restore', { params: paramsOf(turnId), body: { what } })).paths;
}

export async function undoReview(turnId: string, reviewId: string): Promise<readonly string[]> {
  return (await transport.call('changes.undo', { params: { ...paramsOf(turnId), reviewId } })).paths;
}
