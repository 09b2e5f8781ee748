import { type Aliases, defaultAliases, modelsOf } from './aliases.ts';
import type { Instance, Lane } from './instance.ts';
import { type Candidates, LaneChooser } from './lane-chooser.ts';
import { Lease } from './lease.ts';
import { busy } from './problems.ts';
import type { Priority, Wanted } from './types.ts';
import { WaitingLine } from './waiting.ts';

/** What a pool is opened with. */
export interface PoolOptions {
  readonly aliases?: Aliases;
  /** Calls that may wait for an instance. Default 1000. */
  readonly waiting?: number;
  /** Longest wait for an instance that is busy. Milliseconds; default a minute. */
  readonly waitMs?: number;
}

interface Waiting {
  readonly wanted: Wanted;
  readonly tried: ReadonlySet<Lane>;
  readonly priority: Priority;
  readonly caller: string;
  readonly settled: PromiseWithResolvers<Lease>;
}

/** The instances that calls go to, and who waits for one. */
export class Pool implements Candidates {
  readonly #options: PoolOptions;
  readonly aliases: Aliases;
  readonly #instances = new Map<string, Instance>();
  readonly #line: WaitingLine<Waiting>;
  readonly #chooser: LaneChooser;
  #timer: NodeJS.Timeout | undefined;
  /** Changes with the instances. */
  generation = 0;

  constructor(options: PoolOptions = {}) {
    this.#options = options;
    this.aliases = { ...defaultAliases, ...options.aliases };
    this.#line = new WaitingLine(options.waiting ?? 1_000);
    this.#chooser = new LaneChooser(this);
  }

  get instances(): readonly Instance[] {
    return [...this.#instances.values()];
  }

  /** Those that calls may go to. */
  get usable(): readonly Instance[] {
    const usable = this.instances.filter((instance) => instance.usable);
    return usable.length > 0 ? usable : this.instances;
  }

  /** Calls that wait for an instance. */
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
      const choice = this.#chooser.choose(wanted, tried);
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
    return this.#chooser.hasOther(wanted, tried);
  }

  /** How many places a call could go to, well or not. */
  places(wanted: Wanted): number {
    return this.#chooser.places(wanted);
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
    const choice = this.#chooser.choose(entry.wanted, entry.tried);
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
    const tokens = this.#chooser.tokens(wanted, lane, now);
    const lease = new Lease(lane, lane.instance.options.upstream(), wanted.priority, tokens, () => this.#serve());
    this.#chooser.chosen(wanted, lane, now);
    return lease;
  }
}
