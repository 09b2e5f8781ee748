import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { addUser, devlm } from '../support/devlm.ts';
import { type PostgresServer, startPostgres, withClient } from '../support/postgres.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

const root = join(import.meta.dirname, '../..');

/**
 * Does what `docker compose up` does, without containers: creates the secrets of the first start, and starts servers
 * that use them.
 */
describe('the first start of a team server', { timeout: 120_000 }, () => {
  let folder: string;
  let claude: Claude;
  let postgres: PostgresServer;
  let redis: RedisServer;
  let database: string;
  const secret = (name: string) => readFileSync(join(folder, name), 'utf8');
  const makeSecrets = () =>
    execFileSync(process.execPath, [join(root, 'docker/first-start.mjs'), folder], { encoding: 'utf8' });
  const env = () => ({
    DEVLM_DATABASE_URL_FILE: join(folder, 'database-url'),
    DEVLM_REDIS_URL_FILE: join(folder, 'redis-url'),
    DEVLM_DATA_KEY_FILE: join(folder, 'data-key'),
  });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'devlm-secrets-'));
    makeSecrets();
    // The command line of Redis takes precedence over its file.
    const lines = secret('redis.conf').split('\n').filter(Boolean);
    const settings = lines.filter((line) => line.startsWith('maxmemory') || line.startsWith('requirepass'));
    [claude, postgres] = await Promise.all([startClaude(), startPostgres({ sync: false })]);
    const password = /^requirepass (\S+)$/m.exec(secret('redis.conf'))?.[1] ?? '';
    redis = await startRedis(...settings.flatMap((line) => line.replace(/^/, '--').split(' ')));
    database = await postgres.createDatabase();
    writeFileSync(join(folder, 'redis-url'), redis.url.replace('redis://', `redis://:${password}@`), { mode: 0o600 });
    writeFileSync(join(folder, 'database-url'), database);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([claude, postgres, redis].map((one) => one?.[Symbol.asyncDispose]()));
    rmSync(folder, { recursive: true, force: true });
  });

  it('the first start of a team creates distinct secrets, once', () => {
    const other = mkdtempSync(join(tmpdir(), 'devlm-secrets-'));
    const run = () =>
      execFileSync(process.execPath, [join(root, 'docker/first-start.mjs'), other], { encoding: 'utf8' });
    const read = () =>
      Object.fromEntries(readdirSync(other).map((name) => [name, readFileSync(join(other, name), 'utf8')]));
    expect(run()).toContain('Created the secrets');
    const made = read();
    expect(Object.keys(made).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(made['database-url']).toContain(made['postgres-password']);
    expect(made['postgres-password']).toMatch(/^[0-9a-f]{64}$/);
    expect(made['postgres-password']).not.toBe(secret('postgres-password'));
    expect(Buffer.from(made['data-key'] ?? '', 'base64')).toHaveLength(32);
    expect(run()).toContain('already exist');
    expect(read()).toEqual(made);
    rmSync(other, { recursive: true });
  });

  it('a team server starts with the generated secrets on every address, and keeps its data over a restart', async () => {
    await using server = await TestServer.start({
      team: true,
      claudeUrl: claude.url,
      args: ['--host', '0.0.0.0'],
      env: env(),
    });
    const ann = await addUser(server.dataDir, 'ann');
    const own = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4');
    const origin = `http://${own?.address}:${server.discovery.port}`;
    const info = await fetch(`${origin}/backend/info`, { headers: { authorization: `Bearer ${ann.token}` } });
    expect(await info.json()).toMatchObject({ mode: 'team' });
    const headers = Object.fromEntries(info.headers);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'x-frame-options': 'SAMEORIGIN',
      'cache-control': 'no-store',
    });
    expect(headers).not.toHaveProperty('x-powered-by');
    expect(redis.cli('config', 'get', 'maxmemory-policy')).toContain('NOAUTH');
    const conversation = await newConversation(server);
    const turn = await send(server, conversation, 'Hello');
    using reader = new Reader(() => server, conversation);
    await reader.ended(turn);
    await server.kill();
    await server.start();
    expect(
      await server.client.call('conversations.get', { params: { conversationId: conversation }, query: {} }),
    ).toMatchObject({ conversation: { id: conversation } });
    expect(
      (await fetch(`${server.origin}/backend/info`, { headers: { authorization: `Bearer ${ann.token}` } })).status,
    ).toBe(200);
  });

  it('the metrics for Prometheus contain no data about users', async () => {
    const port = await freePort();
    await using server = await TestServer.start({
      team: true,
      claudeUrl: claude.url,
      args: ['--metrics-port', String(port)],
      env: env(),
    });
    const conversation = await newConversation(server);
    const turn = await send(server, conversation, 'A secret question');
    using reader = new Reader(() => server, conversation);
    await reader.ended(turn);
    expect((await fetch(`${server.origin}/backend/info`)).status).toBe(401);
    const scrape = async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    await expect.poll(scrape, { timeout: 10_000 }).toMatch(/devlm_calls_today\{model="claude-sonnet-5-5"\} [1-9]/);
    const text = await scrape();
    for (const line of [
      /^devlm_http_requests_total\{kind="api",status="401"\} 1$/m,
      /^devlm_http_requests_total\{kind="api",status="20\d"\} [1-9]/m,
      /^devlm_http_requests_open\{kind="stream"\} 1$/m,
      /^devlm_spend_today_dollars\{model="claude-sonnet-5-5"\} 0\.\d+$/m,
      /^devlm_instance_up\{instance="[^"]+"\} 1$/m,
      /^process_resident_memory_bytes \d+$/m,
    ])
      expect(text).toMatch(line);
    for (const hidden of ['question', conversation, turn, server.discovery.secret, 'local', 'sk-test'])
      expect(text).not.toContain(hidden);
    expect((await fetch(`http://127.0.0.1:${port}/backend/info`)).status).toBe(404);
    expect((await fetch(`${server.origin}/metrics`)).status).toBe(401);
  });

  it('the doctor examines a team server without changes and shows no password', async () => {
    const url = new URL(await postgres.createDatabase());
    url.password = 'top-secret';
    const look = (databaseUrl: string) =>
      devlm(folder, ['doctor', '--sandbox', 'off'], { ...env(), DEVLM_DATABASE_URL: databaseUrl });
    const empty = await look(url.href);
    expect(empty).toMatchObject({ code: 0 });
    expect(empty.out).toMatch(/^ok {3}storage: PostgreSQL \d+[^\n]*, empty$/m);
    expect(empty.out).toMatch(/^ok {3}redis: [^\n]*allkeys-lru$/m);
    expect((await look(database)).out).toMatch(/, tables of version \d+$/m);
    await withClient(url.href, (client) =>
      client.query('create table schema_versions (version int); insert into schema_versions values (1000)'),
    );
    const newer = await look(url.href);
    expect(newer).toMatchObject({ code: 1, out: expect.stringContaining('a newer DevLM (version 1000') });
    url.port = '1';
    const gone = await look(url.href);
    expect(gone).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^BAD {2}storage: Cannot connect to PostgreSQL/m),
    });
    for (const { out, err } of [empty, newer, gone]) expect(out + err).not.toContain('top-secret');
  });

  it('commands find a team server whatever address it listens on', async () => {
    await using server = await TestServer.start({ team: true, args: ['--host', '127.0.0.2'], env: env() });
    expect(await devlm(server.dataDir, ['user', 'list'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('ann'),
    });
    await using six = await TestServer.start({ team: true, args: ['--host', '::'], env: env() });
    expect(await devlm(six.dataDir, ['user', 'list'])).toMatchObject({ code: 0, out: expect.stringContaining('ann') });
  });
});
