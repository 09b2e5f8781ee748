import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryCache } from '../../server/src/storage/memory/memory-cache.ts';
import { type Cache, cacheBounds } from '../../server/src/storage/ports/cache.ts';
import { RedisConnection } from '../../server/src/storage/redis/connection.ts';
import { RedisCache } from '../../server/src/storage/redis/redis-cache.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe.each(['memory', 'redis'] as const)('the cache in %s', (kind) => {
  let cache: Cache;
  let server: RedisServer | undefined;
  let connection: RedisConnection | undefined;

  beforeAll(async () => {
    if (kind === 'memory') {
      cache = new MemoryCache();
      return;
    }
    server = await startRedis();
    connection = await RedisConnection.open(server.url, pino({ level: 'silent' }));
    cache = new RedisCache(connection);
  });
  afterAll(async () => {
    await connection?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  test('the cache returns a value byte for byte until it is deleted', async () => {
    const value = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(await cache.get('a')).toBeUndefined();
    await cache.set('a', value, 60_000);
    expect(new Uint8Array((await cache.get('a')) ?? [])).toEqual(value);
    await cache.delete('a');
    expect(await cache.get('a')).toBeUndefined();
    await cache.delete('a');
  });

  test('the cache keeps the last value, even an empty one', async () => {
    await cache.set('b', bytes('first'), 60_000);
    await cache.set('b', bytes('second'), 60_000);
    expect(Buffer.from((await cache.get('b')) ?? []).toString()).toBe('second');
    await cache.set('b', new Uint8Array(), 60_000);
    expect((await cache.get('b'))?.byteLength).toBe(0);
  });

  test('a cached value expires after its lifetime', async () => {
    await cache.set('c', bytes('short'), 50);
    await cache.set('d', bytes('long'), 60_000);
    await expect.poll(() => cache.get('c'), { timeout: 5_000 }).toBeUndefined();
    expect(await cache.get('d')).toBeDefined();
  });

  test('a value that is too large is not cached, and the earlier one is removed', async () => {
    await cache.set('e', new Uint8Array(cacheBounds.valueBytes), 60_000);
    expect((await cache.get('e'))?.byteLength).toBe(cacheBounds.valueBytes);
    await cache.set('e', new Uint8Array(cacheBounds.valueBytes + 1), 60_000);
    expect(await cache.get('e')).toBeUndefined();
  });

  test('a cached value is not affected by later changes of the passed bytes', async () => {
    const value = bytes('before');
    await cache.set('f', value, 60_000);
    value.fill(0);
    expect(Buffer.from((await cache.get('f')) ?? []).toString()).toBe('before');
  });
});

test('the cache in memory stays within its size and evicts the least recently used value', async () => {
  const cache = new MemoryCache(100_000);
  await cache.set('kept', new Uint8Array(1_000), 60_000);
  for (let i = 0; i < 1_000; i++) {
    await cache.set(`key ${i}`, new Uint8Array(1_000), 60_000);
    await cache.get('kept');
    expect(cache.bytes).toBeLessThanOrEqual(100_000);
  }
  expect(await cache.get('kept')).toBeDefined();
  expect(await cache.get('key 0')).toBeUndefined();
  expect(await cache.get('key 999')).toBeDefined();
});

test('the cache in Redis is empty while Redis is unavailable, and does not wait', async () => {
  await using server = await startRedis();
  await using connection = await RedisConnection.open(server.url, pino({ level: 'silent' }));
  const cache = new RedisCache(connection);
  await cache.set('a', bytes('value'), 60_000);
  expect(Number(server.cli('pttl', 'devlm:cache:a'))).toBeGreaterThan(0);
  await server.kill();
  expect(await cache.get('a')).toBeUndefined();
  await cache.set('a', bytes('value'), 60_000);
  const from = performance.now();
  for (let i = 0; i < 100; i++) await cache.get('a');
  expect(performance.now() - from).toBeLessThan(1_000);
  await server.start();
  await expect
    .poll(
      async () => {
        await cache.set('a', bytes('again'), 60_000);
        return Buffer.from((await cache.get('a')) ?? []).toString();
      },
      { timeout: 15_000 },
    )
    .toBe('again');
});
