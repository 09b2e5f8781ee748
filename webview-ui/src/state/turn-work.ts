import type { StepState, ToolCallState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import type { TestReport } from '@devlm/protocol/tasks.ts';
import type { FileChange, PlanItem } from '@devlm/protocol/tools.ts';

/*
 * What the tools of a turn have done. States never change in place, so what was found out about
 * one is kept with it.
 */

/** What a call changes, or, while it has no result, was about to change. */
export function changesOf(call: ToolCallState | undefined, result: ToolResult | undefined): readonly FileChange[] {
  return (result ? result.details?.changes : call?.changes) ?? [];
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

/** The last run of tests in a turn, and whether files were changed after it; null where there was none. */
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
