import type { Bucket, RateLimit, Taken } from './ports/rate-limiter.ts';

/** Microseconds in which a bucket gains a token: what the limiters count in. */
export function intervalOf({ rate }: RateLimit): number {
  return Math.max(1, Math.round(1_000_000 / rate));
}

/**
 * @param waitUs until each bucket has a token; not above 0: they were taken
 * @param missingUs time in which the first bucket would fill up
 */
export function taken(waitUs: number, missingUs: number, first: Bucket | undefined): Taken {
  const interval = first ? intervalOf(first) : 1;
  return {
    waitMs: Math.max(0, waitUs) / 1000,
    left: Math.max(0, Math.floor((first?.burst ?? 0) - missingUs / interval)),
    fullMs: missingUs / 1000,
  };
}
