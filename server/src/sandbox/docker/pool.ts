import type { Logger } from 'pino';
import { EngineError } from './client.ts';
import type { Container } from './container.ts';
import type { ContainerSpec } from './container-options.ts';

export interface PoolOptions {
  /** Kept for each kind of container in use, at least and at most. */
  readonly min: number;
  readonly max: number;
  readonly start: (spec: ContainerSpec) => Promise<Container>;
  readonly logger: Logger;
}

/** What waits is replaced after this long: well before the engine's other users may take it for left over. */
const maxAgeMs = 10 * 60_000;
/** A kind that nobody asked for in this long keeps no more than the least. */
const demandMs = 5 * 60_000;
/** A kind that nobody asked for in this long is forgotten. */
const forgetMs = 30 * 60_000;
const maxKinds = 64;
const tickMs = 5_000;
/** Starting one costs most of a processor for 0.2 s; jobs that run come first. */
const startsAtOnce = { idle: 2, busy: 1 };
/** After a failed start: 1 s, doubled up to this. */
const maxBackoffMs = 60_000;

interface Kind {
  readonly spec: ContainerSpec;
  readonly waiting: Container[];
  /** Jobs that wait for one that is being started; null tells them that it failed. */
  readonly claims: ((container: Container | null) => void)[];
  starting: number;
  inUse: number;
  /** The most that were in use at one time, of late. */
  peak: number;
  uses: number;
  usedAt: number;
}

/** Started containers, each for one program. Refilled in the background, by what was asked for of late. */
export class WarmPool {
  readonly #options: PoolOptions;
  /** The one that was used last comes last. */
  readonly #kinds = new Map<string, Kind>();
  readonly #starts = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #inUse = 0;
  #failures = 0;
  #notBefore = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), tickMs).unref();
  }

  /** How many wait. */
  get size(): number {
    return [...this.#kinds.values()].reduce((sum, kind) => sum + kind.waiting.length, 0);
  }

  /**
   * One that waits; else the next of those that are being started, which is sooner there than another
   * would be; else null. In any case, say `release` when the job has ended.
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

  release(spec: ContainerSpec): void {
    this.#inUse--;
    const kind = this.#kinds.get(spec.key);
    if (kind) kind.inUse--;
    this.#fill();
  }

  /** The engine was away and answers again. */
  wake(): void {
    if (this.#notBefore === 0) return;
    this.#failures = 0;
    this.#notBefore = 0;
    this.#fill();
  }

  /** Removes what waits and waits for what is being started. */
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
      for (const container of kind.waiting.slice(this.#wanted(kind))) this.#drop(kind, container);
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

  #wanted(kind: Kind): number {
    const { min, max } = this.#options;
    // One more than ran at one time, so that the next finds one while that of the last is replaced.
    const asked = kind.peak === 0 ? 0 : kind.peak + 1;
    return Math.min(max, Math.max(min, asked));
  }

  #fill(): void {
    if (this.#closed || performance.now() < this.#notBefore) return;
    // The kind that was used last first.
    for (const kind of [...this.#kinds.values()].reverse()) {
      while (kind.waiting.length + kind.starting < this.#wanted(kind)) {
        if (this.#starts.size >= (this.#inUse > 0 ? startsAtOnce.busy : startsAtOnce.idle)) return;
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
        container.hear = (stream) => {
          // It died while it waited, or said something: in neither case is it good for a program.
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
      // It failed, or the pool closes: whoever counted on it starts one of their own.
      while (kind.claims.length > kind.starting) kind.claims.shift()?.(null);
      this.#starts.delete(started);
      this.#fill();
    });
    this.#starts.add(started);
  }
}
