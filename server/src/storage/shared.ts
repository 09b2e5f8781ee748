import type { Logger } from 'pino';
import { MemoryCache } from './memory/memory-cache.ts';
import { MemoryFanout } from './memory/memory-fanout.ts';
import { MemoryRateLimiter } from './memory/memory-rate-limiter.ts';
import type { Cache } from './ports/cache.ts';
import type { Fanout } from './ports/fanout.ts';
import type { RateLimiter } from './ports/rate-limiter.ts';

/** What the nodes of a team share beside the store, and can lose without harm. */
export interface Shared extends AsyncDisposable {
  readonly limiter: RateLimiter;
  readonly cache: Cache;
  readonly fanout: Fanout;
}

/** In Redis where there is one, else in this process. */
export async function openShared(redisUrl: string | undefined, logger: Logger): Promise<Shared> {
  const limiter = new MemoryRateLimiter();
  if (redisUrl === undefined)
    return {
      limiter,
      cache: new MemoryCache(),
      fanout: new MemoryFanout(),
      [Symbol.asyncDispose]: async () => undefined,
    };
  const [{ RedisConnection }, { RedisRateLimiter }, { RedisCache }, { RedisFanout }] = await Promise.all([
    import('./redis/connection.ts'),
    import('./redis/redis-rate-limiter.ts'),
    import('./redis/redis-cache.ts'),
    import('./redis/redis-fanout.ts'),
  ]);
  const [redis, listening] = await Promise.all([
    RedisConnection.open(redisUrl, logger),
    // One of the two says it when Redis is away.
    RedisConnection.open(redisUrl, logger.child({}, { level: 'silent' })),
  ]);
  const fanout = new RedisFanout(redis, listening);
  return {
    limiter: new RedisRateLimiter(redis, limiter),
    cache: new RedisCache(redis),
    fanout,
    async [Symbol.asyncDispose]() {
      fanout[Symbol.dispose]();
      await Promise.all([redis[Symbol.asyncDispose](), listening[Symbol.asyncDispose]()]);
    },
  };
}

/** What `devlm doctor` says about it. Null: this process needs nothing for it. */
export async function examineShared(redisUrl: string | undefined): Promise<{ ok: boolean; detail: string } | null> {
  if (redisUrl === undefined) return null;
  const { examineRedis } = await import('./redis/examine.ts');
  return examineRedis(redisUrl);
}
