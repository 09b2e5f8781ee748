import type { Verdict } from './review.ts';
import type { StepState, TurnState } from './state.ts';
import type { FileChange } from './tools.ts';

/** A file that a turn changed: from before its first change to after its last. */
export interface TurnFile extends FileChange {
  readonly base: string | null;
  readonly now: string | null;
  readonly verdict: Verdict | null;
  /** The last change had begun when the turn was stopped: the file holds `now`, or still this. */
  readonly unsure?: { readonly now: string | null };
}

/** What a turn did to each file, in the order of the first changes, and where the review of each stands. */
export function turnFiles(turn: TurnState): TurnFile[] {
  const files = new Map<string, TurnFile>();
  for (const { changes, accepted, made } of turn.steps.flatMap(effectsOf)) {
    for (const { path, before, after, encoding, added, removed } of changes) {
      const first = files.get(path);
      files.set(path, {
        ...{ path, before: first ? first.before : before, after, encoding: first?.encoding ?? encoding },
        added: (first?.added ?? 0) + added,
        removed: (first?.removed ?? 0) + removed,
        base: accepted ? after : first ? first.base : before,
        now: after,
        verdict: accepted ? 'accept' : null,
        ...(made ? {} : { unsure: { now: before } }),
      });
    }
  }
  for (const mark of Object.values(turn.marks ?? {})) {
    const file = files.get(mark.path);
    if (file) files.set(mark.path, { ...file, ...mark, unsure: undefined });
  }
  return [...files.values()];
}

/** What the calls of a step changed, in their order, whatever the order of their results. */
function effectsOf({ blocks, calls, results }: StepState) {
  const ids = new Set(blocks.flatMap(({ tool }) => (tool ? [tool.callId] : [])));
  for (const id of [...Object.keys(calls), ...Object.keys(results)]) ids.add(id);
  return [...ids].map((id) => {
    const result = results[id];
    const changes = (result ? result.details?.changes : calls[id]?.changes) ?? [];
    return { changes, accepted: result?.details?.accepted ?? false, made: result !== undefined };
  });
}

/** What a person sees of the review of a file. */
export type FileStanding = 'pending' | 'accepted' | 'rejected' | 'restored';

export function standingOf({ before, after, base, now, verdict }: TurnFile): FileStanding {
  if (base !== now) return 'pending';
  if (verdict === 'restore') return 'restored';
  return now === before && before !== after ? 'rejected' : 'accepted';
}
