import { type ContextParts, contextTokens } from '@devlm/protocol/compaction.ts';
import type { StepState, TurnState } from '@devlm/protocol/state.ts';
import type { ModelTool } from '../llm/model.ts';
import { contextImageTokens, estimateContextTokens } from '../llm/prompt-size.ts';
import type { Boundary, PromptView } from './prompt-view.ts';

/*
 * How much of a model's window a prompt fills: as the provider has counted it, and by an estimate of the rest.
 */

/** What a prompt holds beside the conversation. */
export interface PromptFrame {
  readonly system: string;
  /** How much of `system` the project's rules are. */
  readonly rulesChars: number;
  readonly tools: readonly ModelTool[];
}

type Parts = Pick<ContextParts, 'files' | 'results' | 'conversation'>;
const nothing: Parts = { files: 0, results: 0, conversation: 0 };
const sum = (list: readonly Parts[]): Parts =>
  list.reduce(
    (total, { files, results, conversation }) => ({
      files: total.files + files,
      results: total.results + results,
      conversation: total.conversation + conversation,
    }),
    nothing,
  );

function headParts(turn: TurnState): Parts {
  const files = turn.attachments.map((each) =>
    each.kind === 'image' ? contextImageTokens : estimateContextTokens(each.text.length),
  );
  const notes = (turn.notes ?? []).reduce((chars, { text }) => chars + text.length, 0);
  return {
    files: files.reduce((total, count) => total + count, estimateContextTokens(turn.map?.length ?? 0)),
    results: estimateContextTokens(notes),
    conversation: estimateContextTokens(turn.text.length),
  };
}

function resultTokens({ results }: StepState): number {
  return Object.values(results).reduce(
    (total, { text, details }) =>
      total + estimateContextTokens(text.length) + contextImageTokens * (details?.images?.length ?? 0),
    0,
  );
}

function stepParts(step: StepState, thinking: boolean): Parts {
  let said = 0;
  let used = 0;
  for (const { kind, text, opaque } of step.blocks) {
    const chars = text.length + (opaque === undefined ? 0 : JSON.stringify(opaque).length);
    if (kind === 'text') said += text.length;
    else if (kind !== 'thinking') used += chars;
    else if (thinking) said += chars;
  }
  return {
    files: 0,
    results: estimateContextTokens(used) + resultTokens(step),
    conversation: estimateContextTokens(said),
  };
}

/** Neighbouring parts of a view that are never torn apart, oldest first. */
export interface Unit {
  readonly parts: Parts;
  /** Where it ends; null where the conversation cannot be cut behind it. */
  readonly end: Boundary | null;
}

/** Returns the units of a view: the head of each turn, and each of its steps. */
export function unitsOf({ turns }: PromptView): Unit[] {
  return turns.flatMap((turn, at) => {
    const isLast = at === turns.length - 1;
    const head = {
      parts: headParts(turn),
      end: turn.steps.length > 0 || isLast ? null : { turnId: turn.id, stepId: null },
    };
    const steps = turn.steps.map((step, index) => ({
      parts: stepParts(step, isLast),
      end: { turnId: turn.id, stepId: !isLast && index === turn.steps.length - 1 ? null : step.id },
    }));
    return [head, ...steps];
  });
}

/** Estimated tokens of a prompt, by the provider's own count where there is one. */
export function measure(view: PromptView, frame: PromptFrame): ContextParts {
  const own = sum(unitsOf(view).map(({ parts }) => parts));
  const estimate: ContextParts = {
    ...frameTokens(frame),
    ...own,
    conversation: own.conversation + estimateContextTokens(view.lead?.length ?? 0),
  };
  const counted = view.counted && view.counted.tokens + tokensAfter(view, view.counted.stepId);
  return counted === null ? estimate : scaled(estimate, counted);
}

/** Returns what estimates for a view have to be multiplied by to agree with the provider's count of it. */
export function countFactor(view: PromptView, frame: PromptFrame): number {
  const estimate = contextTokens(measure({ ...view, counted: null }, frame));
  return contextTokens(measure(view, frame)) / Math.max(1, estimate);
}

/**
 * Measures a view. Where the provider has not counted it, the estimate is corrected by how far off it was before.
 *
 * @param before what was measured last
 */
export function calibrated(frame: PromptFrame, before: ContextParts, view: PromptView): ContextParts {
  const after = measure(view, frame);
  if (view.counted !== null) return after;
  const fixed = frameTokens(frame);
  const factor = before.system / Math.max(1, fixed.system);
  return scaled(after, Math.round(contextTokens(after) * factor));
}

/** What a prompt holds of itself before any conversation, in tokens. */
export function frameTokens({ system, rulesChars, tools }: PromptFrame) {
  const described = tools.map(({ name, description, inputSchema }) => [name, description, inputSchema]);
  return {
    system: estimateContextTokens(system.length - rulesChars),
    rules: estimateContextTokens(rulesChars),
    tools: tools.length === 0 ? 0 : estimateContextTokens(JSON.stringify(described).length),
  };
}

/** What came into the prompt after a step. */
function tokensAfter({ turns }: PromptView, stepId: string): number {
  const at = turns.findIndex(({ steps }) => steps.some(({ id }) => id === stepId));
  const turn = turns[at];
  const index = turn?.steps.findIndex(({ id }) => id === stepId) ?? -1;
  const step = turn?.steps[index];
  if (!turn || !step) return 0;
  const later = turns.slice(at + 1);
  const parts = sum([
    ...turn.steps.slice(index + 1).map((each) => stepParts(each, later.length === 0)),
    ...later.map(headParts),
    ...later.flatMap(({ steps }, order) => steps.map((each) => stepParts(each, order === later.length - 1))),
  ]);
  return resultTokens(step) + parts.files + parts.results + parts.conversation;
}

/** The same shares of another total. */
function scaled(parts: ContextParts, total: number): ContextParts {
  const factor = total / Math.max(1, contextTokens(parts));
  const { system, rules, tools, files, results, conversation } = parts;
  const by = (count: number) => Math.round(count * factor);
  return {
    system: by(system),
    rules: by(rules),
    tools: by(tools),
    files: by(files),
    results: by(results),
    conversation: by(conversation),
  };
}
