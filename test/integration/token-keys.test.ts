import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TokenInfo } from '@devlm/protocol/tokens.ts';
import jwt from 'jsonwebtoken';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import * as z from 'zod';
import type { TokenKey } from '../../server/src/storage/ports/token-keys.ts';
import { maxTokenKeys } from '../../server/src/storage/sql/token-keys.ts';
import { devlm } from '../support/devlm.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { serverCommand, TestServer } from '../support/server.ts';
import { type Place, tokenKeysOf, withStoreOf } from '../support/token-keys.ts';

/**
 * Time for other servers to read the store again, in milliseconds. They do so every 2 seconds, a busy machine less
 * often.
 */
const heardMs = 10_000;

const kidOf = (token: string) => jwt.decode(token, { complete: true })?.header.kid;

async function status(server: TestServer, token: string): Promise<number> {
  const response = await fetch(`${server.origin}/backend/info`, { headers: { authorization: `Bearer ${token}` } });
  await response.body?.cancel();
  return response.status;
}

async function codeOf(server: TestServer, token: string): Promise<string> {
  const response = await fetch(`${server.origin}/backend/info`, { headers: { authorization: `Bearer ${token}` } });
  return z.object({ code: z.string() }).parse(await response.json()).code;
}

async function make(server: TestServer): Promise<string> {
  const body = { name: 'test', scopes: ['backend' as const], days: 1 };
  return (await server.client.call('tokens.create', { body })).token;
}

const folders: string[] = [];
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'devlm-token-keys-'));
  folders.push(folder);
  return folder;
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const keysFile = (dataDir: string) => join(dataDir, 'token-keys.json');

function newKey(): TokenKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { kid: randomUUID(), privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** Files of a version without keys in the store: a file with its keys, and a token of each. */
async function leftBehind(place: Place, keys: readonly TokenKey[]): Promise<string[]> {
  writeFileSync(keysFile(place.dataDir), JSON.stringify({ keys }), { mode: 0o600 });
  const now = Math.floor(Date.now() / 1000);
  const exp = now + 86_400;
  return withStoreOf(place, (store) =>
    Promise.all(
      keys.map(async ({ kid, privateKey }) => {
        const info: TokenInfo = {
          id: randomUUID(),
          userId: 'local',
          name: 'old',
          scopes: ['backend'],
          createdAt: new Date(now * 1000).toISOString(),
          expiresAt: new Date(exp * 1000).toISOString(),
          revokedAt: null,
        };
        await store.tokens.add(info);
        const claims = { scopes: info.scopes, iat: now, exp, iss: 'devlm', aud: 'devlm', sub: 'local', jti: info.id };
        return jwt.sign(claims, privateKey, { algorithm: 'RS256', keyid: kid });
      }),
    ),
  );
}

describe('nodes that share a PostgreSQL database and no files', { timeout: 120_000 }, () => {
  const dataKey = randomBytes(32).toString('base64');
  let postgres: PostgresServer;
  let databaseUrl: string;
  let one: TestServer;
  let two: TestServer;
  const envWith = (key: string) => ({ DEVLM_DATABASE_URL: databaseUrl, DEVLM_DATA_KEY: key, DEVLM_SANDBOX: 'off' });
  const often = { DEVLM_LIMIT_ADDRESS: '1000,1000', DEVLM_LIMIT_USER: '1000,1000', DEVLM_LIMIT_GLOBAL: '1000,1000' };
  const start = (more: { dataDir?: string; key?: string } = {}) =>
    TestServer.start({
      team: true,
      env: { ...envWith(more.key ?? dataKey), ...often },
      ...(more.dataDir === undefined ? {} : { dataDir: more.dataDir }),
    });
  const heard = (work: () => Promise<void>) => vi.waitFor(work, { timeout: heardMs, interval: 100 });
  const everywhere = (wanted: number, ...tokens: string[]) =>
    heard(async () => {
      for (const server of [one, two]) for (const token of tokens) expect(await status(server, token)).toBe(wanted);
    });
  const keys = () => tokenKeysOf({ dataDir: one.dataDir, databaseUrl, dataKey });

  beforeAll(async () => {
    postgres = await startPostgres({ sync: false });
    databaseUrl = await postgres.createDatabase();
    [one, two] = await Promise.all([start(), start()]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([one?.[Symbol.asyncDispose](), two?.[Symbol.asyncDispose]()]);
    await postgres?.[Symbol.asyncDispose]();
  });

  test('nodes that start at once on an empty database share one key, and accept the tokens of each other', async () => {
    const [key, ...others] = await keys();
    expect(others).toEqual([]);
    const tokens = [await make(one), await make(two)];
    for (const token of tokens) expect(kidOf(token)).toBe(key?.kid);
    await everywhere(200, ...tokens);
    for (const { dataDir } of [one, two]) expect(existsSync(keysFile(dataDir))).toBe(false);
  });

  test('nodes use a new key without a restart, and still accept tokens signed with the older key', async () => {
    const before = await make(one);
    await everywhere(200, before);
    const { code, out } = await devlm(one.dataDir, ['token', 'rotate-key', '--json']);
    expect(code).toBe(0);
    const { kid } = z.strictObject({ kid: z.string() }).parse(JSON.parse(out));
    const after = [await make(one), await make(two)];
    for (const token of after) expect(kidOf(token)).toBe(kid);
    expect(kidOf(before)).not.toBe(kid);
    await everywhere(200, before, ...after);
    await using three = await start();
    expect(await status(three, before)).toBe(200);
    expect(kidOf(await make(three))).toBe(kid);
  });

  test('nodes can rotate the key at the same time', async () => {
    await Promise.all([one, two, one, two].map((server) => server.client.call('tokens.rotateKey', { body: {} })));
    const tokens = [await make(one), await make(two)];
    const [newest] = await keys();
    for (const token of tokens) expect(kidOf(token)).toBe(newest?.kid);
    await everywhere(200, ...tokens);
  });

  test('nodes accept a token that a command creates on the same database', async () => {
    const args = ['token', 'create', '--name', 'x', '--scopes', 'backend'];
    const made = await devlm(newFolder(), args, envWith(dataKey));
    expect(made).toMatchObject({ code: 0, err: '' });
    await everywhere(200, made.out.trim());
    const before = await keys();
    const wrong = await devlm(newFolder(), args, envWith(randomBytes(32).toString('base64')));
    expect(wrong).toMatchObject({ code: 1, out: '', err: expect.stringContaining('token_keys_damaged') });
    expect(await keys()).toEqual(before);
    await everywhere(200, made.out.trim());
  });

  test('a node with another data key does not start, says what to do, and changes nothing', async () => {
    const token = await make(one);
    const before = await keys();
    const key = randomBytes(32).toString('base64');
    const dataDir = newFolder();
    // It could only encrypt its keys so that no other node can read them.
    const file = JSON.stringify({ keys: [newKey()] });
    writeFileSync(keysFile(dataDir), file);
    const told = await start({ dataDir, key }).then(
      () => 'it started',
      (error: unknown) => String(error),
    );
    for (const words of ['token_keys_damaged', 'DEVLM_DATA_KEY', 'rotate-key --forget']) expect(told).toContain(words);
    for (const secret of ['PRIVATE KEY', key, dataKey]) expect(told).not.toContain(secret);
    expect(await keys()).toEqual(before);
    expect(readFileSync(keysFile(dataDir), 'utf8')).toBe(file);
    await everywhere(200, token);
  });

  test('nodes migrate key files that were never copied, and all earlier tokens stay valid', async () => {
    const current = await make(one);
    const [left, right] = [newKey(), newKey()];
    const tokens: string[] = [];
    for (const file of [[left], [right, left]]) {
      const dataDir = newFolder();
      tokens.push(...(await leftBehind({ dataDir, databaseUrl, dataKey }, file)));
      await using node = await start({ dataDir });
      expect(existsSync(keysFile(dataDir))).toBe(false);
      expect(kidOf(await make(node))).toBe(kidOf(current));
    }
    expect(tokens).toHaveLength(3);
    await everywhere(200, current, ...tokens);
  });

  test('nodes refuse every token within seconds after the keys were forgotten', async () => {
    const before = [await make(one), await make(two)];
    await everywhere(200, ...before);
    expect(await devlm(two.dataDir, ['token', 'rotate-key', '--forget'])).toMatchObject({ code: 0 });
    for (const token of before) expect(await status(two, token)).toBe(401);
    await everywhere(401, ...before);
    expect(await keys()).toHaveLength(1);
    await everywhere(200, await make(one), await make(two));
  });

  test('nodes refuse a token whose key was removed, even if they verified it before', async () => {
    const token = await make(one);
    await everywhere(200, token);
    const { privateKey } = newKey();
    await withStoreOf({ dataDir: one.dataDir, databaseUrl, dataKey }, async ({ tokenKeys }) => {
      for (let i = 0; i < maxTokenKeys; i++) {
        const [newest] = await tokenKeys.list();
        await tokenKeys.add({ kid: randomUUID(), privateKey }, newest?.kid ?? null);
      }
    });
    await everywhere(401, token);
    await everywhere(200, await make(one), await make(two));
  });

  test('nodes write no key to their logs', async () => {
    for (const { stderr } of [one, two]) expect(stderr).not.toMatch(/PRIVATE KEY|privateKey/);
  });
});

describe('the keys of an embedded server', { timeout: 120_000 }, () => {
  test('token keys are migrated from the file of an earlier version, which is removed', async () => {
    const dataDir = newFolder();
    const old = [newKey(), newKey()];
    const tokens = await leftBehind({ dataDir }, old);
    await using server = await TestServer.start({ dataDir });
    for (const token of tokens) expect(await status(server, token)).toBe(200);
    expect(existsSync(keysFile(dataDir))).toBe(false);
    expect(await tokenKeysOf({ dataDir })).toEqual(old);
    expect(kidOf(await make(server))).toBe(old[0]?.kid);
    const secret = old[0]?.privateKey.split('\n')[1] ?? '';
    const files = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    for (const { name, parentPath } of files)
      expect(readFileSync(join(parentPath, name), 'latin1').includes(secret), name).toBe(false);
    // Killed after the store had the keys and before the file was removed.
    await server.kill();
    writeFileSync(keysFile(dataDir), JSON.stringify({ keys: old }));
    await server.start();
    for (const token of tokens) expect(await status(server, token)).toBe(200);
    expect(existsSync(keysFile(dataDir))).toBe(false);
    expect(await tokenKeysOf({ dataDir })).toEqual(old);
  });

  test('token keys are in the file or in the store, whenever the migration is killed', async () => {
    const dataDir = newFolder();
    const first = [newKey()];
    const [token = ''] = await leftBehind({ dataDir }, first);
    let keys = first;
    const outcomes = new Set<boolean>();
    for (let wait = 40; wait < 4_000 && outcomes.size < 2; wait *= 1.3) {
      keys = [newKey(), ...keys];
      writeFileSync(keysFile(dataDir), JSON.stringify({ keys }));
      const args = [...serverCommand(), 'token', 'list', '--data-dir', dataDir];
      const child = spawn(process.execPath, args, { env: { PATH: process.env['PATH'] }, stdio: 'ignore' });
      const exited = once(child, 'exit');
      await sleep(wait);
      child.kill('SIGKILL');
      await exited;
      const left = existsSync(keysFile(dataDir));
      outcomes.add(left);
      const stored = new Set((await tokenKeysOf({ dataDir })).map(({ kid }) => kid));
      if (!left) for (const { kid } of keys) expect(stored.has(kid), `killed after ${wait} ms`).toBe(true);
    }
    expect(outcomes).toEqual(new Set([true, false]));
    await using server = await TestServer.start({ dataDir });
    expect(await status(server, token)).toBe(200);
  });

  test('a damaged key file is named and kept, only tokens stop working, and repairing the file is enough', async () => {
    const dataDir = newFolder();
    const old = newKey();
    const [token = ''] = await leftBehind({ dataDir }, [old]);
    const damaged = JSON.stringify({ keys: [{ ...old, privateKey: 'not a key' }] });
    writeFileSync(keysFile(dataDir), damaged);
    const made = await devlm(dataDir, ['token', 'create', '--name', 'x']);
    expect(made).toMatchObject({ code: 1, out: '', err: expect.stringContaining('token_keys_damaged') });
    expect(made.err).toContain(keysFile(dataDir));
    await using server = await TestServer.start({ dataDir });
    expect(await server.client.call('server.info', {})).toMatchObject({ mode: 'embedded' });
    expect(await codeOf(server, token)).toBe('token_keys_damaged');
    await expect(make(server)).rejects.toMatchObject({ problem: { code: 'token_keys_damaged' } });
    await expect(server.client.call('tokens.rotateKey', { body: {} })).rejects.toMatchObject({
      problem: { code: 'token_keys_damaged' },
    });
    expect(readFileSync(keysFile(dataDir), 'utf8')).toBe(damaged);
    expect(await tokenKeysOf({ dataDir })).toEqual([]);
    writeFileSync(keysFile(dataDir), JSON.stringify({ keys: [old] }));
    const later = await make(server);
    expect(kidOf(later)).toBe(old.kid);
    for (const good of [token, later]) expect(await status(server, good)).toBe(200);
    expect(existsSync(keysFile(dataDir))).toBe(false);
  });

  test('without the data key only tokens stop working, no key is created, and the error says how to continue', async () => {
    await using server = await TestServer.start();
    const { dataDir } = server;
    const token = await make(server);
    const before = await tokenKeysOf({ dataDir });
    await server.kill();
    renameSync(join(dataDir, 'data.key'), join(dataDir, 'data.key.bak'));
    await server.start();
    expect(await server.client.call('server.info', {})).toMatchObject({ mode: 'embedded' });
    expect(await codeOf(server, token)).toBe('token_keys_damaged');
    await expect(make(server)).rejects.toMatchObject({ problem: { code: 'token_keys_damaged' } });
    await expect(server.client.call('tokens.rotateKey', { body: {} })).rejects.toMatchObject({
      problem: { code: 'token_keys_damaged' },
    });
    await server.kill();
    const lost = readFileSync(join(dataDir, 'data.key'));
    renameSync(join(dataDir, 'data.key.bak'), join(dataDir, 'data.key'));
    expect(await tokenKeysOf({ dataDir })).toEqual(before);
    await server.start();
    expect(await status(server, token)).toBe(200);

    await server.kill();
    writeFileSync(join(dataDir, 'data.key'), lost);
    await server.start();
    expect(await devlm(dataDir, ['token', 'rotate-key', '--forget'])).toMatchObject({ code: 0, err: '' });
    expect(await status(server, token)).toBe(401);
    expect(await status(server, await make(server))).toBe(200);
    await server.kill();
    rmSync(join(dataDir, 'data.key'));
    expect(await devlm(dataDir, ['token', 'rotate-key', '--forget'])).toMatchObject({ code: 0, err: '' });
    await server.start();
    expect(await status(server, await make(server))).toBe(200);
    const log = readFileSync(join(dataDir, 'logs', 'server.log'), 'utf8');
    expect(log).not.toMatch(/PRIVATE KEY|privateKey/);
  });
});
