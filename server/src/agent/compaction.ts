import { randomUUID } from 'node:crypto';
import { type Compaction, type ContextParts, contextTokens } from '@devlm/protocol/compaction.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { ModelProblemCode } from '../llm/problems.ts';
import { calibrated, countFactor, frameTokens, measure, type PromptFrame, unitsOf } from './prompt-tokens.ts';
import { type Boundary, type PromptView, promptView, summaryText, textSteps } from './prompt-view.ts';
import { type RequestDeps, summaryRequest } from './request.ts';
import { runStep, type StepDeps } from './step.ts';

/** What compaction needs besides the requests and steps of a turn. */
export interface CompactionDeps extends StepDeps, RequestDeps {
  /** Tokens that fit the model's window; null when the provider does not say. */
  readonly contextTokens: (signal: AbortSignal) => Promise<number | null>;
  /** Share of the window, 0 to 1, beyond which the conversation is compacted. */
  readonly compactAt: number;
}

/** Texts are not cut for less than a twentieth. */
const leastGain = 0.95;
/** Below this no window is too small, and the provider is not asked for its size. Tokens. */
const clearlySmall = 12_000;
/** Of a model whose provider does not say: the smallest of today's. */
const usualWindow = 200_000;
/** Of the window, what stays word for word. */
const keptShare = 1 / 3;
/** Less than this share of the limit is not worth a summary. */
const leastShare = 0.1;
/** The same call could only fail in the same way, and the turn's own would too: nothing is given up for it. */
const hopeless: ReadonlySet<string> = new Set<ModelProblemCode | 'budget_exceeded' | 'paused'>([
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

/** Makes room before a step where the prompt fills too much of the model's window. */
export async function compactIfNeeded(deps: CompactionDeps, signal: AbortSignal): Promise<void> {
  const size = contextTokens(measure(promptView(deps.log.branch), deps));
  if (size < clearlySmall) return;
  const window = (await deps.contextTokens(signal)) ?? usualWindow;
  if (size > window * deps.compactAt) await makeRoom(deps, window, signal);
}

/** Makes room after the provider has said that the prompt is too long: its window is smaller than it was thought to be. */
export async function compactTooLong(deps: CompactionDeps, signal: AbortSignal): Promise<void> {
  const size = contextTokens(measure(promptView(deps.log.branch), deps));
  const window = (await deps.contextTokens(signal)) ?? usualWindow;
  await makeRoom(deps, Math.min(window, Math.floor(size * 0.9)), signal);
}

/** Sums up the whole conversation before the turn, because the person wants it. */
export async function compactAll(deps: CompactionDeps, signal: AbortSignal): Promise<void> {
  const view = promptView(deps.log.branch);
  const last = view.turns.at(-1);
  if (!last) {
    throw new ProblemError({
      code: 'nothing_to_compact',
      status: 409,
      title: 'Nothing to summarise',
      detail: 'There is nothing before this that could be summarised.',
    });
  }
  const window = (await deps.contextTokens(signal)) ?? usualWindow;
  const whole = { turnId: last.id, stepId: null };
  const summarised = await summarise(deps, view, whole, window, signal);
  if (!summarised.ok) throw summarised.error;
}

async function makeRoom(deps: CompactionDeps, window: number, signal: AbortSignal): Promise<void> {
  const view = promptView(deps.log.branch);
  const limit = window * deps.compactAt;
  const before = measure(view, deps);
  const cut = chooseCut(view, deps, window);
  const summarised = cut && (await summarise(deps, view, cut, window, signal));
  const after = promptView(deps.log.branch);
  if (contextTokens(calibrated(deps, before, after)) > limit)
    await cutTexts(deps, { before, limit, stepId: summarised?.stepId });
}

/**
 * Up to where the conversation can be summed up so that the newest part stays: at the end of a turn or of a
 * step, never between a call and its result. Null: nowhere that would be worth it.
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
  return gain >= window * leastShare ? end : null;
}

type Summarised =
  | { readonly ok: true; readonly stepId: string }
  | { readonly ok: false; readonly stepId: string; readonly error: ProblemError };

/** Asks the model for a summary of all up to the boundary, in a step of its own. */
async function summarise(
  deps: CompactionDeps,
  view: PromptView,
  upTo: Boundary,
  window: number,
  signal: AbortSignal,
): Promise<Summarised> {
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
    if (signal.aborted || log.failed || !(error instanceof ProblemError) || hopeless.has(error.problem.code))
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
 * Cuts old results and attached texts, and where that is not enough the new ones: the last resort, so that
 * the turn can go on. Everything is in the log, and files can be read again.
 */
async function cutTexts(
  deps: CompactionDeps,
  { before, limit, stepId }: { before: ContextParts; limit: number; stepId: string | undefined },
): Promise<void> {
  const { log, modelId } = deps;
  const { turnId } = log;
  const id = stepId ?? randomUUID();
  const tokensBefore = contextTokens(before);
  const present = promptView(log.branch);
  const size = contextTokens(calibrated(deps, before, present));
  const places = [
    ...unitsOf(present)
      .flatMap(({ end }) => end ?? [])
      .slice(0, -1)
      .slice(-1),
    { turnId, stepId: id },
  ];
  const ways = places.flatMap((upTo) =>
    textSteps.map((textChars) => {
      const draft = { upTo, textChars, tokensBefore };
      const after = promptView(withCompaction(log.branch, turnId, id, draft));
      return { draft, tokens: contextTokens(calibrated(deps, before, after)) };
    }),
  );
  const least = ways.reduce((best, way) => (way.tokens < best.tokens ? way : best));
  const { draft, tokens } = ways.find((way) => way.tokens <= limit) ?? least;
  if (tokens > size * leastGain) return;
  if (stepId === undefined) log.write({ type: 'step.started', turnId, stepId: id, model: modelId, purpose });
  await write(deps, id, before, draft);
  if (stepId !== undefined) return;
  const usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };
  log.write({ type: 'step.ended', turnId, stepId: id, stopReason: 'end_turn', usage, costUsd: 0, model: modelId });
  await log.flush();
}

type Draft = Pick<Compaction, 'upTo' | 'textChars' | 'tokensBefore'>;

async function write(deps: CompactionDeps, stepId: string, before: ContextParts, draft: Draft): Promise<void> {
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

/** The branch as it will be. */
function withCompaction(branch: readonly TurnState[], turnId: string, stepId: string, draft: Draft): TurnState[] {
  const context = { system: 0, rules: 0, tools: 0, files: 0, results: 0, conversation: 0 };
  const compaction = { ...draft, turns: 0, context };
  const made = { id: stepId, model: '', status: 'ended', blocks: [], results: {}, calls: {}, purpose } as const;
  return branch.map((turn) => {
    if (turn.id !== turnId) return turn;
    const steps = turn.steps.some(({ id }) => id === stepId) ? turn.steps : [...turn.steps, made];
    return { ...turn, steps: steps.map((step) => (step.id === stepId ? { ...step, compaction } : step)) };
  });
}

function noSummary(): ProblemError {
  return new ProblemError({
    code: 'no_summary',
    status: 502,
    title: 'No summary',
    detail: 'The model wrote no summary of the conversation. Try again.',
    action: 'retry',
  });
}
