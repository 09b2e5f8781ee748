import { type Aliases, defaultAliases, modelsOf } from './aliases.ts';
import type { Instance, Lane } from './instance.ts';
import { InstanceLease } from './instance-lease.ts';
import { type Candidates, LaneChooser } from './lane-chooser.ts';
import { busy } from './problems.ts';
import type { LeaseRequest, Priority } from './types.ts';
import { WaitingLine } from './waiting.ts';

/** Options of a pool. */
export interface PoolOptions {
  /** Aliases in addition to `defaultAliases`. */
  readonly aliases?: Aliases;
  /** Maximum number of calls that wait for an instance. Default: 1000. */
  readonly waiting?: number;
  /** Maximum time to wait for a busy instance, in milliseconds. Default: 60,000. */
  readonly waitMs?: number;
}

/** A call that waits for an instance. */
interface WaitingCall {
  readonly request: LeaseRequest;
  readonly tried: ReadonlySet<Lane>;
  readonly priority: Priority;
  readonly caller: string;
  readonly settled: PromiseWithResolvers<InstanceLease>;
}

/** The instances that calls go to, and the calls that wait for one. */
export class Pool implements Candidates {
  readonly #options: PoolOptions;
  readonly aliases: Aliases;
  readonly #instances = new Map<string, Instance>();
  readonly #line: WaitingLine<WaitingCall>;
  readonly #chooser: LaneChooser;
  #timer: NodeJS.Timeout | undefined;
  /** Number of changes to the instances so far. */
  generation = 0;

  constructor(options: PoolOptions = {}) {
    this.#options = options;
    this.aliases = { ...defaultAliases, ...options.aliases };
    this.#line = new WaitingLine(options.waiting ?? 1_000);
    this.#chooser = new LaneChooser(this);
  }

  /** All instances. */
  get instances(): readonly Instance[] {
    return [...this.#instances.values()];
  }

  /** The instances that calls may go to; all of them if none is usable. */
  get usable(): readonly Instance[] {
    const usable = this.instances.filter((instance) => instance.usable);
    return usable.length > 0 ? usable : this.instances;
  }

  /** Number of calls that wait for an instance. */
  get waiting(): number {
    return this.#line.size;
  }

  /** Returns the models that a name stands for, in order of preference. */
  modelsOf(name: string): readonly string[] {
    return modelsOf(name, this.aliases).filter((model) => model !== null);
  }

  /** Adds an instance, or replaces the one with the same id. Calls under way continue. */
  put(instance: Instance): void {
    this.#instances.set(instance.id, instance);
    this.changed();
  }

  /** Removes an instance. Calls under way continue. */
  remove(id: string): void {
    this.#instances.delete(id);
    this.changed();
  }

  /** Records that an instance has changed, and serves waiting calls again. */
  changed(): void {
    this.generation++;
    this.#serve();
  }

  /**
   * Waits for a place at the instance that is expected to answer first.
   *
   * @param tried lanes at which this call has failed
   * @throws ProblemError `missing_key`, `bad_key`, `model_not_found`, `rate_limited`, `overloaded`, `offline`; the
   *   signal's reason
   */
  async lease(
    request: LeaseRequest,
    signal: AbortSignal,
    tried: ReadonlySet<Lane> = new Set(),
  ): Promise<InstanceLease> {
    signal.throwIfAborted();
    if (this.#line.size === 0) {
      const choice = this.#chooser.choose(request, tried);
      if ('problem' in choice) throw choice.problem;
      if ('lane' in choice) return this.#leaseOf(request, choice.lane);
    }
    const { priority, caller } = request;
    const entry: WaitingCall = { request, tried, priority, caller, settled: Promise.withResolvers() };
    if (!this.#line.add(entry)) throw busy('Too many calls are waiting for an instance.');
    this.#serve(entry);
    const onAbort = () => this.#settle(entry, () => entry.settled.reject(signal.reason));
    const onTimeout = () =>
      this.#settle(entry, () => entry.settled.reject(busy('All instances were busy for too long.')));
    const timer = setTimeout(onTimeout, this.#options.waitMs ?? 60_000);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const lease = await entry.settled.promise;
      // The lease may have been granted just after the caller had left.
      if (signal.aborted) lease[Symbol.dispose]();
      signal.throwIfAborted();
      return lease;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Returns whether a call that failed at the tried lanes could be made at another lane, at once or soon. */
  hasOther(request: LeaseRequest, tried: ReadonlySet<Lane>): boolean {
    return this.#chooser.hasOther(request, tried);
  }

  /** Returns the number of lanes that could take a call, whatever their health. */
  places(request: LeaseRequest): number {
    return this.#chooser.places(request);
  }

  /**
   * Serves waiting calls while there is room. A new call is always considered, because it may have to be rejected even
   * when there is no room.
   */
  #serve(newcomer?: WaitingCall): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#line.size === 0) return;
    let wakeMs = Number.POSITIVE_INFINITY;
    let newcomerSeen = false;
    for (const entry of this.#line) {
      if (!this.#hasRoom()) break;
      newcomerSeen ||= entry === newcomer;
      wakeMs = Math.min(wakeMs, this.#tryServe(entry));
    }
    if (newcomer && !newcomerSeen) wakeMs = Math.min(wakeMs, this.#tryServe(newcomer));
    if (Number.isFinite(wakeMs)) this.#timer = setTimeout(() => this.#serve(), Math.max(1, Math.ceil(wakeMs)));
  }

  #hasRoom(): boolean {
    return this.instances.some((instance) => instance.hasRoom('person'));
  }

  /** Serves or rejects a waiting call if possible. Returns the time after which to look again, in milliseconds. */
  #tryServe(entry: WaitingCall): number {
    const choice = this.#chooser.choose(entry.request, entry.tried);
    if ('waitMs' in choice) return choice.waitMs;
    if ('problem' in choice) this.#settle(entry, () => entry.settled.reject(choice.problem));
    else this.#settle(entry, () => this.#grant(entry, choice.lane), true);
    return Number.POSITIVE_INFINITY;
  }

  /** Removes a call from the queue and settles its promise. */
  #settle(entry: WaitingCall, settle: () => void, served = false): void {
    this.#line.remove(entry, served);
    settle();
  }

  #grant({ request, settled }: WaitingCall, lane: Lane): void {
    try {
      settled.resolve(this.#leaseOf(request, lane));
    } catch (error) {
      settled.reject(error);
    }
  }

  /** @throws ProblemError `missing_key`, `bad_key` */
  #leaseOf(request: LeaseRequest, lane: Lane): InstanceLease {
    const now = performance.now();
    const tokens = this.#chooser.tokens(request, lane, now);
    const lease = new InstanceLease(lane, lane.instance.options.upstream(), request.priority, tokens, () =>
      this.#serve(),
    );
    this.#chooser.chosen(request, lane, now);
    return lease;
  }
}
