import type { Logger } from 'pino';
import { EngineError } from './client.ts';
import type { Container } from './container.ts';
import type { ContainerSpec } from './container-options.ts';

/** Options of a `WarmPool`. */
export interface ContainerPoolOptions {
  /** Minimum number of waiting containers for each kind in use. */
  readonly min: number;
  /** Maximum number of waiting containers for each kind in use. */
  readonly max: number;
  /** Starts a container of a kind. */
  readonly start: (spec: ContainerSpec) => Promise<Container>;
  readonly logger: Logger;
}

/** Age at which a waiting container is replaced, in milliseconds; well before its `expires` label. */
const maxAgeMs = 10 * 60_000;
/** Time without a request after which a kind keeps only the minimum number of containers, in milliseconds. */
const demandMs = 5 * 60_000;
/** Time without a request after which a kind is removed from the pool, in milliseconds. */
const forgetMs = 30 * 60_000;
/** Maximum number of kinds in the pool. */
const maxKinds = 64;
/** Interval at which the pool is checked, in milliseconds. */
const tickMs = 5_000;
/** Maximum number of concurrent starts. A start takes most of a processor for 0.2 s, and running jobs have priority. */
const maxConcurrentStarts = { idle: 2, busy: 1 };
/** Maximum delay after a failed start, in milliseconds. The delay starts at 1 s and doubles with each failure. */
const maxBackoffMs = 60_000;

/** State of one kind of container. */
interface Kind {
  readonly spec: ContainerSpec;
  readonly waiting: Container[];
  /** Callbacks of jobs that wait for a starting container. They receive null if the start failed. */
  readonly claims: ((container: Container | null) => void)[];
  /** Number of containers that are being started. */
  starting: number;
  /** Number of containers that run a program. */
  inUse: number;
  /** Maximum number of containers in use at one time since this number was last reset. */
  peak: number;
  uses: number;
  usedAt: number;
}

/** Pool of started containers, each for one program, which is refilled in the background according to recent demand. */
export class WarmPool {
  readonly #options: ContainerPoolOptions;
  /** Kinds by their key, in the order of their last use. */
  readonly #kinds = new Map<string, Kind>();
  readonly #starts = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #inUse = 0;
  #failures = 0;
  #notBefore = 0;
  #closed = false;

  constructor(options: ContainerPoolOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), tickMs).unref();
  }

  /** Number of waiting containers. */
  get size(): number {
    return [...this.#kinds.values()].reduce((sum, kind) => sum + kind.waiting.length, 0);
  }

  /**
   * Returns a waiting container, or else the next container that is being started, which is ready sooner than a new
   * one, or else null. In each case the caller must call `release` when the job has ended.
   */
  take(spec: ContainerSpec): Container | Promise<Container | null> | null {
    const fresh: Kind = { spec, waiting: [], claims: [], starting: 0, inUse: 0, peak: 0, uses: 0, usedAt: 0 };
    const kind = this.#kinds.get(spec.key) ?? fresh;
    this.#kinds.delete(spec.key);
    this.#kinds.set(spec.key, kind);
    const now = performance.now();
    if (now - kind.usedAt > demandMs) kind.peak = 0;
    kind.usedAt = now;
    kind.uses++;
    kind.inUse++;
    kind.peak = Math.max(kind.peak, kind.inUse);
    this.#inUse++;
    for (let container = kind.waiting.shift(); container; container = kind.waiting.shift()) {
      if (!container.closed) return container;
      container.remove();
    }
    if (kind.starting <= kind.claims.length) return null;
    const { promise, resolve } = Promise.withResolvers<Container | null>();
    kind.claims.push(resolve);
    return promise;
  }

  /** Records the end of a job and refills the pool. */
  release(spec: ContainerSpec): void {
    this.#inUse--;
    const kind = this.#kinds.get(spec.key);
    if (kind) kind.inUse--;
    this.#fill();
  }

  /** Ends the delay after failed starts, because the engine responds again. */
  wake(): void {
    if (this.#notBefore === 0) return;
    this.#failures = 0;
    this.#notBefore = 0;
    this.#fill();
  }

  /** Removes the waiting containers, and those being started once they have started. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#empty();
    await Promise.all(this.#starts);
    this.#empty();
  }

  #empty(): void {
    for (const kind of this.#kinds.values()) for (const container of kind.waiting.splice(0)) container.remove();
  }

  #tick(): void {
    const now = performance.now();
    for (const [key, kind] of this.#kinds) {
      for (const container of [...kind.waiting]) {
        if (container.closed || now - container.createdAt > maxAgeMs) this.#drop(kind, container);
      }
      if (now - kind.usedAt > demandMs) kind.peak = 0;
      for (const container of kind.waiting.slice(this.#targetSize(kind))) this.#drop(kind, container);
      const isOld = now - kind.usedAt > forgetMs || this.#kinds.size > maxKinds;
      if (isOld && kind.inUse === 0 && kind.starting === 0) {
        for (const container of [...kind.waiting]) this.#drop(kind, container);
        this.#kinds.delete(key);
      }
    }
    this.#fill();
  }

  #drop(kind: Kind, container: Container): void {
    const at = kind.waiting.indexOf(container);
    if (at >= 0) kind.waiting.splice(at, 1);
    container.remove();
  }

  #targetSize(kind: Kind): number {
    const { min, max } = this.#options;
    // One more than the peak, so that the next job finds a container while the last one is replaced.
    const demand = kind.peak === 0 ? 0 : kind.peak + 1;
    return Math.min(max, Math.max(min, demand));
  }

  #fill(): void {
    if (this.#closed || performance.now() < this.#notBefore) return;
    // The most recently used kind comes first.
    for (const kind of [...this.#kinds.values()].reverse()) {
      while (kind.waiting.length + kind.starting < this.#targetSize(kind)) {
        if (this.#starts.size >= (this.#inUse > 0 ? maxConcurrentStarts.busy : maxConcurrentStarts.idle)) return;
        this.#start(kind);
      }
    }
  }

  #start(kind: Kind): void {
    kind.starting++;
    const start = async () => {
      try {
        const container = await this.#options.start(kind.spec);
        this.#failures = 0;
        this.#notBefore = 0;
        if (this.#closed || this.#kinds.get(kind.spec.key) !== kind) return container.remove();
        const claim = kind.claims.shift();
        if (claim) return claim(container);
        kind.waiting.push(container);
        container.onOutput = (stream) => {
          // The container ended or printed something while it waited. In both cases it cannot run a program.
          this.#drop(kind, container);
          if (stream === null) this.#options.logger.debug({ image: kind.spec.image }, 'a warm container ended');
        };
      } catch (error) {
        const wait = Math.min(maxBackoffMs, 1_000 * 2 ** this.#failures++);
        this.#notBefore = performance.now() + wait;
        const message = error instanceof EngineError ? error.message : String(error);
        this.#options.logger.warn({ image: kind.spec.image, reason: message, wait }, 'no warm container');
      }
    };
    const started = start().finally(() => {
      kind.starting--;
      // The start failed or the pool is closing: the jobs that waited for it start their own containers.
      while (kind.claims.length > kind.starting) kind.claims.shift()?.(null);
      this.#starts.delete(started);
      this.#fill();
    });
    this.#starts.add(started);
  }
}
