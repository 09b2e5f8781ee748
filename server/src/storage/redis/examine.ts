import pino from 'pino';
import { RedisConnection } from './connection.ts';

/** Checks for `devlm doctor` that Redis is reachable and can evict entries when it is full. */
export async function examineRedis(url: string): Promise<{ readonly ok: boolean; readonly detail: string }> {
  await using redis = await RedisConnection.open(url, pino({ level: 'silent' }));
  // The URL without the password.
  const address = url.replace(/^[^/]*\/\/(.*@)?/, '').replace(/\/.*$/, '');
  const memory = await redis.ask((client) => client.info('memory'));
  if (memory === undefined) {
    const detail = `${address} does not answer as it should. Until it does, each node counts for itself and caches nothing.`;
    return { ok: false, detail };
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'unknown';
  const hasMemoryLimit = /^maxmemory:[1-9]/m.test(memory);
  if (!hasMemoryLimit)
    return { ok: true, detail: `${address} answers; no maxmemory is set: it may use all memory there is` };
  if (policy !== 'noeviction') return { ok: true, detail: `${address} answers; maxmemory-policy ${policy}` };
  const detail = `${address} answers, but stores nothing once it is full (maxmemory-policy noeviction). Set allkeys-lru.`;
  return { ok: false, detail };
}
