import type { ProblemError } from '@devlm/protocol/problem.ts';
import { modelProblem } from '../problems.ts';
import { estimateRequestTokens } from '../prompt-size.ts';
import { Affinity } from './affinity.ts';
import { type Aliases, defaultAliases, modelsOf } from './aliases.ts';
import type { Instance, Lane } from './instance.ts';
import { Lease } from './lease.ts';
import type { Failure, Priority, Wanted } from './types.ts';
import { WaitingLine } from './waiting.ts';

export interface PoolOptions {
  readonly aliases?: Aliases;
  /** Calls that may wait for an instance. Default 1000. */
  readonly waiting?: number;
  /** Longest wait for an instance that is busy. Milliseconds; default a minute. */
  readonly waitMs?: number;
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

interface Waiting {
  readonly wanted: Wanted;
  readonly tried: ReadonlySet<Lane>;
  readonly priority: Priority;
  readonly caller: string;
  readonly settled: PromiseWithResolvers<Lease>;
}

type Choice = { readonly lane: Lane } | { readonly waitMs: number } | { readonly problem: ProblemError };

/** The instances that calls go to, and who waits for one. */
export class Pool {
  readonly #options: PoolOptions;
  readonly aliases: Aliases;
  readonly #instances = new Map<string, Instance>();
  readonly #line: WaitingLine<Waiting>;
  readonly #affinity = new Affinity();
  #timer: NodeJS.Timeout | undefined;
  /** Changes with the instances. */
  generation = 0;

  constructor(options: PoolOptions = {}) {
    this.#options = options;
    this.aliases = { ...defaultAliases, ...options.aliases };
    this.#line = new WaitingLine(options.waiting ?? 1_000);
  }

  get instances(): readonly Instance[] {
    return [...this.#instances.values()];
  }

  /** Those that calls may go to. */
  get usable(): readonly Instance[] {
    const usable = this.instances.filter((instance) => instance.usable);
    return usable.length > 0 ? usable : this.instances;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /** The models that a name stands for, the preferred one first. */
  modelsOf(name: string): readonly string[] {
    return modelsOf(name, this.aliases).filter((model) => model !== null);
  }

  /** Adds an instance, or puts it in the place of the one of the same id. What is under way goes on. */
  put(instance: Instance): void {
    this.#instances.set(instance.id, instance);
    this.changed();
  }

  /** What is under way goes on. */
  remove(id: string): void {
    this.#instances.delete(id);
    this.changed();
  }

  /** Something about an instance is other than it was: who waits is looked after again. */
  changed(): void {
    this.generation++;
    this.#serve();
  }

  /**
   * Waits for a place at the instance that will answer first.
   *
   * @param tried lanes that have failed this call
   * @throws ProblemError `missing_key`, `bad_key`, `model_not_found`, `rate_limited`, `overloaded`, `offline`;
   *   the signal's reason
   */
  async lease(wanted: Wanted, signal: AbortSignal, tried: ReadonlySet<Lane> = new Set()): Promise<Lease> {
    signal.throwIfAborted();
    if (this.#line.size === 0) {
      const choice = this.#choose(wanted, tried);
      if ('problem' in choice) throw choice.problem;
      if ('lane' in choice) return this.#leaseOf(wanted, choice.lane);
    }
    const { priority, caller } = wanted;
    const entry: Waiting = { wanted, tried, priority, caller, settled: Promise.withResolvers() };
    if (!this.#line.add(entry)) throw busy('Too many calls wait for an instance already.');
    this.#serve(entry);
    const leave = () => this.#settle(entry, () => entry.settled.reject(signal.reason));
    const tooLong = () =>
      this.#settle(entry, () => entry.settled.reject(busy('All instances are busy, and stayed so for too long.')));
    const timer = setTimeout(tooLong, this.#options.waitMs ?? 60_000);
    signal.addEventListener('abort', leave, { once: true });
    try {
      const lease = await entry.settled.promise;
      // It may have been given in the moment in which nobody waited for it any more.
      if (signal.aborted) lease[Symbol.dispose]();
      signal.throwIfAborted();
      return lease;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
    }
  }

  /** Whether a call that failed at these lanes could be made elsewhere, at once or soon. */
  hasOther(wanted: Wanted, tried: ReadonlySet<Lane>): boolean {
    if (tried.size >= maxTries) return false;
    const now = performance.now();
    return this.#groups(wanted).some((lanes) =>
      lanes.some((lane) => !tried.has(lane) && lane.waitMs(this.#tokens(wanted, lane, now), now) <= patienceMs),
    );
  }

  /** How many places a call could go to, well or not. */
  places(wanted: Wanted): number {
    return this.#groups(wanted).flat().length;
  }

  /** Hands out what is free. A newcomer may have to be refused, also where nothing is. */
  #serve(newcomer?: Waiting): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#line.size === 0) return;
    let wakeMs = Number.POSITIVE_INFINITY;
    let looked = false;
    for (const entry of this.#line) {
      if (!this.#hasRoom()) break;
      looked ||= entry === newcomer;
      wakeMs = Math.min(wakeMs, this.#decide(entry));
    }
    if (newcomer && !looked) wakeMs = Math.min(wakeMs, this.#decide(newcomer));
    if (Number.isFinite(wakeMs)) this.#timer = setTimeout(() => this.#serve(), Math.max(1, Math.ceil(wakeMs)));
  }

  #hasRoom(): boolean {
    return this.instances.some((instance) => instance.hasRoom('person'));
  }

  /** Answers after how many milliseconds to look again. */
  #decide(entry: Waiting): number {
    const choice = this.#choose(entry.wanted, entry.tried);
    if ('waitMs' in choice) return choice.waitMs;
    if ('problem' in choice) this.#settle(entry, () => entry.settled.reject(choice.problem));
    else this.#settle(entry, () => this.#give(entry, choice.lane), true);
    return Number.POSITIVE_INFINITY;
  }

  #settle(entry: Waiting, settle: () => void, served = false): void {
    this.#line.remove(entry, served);
    settle();
  }

  #give({ wanted, settled }: Waiting, lane: Lane): void {
    try {
      settled.resolve(this.#leaseOf(wanted, lane));
    } catch (error) {
      settled.reject(error);
    }
  }

  /** @throws ProblemError `missing_key`, `bad_key` */
  #leaseOf(wanted: Wanted, lane: Lane): Lease {
    const now = performance.now();
    const tokens = this.#tokens(wanted, lane, now);
    const lease = new Lease(lane, lane.instance.options.upstream(), wanted.priority, tokens, () => this.#serve());
    this.#affinity.keep(wanted.conversation, lane.instance.id, now);
    return lease;
  }

  /** The lanes of each model that the call may be made with, the preferred model first. */
  #groups({ model, counting = false }: Wanted): Lane[][] {
    return modelsOf(model, this.aliases).map((name) => {
      const serving = this.usable.filter((one) => !one.draining && one.serves(name));
      const counts = counting ? serving.filter(({ options }) => options.countsTokens !== false) : serving;
      // Where nobody counts, the provider's own word for that is the best there is.
      return (counts.length > 0 ? counts : serving).map((one) => one.lane(name));
    });
  }

  #choose(wanted: Wanted, tried: ReadonlySet<Lane>): Choice {
    const groups = this.#groups(wanted);
    const all = groups.flat();
    if (all.length === 0)
      return { problem: nobodyServes(this.usable.some((one) => !one.draining) ? wanted.model : null) };
    // A call that has nowhere else to go is made: the provider's own answer is the best there is.
    const alone = all.length === 1;
    const now = performance.now();
    const rests = new Map(all.map((lane) => [lane, alone ? 0 : lane.waitMs(this.#tokens(wanted, lane, now), now)]));
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

  /** The lane that will answer first, with the worth of a prompt cache taken for time. */
  #first(lanes: readonly Lane[], wanted: Wanted, restOf: (lane: Lane) => number, now: number): Lane | undefined {
    if (lanes.length < 2) return lanes[0];
    const measured = lanes.flatMap(({ firstMs }) => firstMs ?? []);
    const mean = measured.length > 0 ? measured.reduce((sum, one) => sum + one, 0) / measured.length : firstGuessMs;
    const holder = this.#affinity.of(wanted.conversation, now);
    const worth = keptCacheMs + wanted.promptBytes / bytesPerMs;
    const expected = (lane: Lane) => {
      const { instance } = lane;
      const queued = instance.hasRoom(wanted.priority) ? 0 : instance.freeInMs * (this.#line.size + 1);
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

  #tokens({ promptBytes, conversation }: Wanted, { instance }: Lane, now: number): number {
    const cached = this.#affinity.of(conversation, now) === instance.id;
    return estimateRequestTokens(promptBytes, cached ? cachedShare : 1);
  }
}

const busy = (detail: string) => modelProblem('overloaded', `${detail} Try again soon.`, { retryAfterMs: 5_000 });

function nobodyServes(model: string | null): ProblemError {
  return model === null
    ? busy('No instance takes calls: all are being drained.')
    : modelProblem('model_not_found', `No instance serves the model ${model.slice(0, 200)}.`);
}

/** Says when to come again: what rests the shortest tells why. */
function allRest(lanes: readonly Lane[], restOf: (lane: Lane) => number): ProblemError {
  const soonest = lanes.reduce((best, lane) => (restOf(lane) < restOf(best) ? lane : best));
  const retryAfterMs = Math.max(1_000, restOf(soonest));
  const seconds = Math.ceil(retryAfterMs / 1000);
  const failure = soonest.breaker.last ?? 'limited';
  return modelProblem(codes[failure], `All instances ${whys[failure]}. Try again in ${seconds} s.`, { retryAfterMs });
}

const codes = {
  limited: 'rate_limited',
  overloaded: 'overloaded',
  failed: 'overloaded',
  unreachable: 'offline',
  stalled: 'offline',
  cut: 'offline',
  refused: 'overloaded',
} as const satisfies Record<Failure, string>;

const whys: Readonly<Record<Failure, string>> = {
  limited: 'have reached their rate limits',
  overloaded: 'are overloaded',
  failed: 'fail',
  unreachable: 'are out of reach',
  stalled: 'do not answer',
  cut: 'break off their answers',
  refused: 'refuse the call',
};
