import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryRateLimiter } from '../../server/src/storage/memory/memory-rate-limiter.ts';
import type { Bucket, RateLimiter } from '../../server/src/storage/ports/rate-limiter.ts';
import { RedisConnection } from '../../server/src/storage/redis/connection.ts';
import { RedisRateLimiter } from '../../server/src/storage/redis/redis-rate-limiter.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

/** A limiter that never admits anything, so that its use would be noticed. */
const closed: RateLimiter = { take: async () => ({ waitMs: Number.POSITIVE_INFINITY, left: 0, fullMs: 0 }) };

describe.each(['memory', 'redis'] as const)('the rate limiter in %s', (kind) => {
  let limiter: RateLimiter;
  let server: RedisServer | undefined;
  let connection: RedisConnection | undefined;
  let count = 0;
  const bucket = (rate: number, burst: number): Bucket => ({ key: `test:${++count}`, rate, burst });

  beforeAll(async () => {
    if (kind === 'memory') {
      limiter = new MemoryRateLimiter();
      return;
    }
    server = await startRedis();
    connection = await RedisConnection.open(server.url, pino({ level: 'silent' }));
    limiter = new RedisRateLimiter(connection, closed);
  });
  afterAll(async () => {
    await connection?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  test('a full bucket lets its burst through, and not one more of 200 at once', async () => {
    // One token per 100 seconds, so that none is added while the test runs.
    const slow = { ...bucket(1, 5), rate: 0.01 };
    const results = await Promise.all(Array.from({ length: 200 }, () => limiter.take([slow])));
    expect(results.filter(({ waitMs }) => waitMs === 0)).toHaveLength(5);
    expect(results.slice(0, 6).map(({ left }) => left)).toEqual([4, 3, 2, 1, 0, 0]);
  });

  test('in T seconds no more than rate * T + burst pass, and no less than the rate', async () => {
    const ten = bucket(10, 5);
    const from = performance.now();
    let passed = 0;
    while (performance.now() - from < 1_500) {
      if ((await limiter.take([ten])).waitMs === 0) passed += 1;
      await sleep(5);
    }
    const seconds = (performance.now() - from) / 1_000;
    expect(passed).toBeLessThanOrEqual(Math.ceil(10 * seconds) + 5);
    // A loaded machine asks late, and may then get less.
    expect(passed).toBeGreaterThan(10);
  });

  test('the wait that a bucket reports is sufficient', async () => {
    const one = bucket(10, 1);
    expect(await limiter.take([one])).toMatchObject({ waitMs: 0, left: 0 });
    const refused = await limiter.take([one]);
    expect(refused.waitMs).toBeGreaterThan(0);
    expect(refused.waitMs).toBeLessThanOrEqual(100);
    await sleep(refused.waitMs + 2);
    expect(await limiter.take([one])).toMatchObject({ waitMs: 0 });
  });

  test('a request takes a token from each of several buckets, or none', async () => {
    const own = { ...bucket(1, 10), rate: 0.01 };
    const all = { ...bucket(1, 2), rate: 0.01 };
    const results = [];
    for (let i = 0; i < 5; i++) results.push(await limiter.take([own, all]));
    expect(results.map(({ waitMs }) => waitMs === 0)).toEqual([true, true, false, false, false]);
    expect((await limiter.take([own])).left).toBe(7);
  });

  test('a bucket reports when it is full again', async () => {
    const { fullMs } = await limiter.take([bucket(10, 5)]);
    expect(fullMs).toBeGreaterThan(50);
    expect(fullMs).toBeLessThanOrEqual(100);
  });

  test('buckets are separate for any two different keys', async () => {
    const slow = { rate: 0.01, burst: 1 };
    const keys = ['a b', 'a\r\nSET x 1', 'a', 'ä€😀', 'a'.repeat(200), 'a:b'];
    for (const key of keys) expect(await limiter.take([{ key, ...slow }])).toMatchObject({ waitMs: 0 });
    for (const key of keys) expect((await limiter.take([{ key, ...slow }])).waitMs).toBeGreaterThan(0);
  });
});

describe('buckets in memory', () => {
  test('the number of buckets in memory is bounded', async () => {
    const limiter = new MemoryRateLimiter({ maxKeys: 1_000 });
    for (let i = 0; i < 50_000; i++) await limiter.take([{ key: `address:${i}`, rate: 10, burst: 5 }]);
    expect(limiter.size).toBe(1_000);
  });

  test('buckets in memory that are in use are kept', async () => {
    const limiter = new MemoryRateLimiter({ maxKeys: 10, now: () => 0 });
    const used = { key: 'used', rate: 1, burst: 3 };
    for (let i = 0; i < 3; i++) {
      expect((await limiter.take([used])).waitMs).toBe(0);
      for (let j = 0; j < 5; j++) await limiter.take([{ key: `${i}:${j}`, rate: 1, burst: 1 }]);
    }
    expect((await limiter.take([used])).waitMs).toBeGreaterThan(0);
  });

  test('buckets in memory do not depend on the system clock', async () => {
    const realNow = Date.now;
    const limiter = new MemoryRateLimiter();
    const slow = { key: 'a', rate: 0.01, burst: 1 };
    await limiter.take([slow]);
    try {
      Date.now = () => realNow() + 365 * 86_400_000;
      expect((await limiter.take([slow])).waitMs).toBeGreaterThan(0);
    } finally {
      Date.now = realNow;
    }
  });
});

describe('buckets in Redis', () => {
  test('buckets in Redis survive a clock that was set back', async () => {
    await using server = await startRedis();
    await using connection = await RedisConnection.open(server.url, pino({ level: 'silent' }));
    const limiter = new RedisRateLimiter(connection, closed);
    // Written by a clock that was a day ahead.
    server.cli('set', 'devlm:limit:a', String((Date.now() + 86_400_000) * 1000));
    const { waitMs } = await limiter.take([{ key: 'a', rate: 10, burst: 5 }]);
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(100);
    // A bucket that was written by a clock a day behind is full, but not more than full.
    server.cli('set', 'devlm:limit:b', String((Date.now() - 86_400_000) * 1000));
    const slow = { key: 'b', rate: 0.01, burst: 5 };
    const results = await Promise.all(Array.from({ length: 20 }, () => limiter.take([slow])));
    expect(results.filter((result) => result.waitMs === 0)).toHaveLength(5);
  });

  test('keys of buckets in Redis are namespaced and expire when the bucket is full', async () => {
    await using server = await startRedis();
    await using connection = await RedisConnection.open(server.url, pino({ level: 'silent' }));
    const limiter = new RedisRateLimiter(connection, closed);
    await limiter.take([
      { key: 'user:a', rate: 10, burst: 5 },
      { key: 'global', rate: 100, burst: 10 },
    ]);
    await limiter.take([{ key: 'slow', rate: 0.01, burst: 60 }]);
    const ttl = Number(server.cli('pttl', 'devlm:limit:slow'));
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(100_000);
    await expect.poll(() => server.cli('keys', '*'), { timeout: 10_000 }).toBe('devlm:limit:slow');
  });

  test('buckets in Redis are shared by nodes', async () => {
    await using server = await startRedis();
    await using a = await RedisConnection.open(server.url, pino({ level: 'silent' }));
    await using b = await RedisConnection.open(server.url, pino({ level: 'silent' }));
    const nodes = [new RedisRateLimiter(a, closed), new RedisRateLimiter(b, closed)];
    const slow = { key: 'user', rate: 0.01, burst: 7 };
    const results = await Promise.all(Array.from({ length: 200 }, (_, i) => nodes[i % 2]?.take([slow])));
    expect(results.filter((result) => result?.waitMs === 0)).toHaveLength(7);
  });
});
