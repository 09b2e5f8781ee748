import type { Result } from 'ioredis';
import * as z from 'zod';
import type { Bucket, RateLimiter, TakeResult } from '../ports/rate-limiter.ts';
import { intervalOf, toTakeResult } from '../token-bucket.ts';
import type { RedisConnection } from './connection.ts';

/**
 * The algorithm of `MemoryRateLimiter` as one step of Redis, by the clock of Redis, which all nodes share. If the clock
 * was set back, a bucket may be marked full later than possible; it then counts as empty.
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

/** Reply of the script, in microseconds: time until each bucket has a token, and time until the first bucket is full. */
const Reply = z.tuple([z.int(), z.int()]);

/** Buckets that all nodes share. Each key expires when its bucket is full. Without Redis, each node has its own buckets. */
export class RedisRateLimiter implements RateLimiter {
  readonly #redis: RedisConnection;
  readonly #local: RateLimiter;

  /**
   * @param redis connection to the shared buckets
   * @param local limiter with the same limits that is used while Redis is unavailable
   */
  constructor(redis: RedisConnection, local: RateLimiter) {
    this.#redis = redis;
    this.#local = local;
    redis.define('takeTokens', script);
  }

  async take(buckets: readonly Bucket[]): Promise<TakeResult> {
    const keys = buckets.map(({ key }) => `limit:${key}`);
    const numbers = buckets.flatMap((bucket) => [intervalOf(bucket), bucket.burst]);
    const reply = Reply.safeParse(
      await this.#redis.ask((client) => client.takeTokens(keys.length, ...keys, ...numbers)),
    );
    return reply.success ? toTakeResult(reply.data[0], reply.data[1], buckets[0]) : this.#local.take(buckets);
  }
}
