import type { ProblemError } from '@devlm/protocol/problem.ts';
import { estimateTokens } from '@devlm/protocol/token-estimate.ts';
import { Affinity } from './affinity.ts';
import { type Aliases, modelsOf } from './aliases.ts';
import type { Instance, Lane } from './instance.ts';
import { allRest, nobodyServes } from './problems.ts';
import type { LeaseRequest } from './types.ts';

/** The candidates that a lane (a model at an instance) is chosen from. */
export interface Candidates {
  /** Instances that calls may go to. */
  readonly usable: readonly Instance[];
  readonly aliases: Aliases;
  /** Number of calls that wait for an instance. */
  readonly waiting: number;
}

/**
 * Maximum rest of a lane that a call waits for, in milliseconds. If it is longer, the caller is told when to try again.
 */
const maxRestWaitMs = 2_000;
/**
 * Number of prompt bytes that count as one millisecond. The value of a cached prompt is expressed as time, because it
 * is read faster and at a tenth of the price.
 */
const bytesPerMs = 200;
/** Fixed part of the value of a cached prompt, in milliseconds. */
const cacheBonusMs = 300;
/** Share of a cached prompt that is counted towards a rate limit. Providers count next to nothing. */
const cachedShare = 0.1;
/** Assumed time to the first token while no lane has been measured, in milliseconds. */
const defaultFirstTokenMs = 1_000;

/** Maximum number of lanes that one call tries. */
const maxTries = 16;

/** The chosen lane, or the time to wait for one in milliseconds, or the reason why there is none. */
type Choice = { readonly lane: Lane } | { readonly waitMs: number } | { readonly problem: ProblemError };

/** Chooses the lane that is expected to answer a call first. */
export class LaneChooser {
  readonly #candidates: Candidates;
  readonly #affinity = new Affinity();

  constructor(candidates: Candidates) {
    this.#candidates = candidates;
  }

  /**
   * Chooses the lane that a call goes to. Otherwise returns how long to wait for a lane, or why there is none.
   *
   * @param tried lanes at which the call has already failed
   */
  choose(request: LeaseRequest, tried: ReadonlySet<Lane>): Choice {
    const groups = this.#groups(request);
    const all = groups.flat();
    if (all.length === 0)
      return {
        problem: nobodyServes(this.#candidates.usable.some((instance) => !instance.draining) ? request.model : null),
      };
    // If there is only one lane, the call is made in any case: the provider's own answer is the most accurate one.
    const isOnlyLane = all.length === 1;
    const now = performance.now();
    const rests = new Map(
      all.map((lane) => [lane, isOnlyLane ? 0 : lane.waitMs(this.tokens(request, lane, now), now)]),
    );
    const restOf = (lane: Lane) => rests.get(lane) ?? 0;
    for (const lanes of groups) {
      const possible = lanes.filter((lane) => !tried.has(lane) && restOf(lane) <= maxRestWaitMs);
      const best = this.#fastest(possible, request, restOf, now);
      if (!best) continue;
      if (!best.instance.hasRoom(request.priority)) return { waitMs: Number.POSITIVE_INFINITY };
      return restOf(best) === 0 ? { lane: best } : { waitMs: restOf(best) };
    }
    return { problem: allRest(all, restOf) };
  }

  /** Returns the estimated number of tokens that a call takes from a lane's rate limits. */
  tokens({ promptBytes, conversation }: LeaseRequest, { instance }: Lane, now: number): number {
    const cached = this.#affinity.of(conversation, now) === instance.id;
    return estimateTokens(cached ? promptBytes * cachedShare : promptBytes);
  }

  /** Remembers that a call went to a lane. */
  chosen({ conversation }: LeaseRequest, { instance }: Lane, now: number): void {
    this.#affinity.keep(conversation, instance.id, now);
  }

  /** Returns whether a call that failed at the tried lanes could be made at another lane, at once or soon. */
  hasOther(request: LeaseRequest, tried: ReadonlySet<Lane>): boolean {
    if (tried.size >= maxTries) return false;
    const now = performance.now();
    return this.#groups(request).some((lanes) =>
      lanes.some((lane) => !tried.has(lane) && lane.waitMs(this.tokens(request, lane, now), now) <= maxRestWaitMs),
    );
  }

  /** Returns the number of lanes that could take a call, whatever their health. */
  places(request: LeaseRequest): number {
    return this.#groups(request).flat().length;
  }

  /** The lanes of each model that the call may be made with, the preferred model first. */
  #groups({ model, counting = false }: LeaseRequest): Lane[][] {
    return modelsOf(model, this.#candidates.aliases).map((name) => {
      const serving = this.#candidates.usable.filter((instance) => !instance.draining && instance.serves(name));
      const counts = counting ? serving.filter(({ options }) => options.countsTokens !== false) : serving;
      // If no instance counts tokens, call one anyway: its own error is the most accurate answer.
      return (counts.length > 0 ? counts : serving).map((instance) => instance.lane(name));
    });
  }

  /** Returns the lane with the shortest expected time to answer, with the value of a prompt cache subtracted. */
  #fastest(
    lanes: readonly Lane[],
    request: LeaseRequest,
    restOf: (lane: Lane) => number,
    now: number,
  ): Lane | undefined {
    if (lanes.length < 2) return lanes[0];
    const measured = lanes.flatMap(({ firstMs }) => firstMs ?? []);
    const mean =
      measured.length > 0 ? measured.reduce((sum, ms) => sum + ms, 0) / measured.length : defaultFirstTokenMs;
    const holder = this.#affinity.of(request.conversation, now);
    const cacheValueMs = cacheBonusMs + request.promptBytes / bytesPerMs;
    const expectedMs = (lane: Lane) => {
      const { instance } = lane;
      const queuedMs = instance.hasRoom(request.priority) ? 0 : instance.freeInMs * (this.#candidates.waiting + 1);
      const answerMs = lane.expectedMs(mean, now) * (1 + instance.load);
      return restOf(lane) + queuedMs + answerMs - (instance.id === holder ? cacheValueMs : 0);
    };
    let best: { lane: Lane; ms: number } | undefined;
    for (const lane of lanes) {
      const ms = expectedMs(lane);
      if (!best || ms < best.ms || (ms === best.ms && lane.usedAt < best.lane.usedAt)) best = { lane, ms };
    }
    return best?.lane;
  }
}
