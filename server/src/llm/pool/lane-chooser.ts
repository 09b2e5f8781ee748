import type { ProblemError } from '@devlm/protocol/problem.ts';
import { estimateRequestTokens } from '../prompt-size.ts';
import { Affinity } from './affinity.ts';
import { type Aliases, modelsOf } from './aliases.ts';
import type { Instance, Lane } from './instance.ts';
import { allRest, nobodyServes } from './problems.ts';
import type { Wanted } from './types.ts';

/** What a lane is chosen from. */
export interface Candidates {
  /** Instances that calls may go to. */
  readonly usable: readonly Instance[];
  readonly aliases: Aliases;
  /** Calls that wait for an instance. */
  readonly waiting: number;
}

/** A rest that is no longer than this is waited for; beyond it the caller is told when to come again. Milliseconds. */
const patienceMs = 2_000;
/** What reading a prompt again costs, as time: a cached one is read faster, and at a tenth of the price. */
const bytesPerMs = 200;
const keptCacheMs = 300;
/** Share of a cached prompt that counts towards a limit: next to nothing. */
const cachedShare = 0.1;
/** Milliseconds that a first token is taken to need where nobody has measured. */
const firstGuessMs = 1_000;

/** Places that one call tries. */
const maxTries = 16;

type Choice = { readonly lane: Lane } | { readonly waitMs: number } | { readonly problem: ProblemError };

/** Chooses the lane that will answer a call first. */
export class LaneChooser {
  readonly #candidates: Candidates;
  readonly #affinity = new Affinity();

  constructor(candidates: Candidates) {
    this.#candidates = candidates;
  }

  /** Chooses the lane that a call goes to; or says how long it has to wait for one, or why there is none. */
  choose(wanted: Wanted, tried: ReadonlySet<Lane>): Choice {
    const groups = this.#groups(wanted);
    const all = groups.flat();
    if (all.length === 0)
      return { problem: nobodyServes(this.#candidates.usable.some((one) => !one.draining) ? wanted.model : null) };
    // A call that has nowhere else to go is made: the provider's own answer is the best there is.
    const alone = all.length === 1;
    const now = performance.now();
    const rests = new Map(all.map((lane) => [lane, alone ? 0 : lane.waitMs(this.tokens(wanted, lane, now), now)]));
    const restOf = (lane: Lane) => rests.get(lane) ?? 0;
    for (const lanes of groups) {
      const possible = lanes.filter((lane) => !tried.has(lane) && restOf(lane) <= patienceMs);
      const best = this.#first(possible, wanted, restOf, now);
      if (!best) continue;
      if (!best.instance.hasRoom(wanted.priority)) return { waitMs: Number.POSITIVE_INFINITY };
      return restOf(best) === 0 ? { lane: best } : { waitMs: restOf(best) };
    }
    return { problem: allRest(all, restOf) };
  }

  /** Returns how many tokens of a lane's limits a call is estimated to take. */
  tokens({ promptBytes, conversation }: Wanted, { instance }: Lane, now: number): number {
    const cached = this.#affinity.of(conversation, now) === instance.id;
    return estimateRequestTokens(promptBytes, cached ? cachedShare : 1);
  }

  /** Remembers that a call went to a lane. */
  chosen({ conversation }: Wanted, { instance }: Lane, now: number): void {
    this.#affinity.keep(conversation, instance.id, now);
  }

  /** Whether a call that failed at these lanes could be made elsewhere, at once or soon. */
  hasOther(wanted: Wanted, tried: ReadonlySet<Lane>): boolean {
    if (tried.size >= maxTries) return false;
    const now = performance.now();
    return this.#groups(wanted).some((lanes) =>
      lanes.some((lane) => !tried.has(lane) && lane.waitMs(this.tokens(wanted, lane, now), now) <= patienceMs),
    );
  }

  /** How many places a call could go to, well or not. */
  places(wanted: Wanted): number {
    return this.#groups(wanted).flat().length;
  }

  /** The lanes of each model that the call may be made with, the preferred model first. */
  #groups({ model, counting = false }: Wanted): Lane[][] {
    return modelsOf(model, this.#candidates.aliases).map((name) => {
      const serving = this.#candidates.usable.filter((one) => !one.draining && one.serves(name));
      const counts = counting ? serving.filter(({ options }) => options.countsTokens !== false) : serving;
      // Where nobody counts, the provider's own word for that is the best there is.
      return (counts.length > 0 ? counts : serving).map((one) => one.lane(name));
    });
  }

  /** The lane that will answer first, with the worth of a prompt cache taken for time. */
  #first(lanes: readonly Lane[], wanted: Wanted, restOf: (lane: Lane) => number, now: number): Lane | undefined {
    if (lanes.length < 2) return lanes[0];
    const measured = lanes.flatMap(({ firstMs }) => firstMs ?? []);
    const mean = measured.length > 0 ? measured.reduce((sum, one) => sum + one, 0) / measured.length : firstGuessMs;
    const holder = this.#affinity.of(wanted.conversation, now);
    const worth = keptCacheMs + wanted.promptBytes / bytesPerMs;
    const expected = (lane: Lane) => {
      const { instance } = lane;
      const queued = instance.hasRoom(wanted.priority) ? 0 : instance.freeInMs * (this.#candidates.waiting + 1);
      const answer = lane.expectedMs(mean, now) * (1 + instance.load);
      return restOf(lane) + queued + answer - (instance.id === holder ? worth : 0);
    };
    let best: { lane: Lane; ms: number } | undefined;
    for (const lane of lanes) {
      const ms = expected(lane);
      if (!best || ms < best.ms || (ms === best.ms && lane.usedAt < best.lane.usedAt)) best = { lane, ms };
    }
    return best?.lane;
  }
}
