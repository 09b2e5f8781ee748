import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { RedisConnection } from '../../server/src/storage/redis/connection.ts';
import { examineRedis } from '../../server/src/storage/redis/examine.ts';
import { startClaude } from '../support/claude/server.ts';
import { freePort, type RedisServer, startRedis, startSentinel } from '../support/redis.ts';
import { TestServer } from '../support/server.ts';

/** Limits that refill slowly, so that a test counts only the burst. */
const limits = { DEVLM_LIMIT_USER: '1,20', DEVLM_LIMIT_GLOBAL: '1000,1000', DEVLM_LOG_LEVEL: 'info' };

const nodeOf = (redis: RedisServer, claudeUrl?: string, env = limits) =>
  TestServer.start({ env: { DEVLM_REDIS_URL: redis.url, ...env }, ...(claudeUrl ? { claudeUrl } : {}) });

async function status(server: TestServer, path = '/backend/info'): Promise<number> {
  const response = await fetch(`${server.origin}${path}`, {
    headers: { authorization: `Bearer ${server.discovery.secret}`, 'anthropic-version': '2023-06-01' },
    signal: AbortSignal.timeout(10_000),
  });
  await response.body?.cancel();
  return response.status;
}

/** Returns the log entries about Redis: one per change, however many requests there were. */
function toldOfRedis(dataDir: string): string[] {
  return readFileSync(join(dataDir, 'logs', 'server.log'), 'utf8').match(/Redis is \w+/g) ?? [];
}

/** Requests each path of each server repeatedly until it is stopped. Counts the responses by status. */
function loadOn(servers: readonly TestServer[], paths: readonly string[]) {
  const counts = new Map<number, number>();
  let running = true;
  const client = async (server: TestServer, path: string) => {
    while (running) {
      const answer = await status(server, path);
      counts.set(answer, (counts.get(answer) ?? 0) + 1);
      await sleep(2);
    }
  };
  const clients = Promise.all(servers.flatMap((server) => paths.map((path) => client(server, path))));
  const stop = async () => {
    running = false;
    await clients;
  };
  return { counts, stop, [Symbol.asyncDispose]: stop };
}

/** Waits until the counts of the node are in Redis. */
async function sharedAgain(node: TestServer, redis: RedisServer): Promise<void> {
  const keys = async () => {
    await status(node);
    return redis.cli('keys', '*');
  };
  await expect.poll(keys, { timeout: 20_000 }).toContain('devlm:limit:api:local');
}

describe('two nodes and one Redis', () => {
  test('two nodes with one Redis let no more requests through than one node would', async () => {
    await using redis = await startRedis();
    await using a = await nodeOf(redis);
    await using b = await nodeOf(redis);
    const from = performance.now();
    const all = await Promise.all(Array.from({ length: 200 }, (_, index) => status(index % 2 ? a : b)));
    const passed = all.filter((one) => one === 200).length;
    expect(passed).toBeGreaterThanOrEqual(20);
    // A node on a busy machine that waited too long for Redis has logged that and counted by itself.
    const alone = [a, b].filter(({ dataDir }) => toldOfRedis(dataDir).length > 0).length;
    expect(passed).toBeLessThanOrEqual(20 * (1 + alone) + Math.ceil((performance.now() - from) / 1000));
  });

  test('nodes continue with limits of their own when Redis is killed under load, and share them again when it is back', async () => {
    await using claude = await startClaude();
    await using redis = await startRedis();
    await using a = await nodeOf(redis, claude.url);
    await using b = await nodeOf(redis, claude.url);
    const began = performance.now();
    await using load = loadOn([a, b], ['/backend/info', '/llm/v1/models']);
    const { counts } = load;
    const passed = () => counts.get(200) ?? 0;
    await expect.poll(() => counts.get(429) ?? 0, { timeout: 20_000 }).toBeGreaterThan(20);
    const before = passed();
    await redis.kill();
    // Each node now has its own buckets, which were full: two nodes, two kinds of routes.
    await expect.poll(() => passed() - before, { timeout: 20_000 }).toBeGreaterThanOrEqual(4 * 20);
    const refusedWhileAway = counts.get(429) ?? 0;
    await expect.poll(() => counts.get(429) ?? 0, { timeout: 20_000 }).toBeGreaterThan(refusedWhileAway + 20);
    expect(passed() - before).toBeLessThanOrEqual(4 * (20 + Math.ceil((performance.now() - began) / 1000)));
    await redis.start();
    for (const { dataDir } of [a, b])
      await expect.poll(() => toldOfRedis(dataDir).at(-1), { timeout: 20_000 }).toBe('Redis is back');
    await expect.poll(() => redis.cli('keys', '*'), { timeout: 20_000 }).toContain('devlm:limit:api:local');
    await load.stop();
    expect([...counts.keys()].toSorted()).toEqual([200, 429]);
    // A busy machine may take a late response for a missing one and log that, but not once per request.
    for (const { dataDir } of [a, b]) expect(toldOfRedis(dataDir).length).toBeLessThanOrEqual(8);
  });

  test('nodes do not hang on a Redis that accepts connections and never responds', async () => {
    await using redis = await startRedis();
    await using node = await nodeOf(redis, undefined, { ...limits, DEVLM_LIMIT_USER: '1,1000' });
    expect(await status(node)).toBe(200);
    redis.freeze();
    const from = performance.now();
    // The connection is given up after a second. From then on no request waits for it.
    for (let i = 0; i < 50; i++) expect(await status(node)).toBe(200);
    expect(performance.now() - from).toBeLessThan(25_000);
    redis.thaw();
    redis.cli('flushall');
    await sharedAgain(node, redis);
  });

  test('nodes start while Redis is unavailable, and use it as soon as it is available', async () => {
    await using redis = await startRedis();
    await redis.kill();
    await using node = await nodeOf(redis);
    expect(await status(node)).toBe(200);
    await redis.start();
    await sharedAgain(node, redis);
  });

  test('nodes apply limits on their own while Redis refuses to store anything', async () => {
    await using redis = await startRedis('--maxmemory', '1', '--maxmemory-policy', 'noeviction');
    await using node = await nodeOf(redis);
    const all = await Promise.all(Array.from({ length: 100 }, () => status(node)));
    expect(all.filter((one) => one === 200).length).toBeGreaterThanOrEqual(20);
    expect(all.filter((one) => one === 429).length).toBeGreaterThan(60);
  });
});

test('Redis is used over TLS, and only if its certificate is trusted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'devlm-tls-'));
  try {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', certificate];
    execFileSync('openssl', [...made, ...subject], { stdio: 'pipe' });
    const tlsPort = await freePort();
    const tls = ['--tls-port', String(tlsPort), '--tls-cert-file', certificate, '--tls-key-file', key];
    await using redis = await startRedis(...tls, '--tls-ca-cert-file', certificate, '--tls-auth-clients', 'no');
    const env = { ...limits, DEVLM_REDIS_URL: `rediss://127.0.0.1:${tlsPort}` };
    await using stranger = await TestServer.start({ env });
    expect(await status(stranger)).toBe(200);
    expect(toldOfRedis(stranger.dataDir)).toEqual(['Redis is unavailable']);
    expect(redis.cli('keys', '*')).toBe('');
    await using node = await TestServer.start({ env: { ...env, NODE_EXTRA_CA_CERTS: certificate } });
    await sharedAgain(node, redis);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the doctor reports whether Redis responds and how it evicts, without the password', async () => {
  const doctor = async (url: string) => {
    const { ok, detail } = await examineRedis(url);
    expect(detail).not.toContain('pass-word');
    return { ok, detail };
  };
  await using redis = await startRedis('--requirepass', 'pass-word');
  const url = `redis://:pass-word@127.0.0.1:${redis.port}`;
  expect(await doctor(url)).toMatchObject({
    ok: true,
    detail: expect.stringContaining(`127.0.0.1:${redis.port} is available`),
  });
  expect(await doctor(redis.url)).toMatchObject({ ok: false });
  redis.cli('-a', 'pass-word', 'config', 'set', 'maxmemory', '100mb');
  expect(await doctor(url)).toMatchObject({ ok: false, detail: expect.stringContaining('noeviction') });
  redis.cli('-a', 'pass-word', 'config', 'set', 'maxmemory-policy', 'allkeys-lru');
  expect(await doctor(url)).toMatchObject({ ok: true, detail: expect.stringContaining('allkeys-lru') });
  await redis.kill();
  expect(await doctor(url)).toMatchObject({ ok: false, detail: expect.stringContaining('Cannot connect to Redis') });
});

test('Redis is found through Sentinel', async () => {
  await using redis = await startRedis();
  await using sentinel = await startSentinel('team', redis.port);
  const url = `redis+sentinel://127.0.0.1:1,127.0.0.1:${sentinel.port}/team/2`;
  await using connection = await RedisConnection.open(url, pino({ level: 'silent' }));
  expect(await connection.ask((client) => client.set('a', 'b'))).toBe('OK');
  expect(redis.cli('-n', '2', 'get', 'devlm:a')).toBe('b');
});
