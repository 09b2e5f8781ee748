import { turnUsage } from '@devlm/protocol/reducer.ts';
import type { StepState, TurnState } from '@devlm/protocol/state.ts';

/** What looks as if the turn had gone wrong. */
export interface Trouble {
  readonly kind: 'cache' | 'cost' | 'loop';
  /** For the person. */
  readonly words: string;
}

/** Share of a prompt that is read from the cache: from above this, the usual of a conversation, to below that. */
const cacheRatio = { usual: 0.6, broken: 0.1 } as const;
/** Prompts below this cost little, whatever the cache does. Tokens. */
const cacheFloorTokens = 20_000;
/** Steps in a row without the cache. One has many good reasons: a new model, a compaction, a pause of five minutes. */
const brokenSteps = 2;
/** A turn that costs so many times the person's usual one, */
const costFactor = 10;
/** of so many turns at least, */
const costTurns = 5;
/** and more than this, US dollars. */
const costFloorUsd = 2;
/** The same call with the same result so often in a row. At the third the model is told, and goes on all the same. */
const repeatedCalls = 6;

/**
 * Looks at a turn before each of its calls for what runs up costs that nobody wants: a prompt cache that no longer
 * holds, a turn far dearer than the person's others, an agent that repeats itself.
 */
export class Sentinel {
  readonly #turnCosts: () => Promise<readonly number[]>;
  #usualUsd: Promise<number | null> | undefined;

  /** @param turnCosts what the person's other turns cost, US dollars; asked once, of a turn that is not cheap */
  constructor(turnCosts: () => Promise<readonly number[]>) {
    this.#turnCosts = turnCosts;
  }

  /** @param agreed what the person has let the turn go on with */
  async look(branch: readonly TurnState[], agreed: ReadonlySet<string>): Promise<Trouble | null> {
    const turn = branch.at(-1);
    if (!turn) return null;
    const found = [await this.#cost(turn), brokenCache(branch), loop(turn)];
    return found.find((trouble) => trouble !== null && !agreed.has(trouble.kind)) ?? null;
  }

  async #cost(turn: TurnState): Promise<Trouble | null> {
    const cost = turnUsage(turn).costUsd ?? 0;
    if (cost < costFloorUsd) return null;
    this.#usualUsd ??= this.#turnCosts().then((costs) => (costs.length < costTurns ? null : median(costs)));
    const usual = await this.#usualUsd;
    if (usual === null || cost < costFactor * usual) return null;
    const words = `This answer has cost $${cost.toFixed(2)} so far; your answers usually cost $${usual.toFixed(2)}.`;
    return { kind: 'cost', words };
  }
}

/** The provider's cache held in this conversation, and does not any more. */
function brokenCache(branch: readonly TurnState[]): Trouble | null {
  const turn = branch.at(-1);
  const steps = branch.flatMap((one) => one.steps.filter(isCounted));
  const last = (turn?.steps ?? []).filter(isCounted).slice(-brokenSteps);
  if (
    last.length < brokenSteps ||
    !last.every((step) => promptOf(step) > cacheFloorTokens && ratio(step) < cacheRatio.broken)
  )
    return null;
  const before = steps.slice(0, -brokenSteps);
  if (!before.some((step) => ratio(step) > cacheRatio.usual)) return null;
  const words = `The provider reads the whole prompt anew in every step, ${promptOf(last.at(-1)).toLocaleString('en')} tokens, where it used to take most of it from its cache: that can cost ten times as much.`;
  return { kind: 'cache', words };
}

/** The newest calls of the turn are the same one, with the same result. */
function loop(turn: TurnState): Trouble | null {
  const calls = turn.steps
    .filter(({ status }) => status !== 'abandoned')
    .flatMap(({ blocks, results }) =>
      blocks.flatMap(({ tool, text }) => {
        const result = tool && results[tool.callId];
        // The notice that it is a repetition stands behind the result.
        return result
          ? [{ name: tool.name, call: `${tool.name} ${text}`, result: result.text.split('\n\n(This is', 1)[0] }]
          : [];
      }),
    );
  const last = calls.at(-1);
  const other = calls.findLastIndex(({ call, result }) => call !== last?.call || result !== last.result);
  const times = calls.length - 1 - other;
  if (!last || times < repeatedCalls) return null;
  return { kind: 'loop', words: `The model has called ${last.name} ${times} times in a row, with the same result.` };
}

const isCounted = ({ usage, purpose, status }: StepState): boolean =>
  usage !== undefined && !purpose && status === 'ended';

function promptOf(step: StepState | undefined): number {
  const usage = step?.usage;
  return usage ? usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens : 0;
}

const ratio = (step: StepState): number => (step.usage?.cacheReadTokens ?? 0) / Math.max(1, promptOf(step));

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
