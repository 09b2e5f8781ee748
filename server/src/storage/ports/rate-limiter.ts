/**
 * A token bucket: it holds at most `burst` tokens, begins full and gains `rate` tokens a second; a request takes one.
 * So in any T seconds at most `rate * T + burst` requests pass: "10/s with a burst of 5" lets 5 through at once, then
 * one each 100 ms, and 15 in the first second.
 */
export interface RateLimit {
  /** Tokens a second, above 0 and up to 1,000,000. */
  readonly rate: number;
  /** Most tokens that are saved up, at least 1. */
  readonly burst: number;
}

export interface Bucket extends RateLimit {
  /** The same key is the same bucket, on every node that shares the limiter. */
  readonly key: string;
}

/** What became of a request. */
export interface Taken {
  /** Milliseconds until each bucket has a token again; 0: each had one, and it is taken. */
  readonly waitMs: number;
  /** Whole tokens left in the first bucket. */
  readonly left: number;
  /** Milliseconds until the first bucket is full. */
  readonly fullMs: number;
}

/** Counts requests. Implementations pass `test/contract/rate-limiter.test.ts`. */
export interface RateLimiter {
  /** Takes a token of each bucket, or of none where one is empty: a refused request costs nothing. Never rejects. */
  take(buckets: readonly Bucket[]): Promise<Taken>;
}
