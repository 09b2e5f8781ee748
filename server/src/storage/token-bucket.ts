import type { Bucket, RateLimit, TakeResult } from './ports/rate-limiter.ts';

/** Returns the time in which a bucket gains a token, in microseconds, the unit that the limiters count in. */
export function intervalOf({ rate }: RateLimit): number {
  return Math.max(1, Math.round(1_000_000 / rate));
}

/**
 * Converts times of the limiters to a result.
 * @param waitUs time until each bucket has a token, in microseconds; 0 or less: the tokens were taken
 * @param missingUs time until the first bucket is full, in microseconds
 */
export function toTakeResult(waitUs: number, missingUs: number, first: Bucket | undefined): TakeResult {
  const interval = first ? intervalOf(first) : 1;
  return {
    waitMs: Math.max(0, waitUs) / 1000,
    left: Math.max(0, Math.floor((first?.burst ?? 0) - missingUs / interval)),
    fullMs: missingUs / 1000,
  };
}
