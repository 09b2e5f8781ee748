import type { Result } from 'ioredis';
import * as z from 'zod';
import type { Bucket, RateLimiter, Taken } from '../ports/rate-limiter.ts';
import { intervalOf, taken } from '../token-bucket.ts';
import type { RedisConnection } from './connection.ts';

/**
 * As `MemoryRateLimiter`, in one step of Redis and by its clock, which all nodes share. A bucket that would be full
 * later than it can be was written before the clock was set back: it is empty, no worse.
 */
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local missing, wait = {}, 0
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local full_at = tonumber(redis.call('GET', key)) or now
  missing[i] = math.min(math.max(0, full_at - now), burst * interval)
  wait = math.max(wait, missing[i] - (burst - 1) * interval)
end
if wait == 0 then
  for i, key in ipairs(KEYS) do
    missing[i] = missing[i] + tonumber(ARGV[2 * i - 1])
    redis.call('SET', key, string.format('%.0f', now + missing[i]), 'PX', math.ceil(missing[i] / 1000))
  end
end
return {wait, missing[1]}
`;

declare module 'ioredis' {
  interface RedisCommander<Context> {
    takeTokens(keys: number, ...keysAndArguments: (string | number)[]): Result<unknown, Context>;
  }
}

/** Microseconds: until there is a token in each, and in which the first would fill up. */
const Reply = z.tuple([z.int(), z.int()]);

/** Buckets that all nodes share, each a key that ends when it would be full. Without Redis those of this node count. */
export class RedisRateLimiter implements RateLimiter {
  readonly #redis: RedisConnection;
  readonly #local: RateLimiter;

  /** @param local counts while Redis is away, with the same numbers */
  constructor(redis: RedisConnection, local: RateLimiter) {
    this.#redis = redis;
    this.#local = local;
    redis.define('takeTokens', script);
  }

  async take(buckets: readonly Bucket[]): Promise<Taken> {
    const keys = buckets.map(({ key }) => `limit:${key}`);
    const numbers = buckets.flatMap((bucket) => [intervalOf(bucket), bucket.burst]);
    const reply = Reply.safeParse(
      await this.#redis.ask((client) => client.takeTokens(keys.length, ...keys, ...numbers)),
    );
    return reply.success ? taken(reply.data[0], reply.data[1], buckets[0]) : this.#local.take(buckets);
  }
}
