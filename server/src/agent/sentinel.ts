import { turnUsage } from '@devlm/protocol/reducer.ts';
import type { StepState, TurnState } from '@devlm/protocol/state.ts';
import type { Trouble } from '@devlm/protocol/tools.ts';
import { answeredCalls, timesInARow } from './repetition.ts';

/** A sign that a turn has gone wrong. */
export interface TroubleSign {
  readonly trouble: Trouble;
  /** Explanation for the user. */
  readonly explanation: string;
}

/**
 * Share of the prompt that is read from the cache. The cache counts as broken when the share falls from above `usual`
 * to below `broken`.
 */
const cacheRatio = { usual: 0.6, broken: 0.1 } as const;
/** Prompt size below which a missing cache costs too little to matter, in tokens. */
const minCachedPromptTokens = 20_000;
/**
 * Number of consecutive steps without the cache that count as broken. A single one has many legitimate causes: a new
 * model, a compaction, a pause of five minutes.
 */
const brokenSteps = 2;
/** Multiple of the user's median turn cost at which a turn counts as unusually expensive. */
const costFactor = 10;
/** Minimum number of turns that a median is computed from. */
const minBaselineTurns = 5;
/** Cost below which a turn is never unusually expensive, in US dollars. */
const costFloorUsd = 2;
/**
 * Number of consecutive identical calls with identical results that count as a loop. The model itself is told at the
 * third and may ignore it.
 */
const repeatedCalls = 6;

/**
 * Checks a turn before each of its calls for signs of runaway cost: a prompt cache that no longer holds, a turn far
 * more expensive than the user's other turns, or an agent that repeats itself.
 */
export class Sentinel {
  readonly #turnCosts: () => Promise<readonly number[]>;
  #medianUsd: Promise<number | null> | undefined;

  /**
   * @param turnCosts returns the costs of the user's other turns, in US dollars; called once, and only for a turn that
   *   is not cheap
   */
  constructor(turnCosts: () => Promise<readonly number[]>) {
    this.#turnCosts = turnCosts;
  }

  /**
   * Returns the first sign of trouble that the user has not agreed to, or null.
   *
   * @param branch the turns of the conversation; the last one is checked
   * @param agreed troubles that the user has already agreed to in this turn
   */
  async check(branch: readonly TurnState[], agreed: ReadonlySet<Trouble>): Promise<TroubleSign | null> {
    const turn = branch.at(-1);
    if (!turn) return null;
    const found = [await this.#cost(turn), brokenCache(branch), loop(turn)];
    return found.find((sign) => sign !== null && !agreed.has(sign.trouble)) ?? null;
  }

  async #cost(turn: TurnState): Promise<TroubleSign | null> {
    const cost = turnUsage(turn).costUsd ?? 0;
    if (cost < costFloorUsd) return null;
    this.#medianUsd ??= this.#turnCosts().then((costs) => (costs.length < minBaselineTurns ? null : median(costs)));
    const medianUsd = await this.#medianUsd;
    if (medianUsd === null || cost < costFactor * medianUsd) return null;
    const explanation = `This answer has cost $${cost.toFixed(2)} so far; your answers usually cost $${medianUsd.toFixed(2)}.`;
    return { trouble: 'cost', explanation };
  }
}

/** Detects that the provider's cache worked earlier in this conversation and no longer does. */
function brokenCache(branch: readonly TurnState[]): TroubleSign | null {
  const turn = branch.at(-1);
  const steps = branch.flatMap((other) => other.steps.filter(isCounted));
  const last = (turn?.steps ?? []).filter(isCounted).slice(-brokenSteps);
  if (
    last.length < brokenSteps ||
    !last.every((step) => promptTokens(step) > minCachedPromptTokens && cachedRatio(step) < cacheRatio.broken)
  )
    return null;
  const before = steps.slice(0, -brokenSteps);
  if (!before.some((step) => cachedRatio(step) > cacheRatio.usual)) return null;
  const explanation = `The provider no longer reads most of the prompt from its cache. Each step processes all ${promptTokens(last.at(-1)).toLocaleString('en')} tokens anew, which can cost ten times as much.`;
  return { trouble: 'cache', explanation };
}

/** Detects that the newest calls of the turn are identical, with identical results. */
function loop(turn: TurnState): TroubleSign | null {
  const calls = answeredCalls(turn);
  const last = calls.at(-1);
  const times = last ? timesInARow(calls, last) : 0;
  if (!last || times < repeatedCalls) return null;
  return {
    trouble: 'loop',
    explanation: `The model has called ${last.name} ${times} times in a row, with the same result each time.`,
  };
}

/** Whether a step is an ordinary model call whose usage is known. */
const isCounted = ({ usage, purpose, status }: StepState): boolean =>
  usage !== undefined && !purpose && status === 'ended';

/** Returns the size of a step's prompt, in tokens. */
function promptTokens(step: StepState | undefined): number {
  const usage = step?.usage;
  return usage ? usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens : 0;
}

/** Returns the share of a step's prompt that was read from the cache. */
const cachedRatio = (step: StepState): number => (step.usage?.cacheReadTokens ?? 0) / Math.max(1, promptTokens(step));

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
