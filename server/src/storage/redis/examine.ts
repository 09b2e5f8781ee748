import pino from 'pino';
import { RedisConnection } from './connection.ts';

/** Checks for `devlm doctor` that Redis is reachable and can evict entries when it is full. */
export async function examineRedis(url: string): Promise<{ readonly ok: boolean; readonly detail: string }> {
  await using redis = await RedisConnection.open(url, pino({ level: 'silent' }));
  // The URL without the password.
  const address = url.replace(/^[^/]*\/\/(.*@)?/, '').replace(/\/.*$/, '');
  const memory = await redis.ask((client) => client.info('memory'));
  if (memory === undefined) {
    const detail = `Cannot connect to Redis at ${address}. Until it is available, each node applies rate limits on its own and caches nothing.`;
    return { ok: false, detail };
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'unknown';
  const hasMemoryLimit = /^maxmemory:[1-9]/m.test(memory);
  if (!hasMemoryLimit)
    return { ok: true, detail: `${address} is available; maxmemory is not set, so Redis can use all memory` };
  if (policy !== 'noeviction') return { ok: true, detail: `${address} is available; maxmemory-policy ${policy}` };
  const detail = `${address} is available, but rejects writes when its memory is full (maxmemory-policy noeviction). Set maxmemory-policy to allkeys-lru.`;
  return { ok: false, detail };
}
