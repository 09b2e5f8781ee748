import { type ContextParts, contextTokens } from '@devlm/protocol/compaction.ts';
import type { StepState, TurnState } from '@devlm/protocol/state.ts';
import { estimateTokens } from '@devlm/protocol/token-estimate.ts';
import type { ModelTool } from '../llm/model.ts';
import { imageTokens } from '../llm/prompt-size.ts';
import { resultText } from './prompt.ts';
import type { Boundary, PromptView } from './prompt-view.ts';

/*
 * The number of tokens that a prompt fills in a model's window: as counted by the provider, plus an estimate of the
 * rest.
 */

/** The parts of a prompt other than the conversation. */
export interface PromptFrame {
  readonly system: string;
  /** Number of characters of `system` that are the project's rules. */
  readonly rulesChars: number;
  readonly tools: readonly ModelTool[];
}

/** Token counts of the parts of a conversation. */
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

/** Returns the estimated tokens of a turn before its first step: message, attachments, map and notes. */
function headParts(turn: TurnState): Parts {
  const files = turn.attachments.map((attachment) =>
    attachment.kind === 'image' ? imageTokens : estimateTokens(attachment.text.length),
  );
  const notes = (turn.notes ?? []).reduce((chars, { text }) => chars + text.length, 0);
  return {
    files: files.reduce((total, count) => total + count, estimateTokens(turn.map?.length ?? 0)),
    results: estimateTokens(notes),
    conversation: estimateTokens(turn.text.length),
  };
}

/** Returns the estimated tokens of the tool results of a step. */
function resultTokens({ results }: StepState): number {
  return Object.values(results).reduce(
    (total, result) =>
      total + estimateTokens(resultText(result).length) + imageTokens * (result.details?.images?.length ?? 0),
    0,
  );
}

/**
 * Returns the estimated tokens of a step.
 *
 * @param thinking whether the step's thinking is sent back
 */
function stepParts(step: StepState, thinking: boolean): Parts {
  let textChars = 0;
  let toolChars = 0;
  for (const { kind, text, opaque } of step.blocks) {
    const chars = text.length + (opaque === undefined ? 0 : JSON.stringify(opaque).length);
    if (kind === 'text') textChars += text.length;
    else if (kind !== 'thinking') toolChars += chars;
    else if (thinking) textChars += chars;
  }
  return {
    files: 0,
    results: estimateTokens(toolChars) + resultTokens(step),
    conversation: estimateTokens(textChars),
  };
}

/** Adjacent parts of a view that are never separated. */
export interface Unit {
  readonly parts: Parts;
  /** The boundary at its end; null if the conversation cannot be cut there. */
  readonly end: Boundary | null;
}

/** Returns the units of a view, oldest first: the beginning of each turn, and each of its steps. */
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

/** Returns the tokens of a prompt: from the provider's own count where there is one, plus an estimate of the rest. */
export function measure(view: PromptView, frame: PromptFrame): ContextParts {
  const own = sum(unitsOf(view).map(({ parts }) => parts));
  const estimate: ContextParts = {
    ...frameTokens(frame),
    ...own,
    conversation: own.conversation + estimateTokens(view.lead?.length ?? 0),
  };
  const counted = view.counted && view.counted.tokens + tokensAfter(view, view.counted.stepId);
  return counted === null ? estimate : scaled(estimate, counted);
}

/** Returns the factor by which estimates for a view have to be multiplied to agree with the provider's count. */
export function countFactor(view: PromptView, frame: PromptFrame): number {
  const estimate = contextTokens(measure({ ...view, counted: null }, frame));
  return contextTokens(measure(view, frame)) / Math.max(1, estimate);
}

/**
 * Measures a view. If the provider has not counted it, the estimate is corrected by the previous estimation error.
 *
 * @param before the previous measurement
 */
export function calibrated(frame: PromptFrame, before: ContextParts, view: PromptView): ContextParts {
  const after = measure(view, frame);
  if (view.counted !== null) return after;
  const fixed = frameTokens(frame);
  const factor = before.system / Math.max(1, fixed.system);
  return scaled(after, Math.round(contextTokens(after) * factor));
}

/** Returns the estimated tokens of a prompt without any conversation. */
export function frameTokens({ system, rulesChars, tools }: PromptFrame) {
  const described = tools.map(({ name, description, inputSchema }) => [name, description, inputSchema]);
  return {
    system: estimateTokens(system.length - rulesChars),
    rules: estimateTokens(rulesChars),
    tools: tools.length === 0 ? 0 : estimateTokens(JSON.stringify(described).length),
  };
}

/** Returns the estimated tokens that were added to the prompt after a step. */
function tokensAfter({ turns }: PromptView, stepId: string): number {
  const at = turns.findIndex(({ steps }) => steps.some(({ id }) => id === stepId));
  const turn = turns[at];
  const index = turn?.steps.findIndex(({ id }) => id === stepId) ?? -1;
  const step = turn?.steps[index];
  if (!turn || !step) return 0;
  const later = turns.slice(at + 1);
  const parts = sum([
    ...turn.steps.slice(index + 1).map((laterStep) => stepParts(laterStep, later.length === 0)),
    ...later.map(headParts),
    ...later.flatMap(({ steps }, order) => steps.map((laterStep) => stepParts(laterStep, order === later.length - 1))),
  ]);
  return resultTokens(step) + parts.files + parts.results + parts.conversation;
}

/** Scales all parts to another total. */
function scaled(parts: ContextParts, total: number): ContextParts {
  const factor = total / Math.max(1, contextTokens(parts));
  const { system, rules, tools, files, results, conversation } = parts;
  const scale = (count: number) => Math.round(count * factor);
  return {
    system: scale(system),
    rules: scale(rules),
    tools: scale(tools),
    files: scale(files),
    results: scale(results),
    conversation: scale(conversation),
  };
}
