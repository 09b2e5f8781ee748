/**
 * Token bucket: holds at most `burst` tokens, starts full and gains `rate` tokens per second. A request takes one token.
 * So in any T seconds at most `rate * T + burst` requests pass: "10/s with a burst of 5" admits 5 at once, then one every
 * 100 ms, and 15 in the first second.
 */
export interface RateLimit {
  /** Tokens per second, above 0 and at most 1,000,000. */
  readonly rate: number;
  /** Maximum number of tokens in the bucket, at least 1. */
  readonly burst: number;
}

/** A bucket and its limit. */
export interface Bucket extends RateLimit {
  /** Identifies the bucket on all nodes that share the limiter. */
  readonly key: string;
}

/** Result of `RateLimiter.take`. */
export interface TakeResult {
  /** Time until each bucket has a token, in milliseconds; 0: each had one, and it was taken. */
  readonly waitMs: number;
  /** Number of whole tokens left in the first bucket. */
  readonly left: number;
  /** Time until the first bucket is full, in milliseconds. */
  readonly fullMs: number;
}

/** Limits the rate of requests. Implementations pass `test/contract/rate-limiter.test.ts`. */
export interface RateLimiter {
  /** Takes a token from each bucket, or from none if one is empty: a refused request costs nothing. Never rejects. */
  take(buckets: readonly Bucket[]): Promise<TakeResult>;
}
