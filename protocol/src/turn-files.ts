import type { ReviewVerdict } from './review.ts';
import type { StepState, TurnState } from './state.ts';
import type { FileChange } from './tools.ts';

/** A file that a turn changed, with its content before the first change and after the last one. */
export interface TurnFile extends FileChange {
  /** Hash of the last accepted version; null: no file. */
  readonly base: string | null;
  /** Hash of the version that DevLM left; null: no file. */
  readonly now: string | null;
  /** The last decision, or null before the first. */
  readonly verdict: ReviewVerdict | null;
  /**
   * Set if the turn was stopped during the last change: the file then has either the version `now` or still this one.
   */
  readonly unsure?: { readonly now: string | null };
}

/** Returns the files that a turn changed, in the order of their first changes, with their review states. */
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

/** Returns the changes of the calls of a step, in the order of the calls and not of their results. */
function effectsOf({ blocks, calls, results }: StepState) {
  const ids = new Set(blocks.flatMap(({ tool }) => (tool ? [tool.callId] : [])));
  for (const id of [...Object.keys(calls), ...Object.keys(results)]) ids.add(id);
  return [...ids].map((id) => {
    const result = results[id];
    const changes = (result ? result.details?.changes : calls[id]?.changes) ?? [];
    return { changes, accepted: result?.details?.accepted ?? false, made: result !== undefined };
  });
}

/** The review state of a file, as the user sees it. */
export type FileStanding = 'pending' | 'accepted' | 'rejected' | 'restored';

/** Returns the review state of a file. */
export function standingOf({ before, after, base, now, verdict }: TurnFile): FileStanding {
  if (base !== now) return 'pending';
  if (verdict === 'restore') return 'restored';
  return now === before && before !== after ? 'rejected' : 'accepted';
}
