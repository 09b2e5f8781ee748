import pino from 'pino';
import { RedisConnection } from './connection.ts';

/** What `devlm doctor` says about Redis: whether it answers, and what it does when it is full. */
export async function examineRedis(url: string): Promise<{ readonly ok: boolean; readonly detail: string }> {
  await using redis = await RedisConnection.open(url, pino({ level: 'silent' }));
  // Without the password.
  const where = url.replace(/^[^/]*\/\/(.*@)?/, '').replace(/\/.*$/, '');
  const memory = await redis.ask((client) => client.info('memory'));
  if (memory === undefined) {
    const detail = `${where} does not answer as it should. Until it does, each node counts for itself and caches nothing.`;
    return { ok: false, detail };
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'unknown';
  const bounded = /^maxmemory:[1-9]/m.test(memory);
  if (!bounded) return { ok: true, detail: `${where} answers; no maxmemory is set: it may use all memory there is` };
  if (policy !== 'noeviction') return { ok: true, detail: `${where} answers; maxmemory-policy ${policy}` };
  const detail = `${where} answers, but stores nothing once it is full (maxmemory-policy noeviction). Set allkeys-lru.`;
  return { ok: false, detail };
}
