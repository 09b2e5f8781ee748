import type { StepState, ToolCallState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import type { TestReport } from '@devlm/protocol/tasks.ts';
import type { FileChange, PlanItem } from '@devlm/protocol/tools.ts';

/* Results of a turn's tool calls. States are immutable, so derived values are cached by state. */

/** Returns the changes of a call, or those it is about to make while it has no result. */
export function changesOf(call: ToolCallState | undefined, result: ToolResult | undefined): readonly FileChange[] {
  return (result ? result.details?.changes : call?.changes) ?? [];
}

const planByStep = new WeakMap<StepState, readonly PlanItem[] | null>();

/** Returns the latest plan of a step, or null. */
function planOfStep(step: StepState): readonly PlanItem[] | null {
  const cached = planByStep.get(step);
  if (cached !== undefined) return cached;
  // Search in the order of the calls, because results are stored in the order of their arrival.
  const last = step.blocks.findLast(({ tool }) => step.results[tool?.callId ?? '']?.details?.plan);
  const plan = step.results[last?.tool?.callId ?? '']?.details?.plan ?? null;
  planByStep.set(step, plan);
  return plan;
}

/**
 * Returns the latest plan of the turns, which are given oldest first, or null. A completed plan only counts in the
 * turn that completed it.
 */
export function planOf(turns: readonly TurnState[]): readonly PlanItem[] | null {
  const last = turns.at(-1);
  for (const turn of turns.toReversed()) {
    for (const step of turn.steps.toReversed()) {
      const items = planOfStep(step);
      if (!items) continue;
      const isDone = items.every(({ status }) => status === 'done');
      return isDone && turn !== last ? null : items;
    }
  }
  return null;
}

/** Returns the last test run of a turn and whether files were changed after it, or null if there was none. */
export function testsOf(turn: TurnState): { report: TestReport; callId: string; changedSince: boolean } | null {
  let changedSince = false;
  for (const step of turn.steps.toReversed()) {
    for (const { tool } of step.blocks.toReversed()) {
      const callId = tool?.callId ?? '';
      const details = step.results[callId]?.details;
      if (details?.tests) return { report: details.tests, callId, changedSince };
      changedSince ||= (details?.changes ?? []).some(({ before, after }) => before !== after);
    }
  }
  return null;
}
