import type { Bucket, RateLimiter, Taken } from '../ports/rate-limiter.ts';
import { intervalOf, taken } from '../token-bucket.ts';

export interface MemoryRateLimiterOptions {
  /** Most buckets that are remembered; those used longest ago go first and are then full. Default 10,000. */
  readonly maxKeys?: number;
  /** A clock that never goes back, milliseconds. */
  readonly now?: () => number;
}

/** Buckets in this process. Each is one number: when it will be full (the generic cell rate algorithm). */
export class MemoryRateLimiter implements RateLimiter {
  /** Microseconds of the clock; the ones used longest ago first. */
  readonly #fullAt = new Map<string, number>();
  readonly #maxKeys: number;
  readonly #now: () => number;

  constructor({ maxKeys = 10_000, now = () => performance.now() }: MemoryRateLimiterOptions = {}) {
    this.#maxKeys = maxKeys;
    this.#now = now;
  }

  /** Buckets that are remembered. */
  get size(): number {
    return this.#fullAt.size;
  }

  async take(buckets: readonly Bucket[]): Promise<Taken> {
    const now = Math.floor(this.#now() * 1000);
    let wait = 0;
    for (const bucket of buckets) {
      const room = (bucket.burst - 1) * intervalOf(bucket);
      wait = Math.max(wait, this.#missing(bucket, now) - room);
    }
    if (wait === 0) for (const bucket of buckets) this.#set(bucket, now);
    const [first] = buckets;
    return taken(wait, first ? this.#missing(first, now) : 0, first);
  }

  /** Microseconds in which a bucket would fill up. */
  #missing({ key }: Bucket, now: number): number {
    return Math.max(0, (this.#fullAt.get(key) ?? now) - now);
  }

  #set(bucket: Bucket, now: number): void {
    const fullAt = now + this.#missing(bucket, now) + intervalOf(bucket);
    this.#fullAt.delete(bucket.key);
    this.#fullAt.set(bucket.key, fullAt);
    if (this.#fullAt.size <= this.#maxKeys) return;
    for (const oldest of this.#fullAt.keys()) {
      this.#fullAt.delete(oldest);
      break;
    }
  }
}
