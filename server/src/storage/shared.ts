import type { Logger } from 'pino';
import { MemoryCache } from './memory/memory-cache.ts';
import { MemoryFanout } from './memory/memory-fanout.ts';
import { MemoryRateLimiter } from './memory/memory-rate-limiter.ts';
import type { Cache } from './ports/cache.ts';
import type { Fanout } from './ports/fanout.ts';
import type { RateLimiter } from './ports/rate-limiter.ts';

/** Services that the nodes of a team share in addition to the store. Losing their data does no harm. */
export interface Shared extends AsyncDisposable {
  readonly limiter: RateLimiter;
  readonly cache: Cache;
  readonly fanout: Fanout;
}

/** Opens the shared services: in Redis if a URL is given, otherwise in this process. */
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
  const [redis, subscriber] = await Promise.all([
    RedisConnection.open(redisUrl, logger),
    // The other connection already logs when Redis is unavailable.
    RedisConnection.open(redisUrl, logger.child({}, { level: 'silent' })),
  ]);
  const fanout = new RedisFanout(redis, subscriber);
  return {
    limiter: new RedisRateLimiter(redis, limiter),
    cache: new RedisCache(redis),
    fanout,
    async [Symbol.asyncDispose]() {
      fanout[Symbol.dispose]();
      await Promise.all([redis[Symbol.asyncDispose](), subscriber[Symbol.asyncDispose]()]);
    },
  };
}

/** Checks the shared services for `devlm doctor`. Returns null if this process has no Redis to check. */
export async function examineShared(redisUrl: string | undefined): Promise<{ ok: boolean; detail: string } | null> {
  if (redisUrl === undefined) return null;
  const { examineRedis } = await import('./redis/examine.ts');
  return examineRedis(redisUrl);
}
