import type { StepState, ToolCallState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import type { FileChange, PlanItem } from '@devlm/protocol/tools.ts';

/*
 * What the tools of a turn have done. States never change in place, so what was found out about
 * one is kept with it.
 */

/** What a call changes, or, while it has no result, was about to change. */
export function changesOf(call: ToolCallState | undefined, result: ToolResult | undefined): readonly FileChange[] {
  return (result ? result.details?.changes : call?.changes) ?? [];
}

const changesByStep = new WeakMap<StepState, readonly FileChange[]>();

function changesOfStep(step: StepState): readonly FileChange[] {
  const known = changesByStep.get(step);
  if (known) return known;
  const ids = new Set(step.blocks.flatMap(({ tool }) => (tool ? [tool.callId] : [])));
  for (const id of [...Object.keys(step.calls), ...Object.keys(step.results)]) ids.add(id);
  const found = [...ids].flatMap((id) => changesOf(step.calls[id], step.results[id]));
  changesByStep.set(step, found);
  return found;
}

/**
 * The files that a turn changed, each once: from what it was before the first change to what the
 * last one made of it. What came out as it was is left out.
 */
export function turnChanges(turn: TurnState): readonly FileChange[] {
  const files = new Map<string, FileChange>();
  for (const change of turn.steps.flatMap(changesOfStep)) {
    const before = files.get(change.path);
    files.set(
      change.path,
      before
        ? {
            ...before,
            after: change.after,
            added: before.added + change.added,
            removed: before.removed + change.removed,
          }
        : change,
    );
  }
  return [...files.values()].filter(({ before, after }) => before !== after);
}

const planByStep = new WeakMap<StepState, readonly PlanItem[] | null>();

/** The newest plan of a step, or null. */
function planOfStep(step: StepState): readonly PlanItem[] | null {
  const known = planByStep.get(step);
  if (known !== undefined) return known;
  // In the order of the calls: results are kept in the order in which they came.
  const last = step.blocks.findLast(({ tool }) => step.results[tool?.callId ?? '']?.details?.plan);
  const plan = step.results[last?.tool?.callId ?? '']?.details?.plan ?? null;
  planByStep.set(step, plan);
  return plan;
}

/** The newest plan of these turns, oldest first, or null. One that was carried out goes with the turn that did it. */
export function planOf(turns: readonly TurnState[]): readonly PlanItem[] | null {
  const last = turns.at(-1);
  for (const turn of turns.toReversed()) {
    for (const step of turn.steps.toReversed()) {
      const items = planOfStep(step);
      if (!items) continue;
      const over = items.every(({ status }) => status === 'done');
      return over && turn !== last ? null : items;
    }
  }
  return null;
}
