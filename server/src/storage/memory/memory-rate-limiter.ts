import type { Bucket, RateLimiter, TakeResult } from '../ports/rate-limiter.ts';
import { intervalOf, toTakeResult } from '../token-bucket.ts';

/** Options of `MemoryRateLimiter`. */
export interface MemoryRateLimiterOptions {
  /** Maximum number of buckets kept. The least recently used are dropped and count as full. Default: 10,000. */
  readonly maxKeys?: number;
  /** Monotonic clock, in milliseconds. Default: `performance.now`. */
  readonly now?: () => number;
}

/** Buckets in this process. A bucket is one number: the time at which it is full (the generic cell rate algorithm). */
export class MemoryRateLimiter implements RateLimiter {
  /** Time at which each bucket is full, in microseconds of the clock; the least recently used bucket comes first. */
  readonly #fullAt = new Map<string, number>();
  readonly #maxKeys: number;
  readonly #now: () => number;

  constructor({ maxKeys = 10_000, now = () => performance.now() }: MemoryRateLimiterOptions = {}) {
    this.#maxKeys = maxKeys;
    this.#now = now;
  }

  /** Number of buckets kept. */
  get size(): number {
    return this.#fullAt.size;
  }

  async take(buckets: readonly Bucket[]): Promise<TakeResult> {
    const nowUs = Math.floor(this.#now() * 1000);
    let waitUs = 0;
    for (const bucket of buckets) {
      const allowed = (bucket.burst - 1) * intervalOf(bucket);
      waitUs = Math.max(waitUs, this.#timeToFull(bucket, nowUs) - allowed);
    }
    if (waitUs === 0) for (const bucket of buckets) this.#set(bucket, nowUs);
    const [first] = buckets;
    return toTakeResult(waitUs, first ? this.#timeToFull(first, nowUs) : 0, first);
  }

  /** Returns the time until the bucket is full, in microseconds. */
  #timeToFull({ key }: Bucket, now: number): number {
    return Math.max(0, (this.#fullAt.get(key) ?? now) - now);
  }

  #set(bucket: Bucket, now: number): void {
    const fullAt = now + this.#timeToFull(bucket, now) + intervalOf(bucket);
    this.#fullAt.delete(bucket.key);
    this.#fullAt.set(bucket.key, fullAt);
    if (this.#fullAt.size <= this.#maxKeys) return;
    for (const oldest of this.#fullAt.keys()) {
      this.#fullAt.delete(oldest);
      break;
    }
  }
}
