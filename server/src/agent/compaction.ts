import { randomUUID } from 'node:crypto';
import { type Compaction, type ContextParts, contextTokens } from '@devlm/protocol/compaction.ts';
import { noTokens } from '@devlm/protocol/events.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { ModelProblemCode } from '../llm/problems.ts';
import { calibrated, countFactor, frameTokens, measure, type PromptFrame, unitsOf } from './prompt-tokens.ts';
import { type Boundary, type PromptView, promptView, summaryText, textSteps } from './prompt-view.ts';
import { type RequestDeps, summaryRequest } from './request.ts';
import { runStep, type StepDeps } from './step.ts';

/** Dependencies of compaction, in addition to those of the requests and steps of a turn. */
export interface CompactionDeps extends StepDeps, RequestDeps {
  /** Returns the size of the model's context window in tokens, or null if the provider does not list it. */
  readonly contextTokens: (signal: AbortSignal) => Promise<number | null>;
  /** Share of the window, 0 to 1, beyond which the conversation is compacted. */
  readonly compactAt: number;
}

/** Maximum share of the prompt that may remain after texts are cut. A gain of less than 5% is not worth it. */
const maxRemainingShare = 0.95;
/** Prompt size that fits every window, in tokens. Below it the provider is not asked for the size of the window. */
const alwaysFitsTokens = 12_000;
/** Assumed window of a model whose provider does not list it, in tokens: the smallest of today's models. */
const defaultWindowTokens = 200_000;
/** Share of the window that the newest messages, which stay word for word, may fill. */
const keptShare = 1 / 3;
/** Minimum gain of a summary, as a share of the window. */
const minGainShare = 0.1;
/**
 * Codes of problems that any further call would also fail with, including the turn's own. After such a problem, no
 * texts are cut.
 */
const fatalCodes: ReadonlySet<string> = new Set<ModelProblemCode | 'budget_exceeded' | 'paused'>([
  'budget_exceeded',
  'paused',
  'missing_key',
  'bad_key',
  'forbidden',
  'no_credit',
  'model_not_found',
  'offline',
  'rate_limited',
  'overloaded',
]);

const purpose = 'compaction';

/** Compacts the conversation before a step if the prompt fills too much of the model's window. */
export async function compactIfNeeded(deps: CompactionDeps, signal: AbortSignal): Promise<void> {
  const size = contextTokens(measure(promptView(deps.log.branch), deps));
  if (size < alwaysFitsTokens) return;
  const window = (await deps.contextTokens(signal)) ?? defaultWindowTokens;
  if (size > window * deps.compactAt) await makeRoom(deps, window, signal);
}

/**
 * Compacts the conversation after the provider has rejected the prompt as too long, which means that the window is
 * smaller than assumed.
 */
export async function compactTooLong(deps: CompactionDeps, signal: AbortSignal): Promise<void> {
  const size = contextTokens(measure(promptView(deps.log.branch), deps));
  const window = (await deps.contextTokens(signal)) ?? defaultWindowTokens;
  await makeRoom(deps, Math.min(window, Math.floor(size * 0.9)), signal);
}

/** Summarizes the whole conversation before the turn, because the user asked for it. */
export async function compactAll(deps: CompactionDeps, signal: AbortSignal): Promise<void> {
  const view = promptView(deps.log.branch);
  const last = view.turns.at(-1);
  if (!last) {
    throw new ProblemError({
      code: 'nothing_to_compact',
      status: 409,
      title: 'Nothing to summarize',
      detail: 'There are no earlier messages to summarize.',
    });
  }
  const window = (await deps.contextTokens(signal)) ?? defaultWindowTokens;
  const whole = { turnId: last.id, stepId: null };
  const summarized = await summarize(deps, view, whole, window, signal);
  if (!summarized.ok) throw summarized.error;
}

/** Compacts the conversation: by a summary, and by cutting texts if that is not enough. */
async function makeRoom(deps: CompactionDeps, window: number, signal: AbortSignal): Promise<void> {
  const view = promptView(deps.log.branch);
  const limit = window * deps.compactAt;
  const before = measure(view, deps);
  const cut = chooseCut(view, deps, window);
  const summarized = cut && (await summarize(deps, view, cut, window, signal));
  const after = promptView(deps.log.branch);
  if (contextTokens(calibrated(deps, before, after)) > limit)
    await cutTexts(deps, { before, limit, stepId: summarized?.stepId });
}

/**
 * Returns the boundary up to which the conversation can be summarized so that the newest part stays: the end of a turn
 * or of a step, never between a call and its result. Returns null if no boundary would be worth it.
 */
export function chooseCut(view: PromptView, frame: PromptFrame, window: number): Boundary | null {
  const units = unitsOf(view);
  const factor = countFactor(view, frame);
  const tokens = units.map(({ parts }) => (parts.files + parts.results + parts.conversation) * factor);
  const fixed = Object.values(frameTokens(frame)).reduce((sum, count) => sum + count, 0) * factor;
  let room = window * keptShare - fixed;
  let from = units.length - 1;
  room -= tokens[from] ?? 0;
  while (from > 0 && (tokens[from - 1] ?? 0) <= room) {
    from -= 1;
    room -= tokens[from] ?? 0;
  }
  while (from < units.length && !units[from - 1]?.end) from += 1;
  const end = units[from - 1]?.end;
  if (!end || from >= units.length) return null;
  const gain = tokens.slice(0, from).reduce((sum, count) => sum + count, 0);
  return gain >= window * minGainShare ? end : null;
}

type Summarized =
  | { readonly ok: true; readonly stepId: string }
  | { readonly ok: false; readonly stepId: string; readonly error: ProblemError };

/** Asks the model for a summary of everything up to the boundary, in a separate step. */
async function summarize(
  deps: CompactionDeps,
  view: PromptView,
  upTo: Boundary,
  window: number,
  signal: AbortSignal,
): Promise<Summarized> {
  const { log } = deps;
  const before = measure(view, deps);
  const request = await summaryRequest(deps, view, upTo, window);
  try {
    const { stepId, stopReason } = await runStep(deps, request, { purpose }, signal);
    const step = log.turn?.steps.find(({ id }) => id === stepId);
    if (stopReason !== 'end_turn' || !step || summaryText(step) === '')
      return { ok: false, stepId, error: noSummary() };
    const compaction = { upTo, textChars: null, tokensBefore: contextTokens(before) };
    await write(deps, stepId, before, compaction);
    return { ok: true, stepId };
  } catch (error) {
    if (signal.aborted || log.failed || !(error instanceof ProblemError) || fatalCodes.has(error.problem.code))
      throw error;
    await log.flush();
    const step = log.turn?.steps.at(-1);
    if (!step?.purpose) throw error;
    if (step.status === 'running') {
      log.write({ type: 'step.abandoned', turnId: log.turnId, stepId: step.id, problem: error.problem });
      await log.flush();
    }
    return { ok: false, stepId: step.id, error };
  }
}

/**
 * Cuts old results and attached texts, and also the new ones if that is not enough. This is the last resort, so that
 * the turn can continue. Everything is in the log, and files can be read again.
 */
async function cutTexts(
  deps: CompactionDeps,
  { before, limit, stepId }: { before: ContextParts; limit: number; stepId: string | undefined },
): Promise<void> {
  const { log, modelId } = deps;
  const { turnId } = log;
  const id = stepId ?? randomUUID();
  const tokensBefore = contextTokens(before);
  const currentView = promptView(log.branch);
  const size = contextTokens(calibrated(deps, before, currentView));
  const boundaries = [
    ...unitsOf(currentView)
      .flatMap(({ end }) => end ?? [])
      .slice(0, -1)
      .slice(-1),
    { turnId, stepId: id },
  ];
  const candidates = boundaries.flatMap((upTo) =>
    textSteps.map((textChars) => {
      const draft = { upTo, textChars, tokensBefore };
      const after = promptView(withCompaction(log.branch, turnId, id, draft));
      return { draft, tokens: contextTokens(calibrated(deps, before, after)) };
    }),
  );
  const smallest = candidates.reduce((best, candidate) => (candidate.tokens < best.tokens ? candidate : best));
  const { draft, tokens } = candidates.find((candidate) => candidate.tokens <= limit) ?? smallest;
  if (tokens > size * maxRemainingShare) return;
  if (stepId === undefined) log.write({ type: 'step.started', turnId, stepId: id, model: modelId, purpose });
  await write(deps, id, before, draft);
  if (stepId !== undefined) return;
  log.write({
    type: 'step.ended',
    turnId,
    stepId: id,
    stopReason: 'end_turn',
    usage: noTokens,
    costUsd: 0,
    model: modelId,
  });
  await log.flush();
}

/** A compaction before it is written. */
type PlannedCompaction = Pick<Compaction, 'upTo' | 'textChars' | 'tokensBefore'>;

/** Writes the event `context.compacted`. */
async function write(
  deps: CompactionDeps,
  stepId: string,
  before: ContextParts,
  draft: PlannedCompaction,
): Promise<void> {
  const { log } = deps;
  const { turnId } = log;
  const after = promptView(withCompaction(log.branch, turnId, stepId, draft));
  const { branch } = log;
  const turns = branch.slice(0, branch.findIndex(({ id }) => id === draft.upTo.turnId) + 1);
  const context = calibrated(deps, before, after);
  const compaction = { ...draft, turns: turns.filter(({ compact }) => !compact).length, context };
  log.write({ type: 'context.compacted', turnId, stepId, compaction });
  await log.flush();
}

/** Returns the branch as it will be after the compaction. */
function withCompaction(
  branch: readonly TurnState[],
  turnId: string,
  stepId: string,
  draft: PlannedCompaction,
): TurnState[] {
  const context = { system: 0, rules: 0, tools: 0, files: 0, results: 0, conversation: 0 };
  const compaction = { ...draft, turns: 0, context };
  const newStep = { id: stepId, model: '', status: 'ended', blocks: [], results: {}, calls: {}, purpose } as const;
  return branch.map((turn) => {
    if (turn.id !== turnId) return turn;
    const steps = turn.steps.some(({ id }) => id === stepId) ? turn.steps : [...turn.steps, newStep];
    return { ...turn, steps: steps.map((step) => (step.id === stepId ? { ...step, compaction } : step)) };
  });
}

function noSummary(): ProblemError {
  return new ProblemError({
    code: 'no_summary',
    status: 502,
    title: 'No summary',
    detail: 'The model did not write a summary of the conversation. Try again.',
    action: 'retry',
  });
}
