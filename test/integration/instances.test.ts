import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import Anthropic from '@anthropic-ai/sdk';
import { InstanceInfo, InstanceTested } from '@devlm/protocol/instances.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { serverCommand, TestServer } from '../support/server.ts';

const ownKey = 'sk-test-0123456789abcdef';
const key = 'sk-added-0123456789abcdef-secret';
const newKey = 'sk-rotated-0123456789abcdef-secret';
let asked = 0;
/** Sends each request in another conversation, because a conversation stays at its instance. */
const newBody = () => ({
  model: 'claude-sonnet-5-5',
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content: `Hello ${++asked}` }],
});

/** Runs the command line as an operator would. */
async function devlm(dataDir: string, args: readonly string[], input = '') {
  const child = spawn(process.execPath, [...serverCommand(), 'instance', ...args, '--data-dir', dataDir, '--json'], {
    env: { PATH: process.env['PATH'], ANTHROPIC_API_KEY: ownKey },
  });
  child.stdin.end(input);
  const [[code], out, err] = await Promise.all([once(child, 'exit'), readText(child.stdout), readText(child.stderr)]);
  return { code, out, err };
}

async function run<T>(schema: z.ZodType<T>, dataDir: string, args: readonly string[], input?: string): Promise<T> {
  const { code, out, err } = await devlm(dataDir, args, input);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return schema.parse(JSON.parse(out));
}

describe('instances that come and go while a server runs', { timeout: 120_000 }, () => {
  let own: Claude;
  let added: Claude;
  let server: TestServer;
  let sdk: Anthropic;
  beforeAll(async () => {
    own = await startClaude({ apiKeys: [ownKey] });
    added = await startClaude({ apiKeys: [key, newKey] });
    server = await TestServer.start({ claudeUrl: own.url, env: { ANTHROPIC_API_KEY: ownKey } });
    sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
  });
  afterEach(async () => {
    own.reset();
    added.reset();
    const { items } = await server.client.call('instances.list', {});
    for (const { id, source } of items)
      if (source === 'store') await server.client.call('instances.remove', { params: { instanceId: id } });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await own?.[Symbol.asyncDispose]();
    await added?.[Symbol.asyncDispose]();
  });

  const add = (...args: string[]) =>
    run(InstanceInfo, server.dataDir, ['add', 'second', '--base-url', added.url, ...args], `${key}\n`);
  const list = async () => (await server.client.call('instances.list', {})).items;
  const ask = () => sdk.messages.create(newBody()).then(({ stop_reason }) => stop_reason);

  it('the only instance at first is that of the editor or the environment', async () => {
    expect(await run(z.array(InstanceInfo), server.dataDir, ['list'])).toMatchObject([
      { id: 'own', source: 'own', state: 'ready', host: own.url },
    ]);
    const removed = await devlm(server.dataDir, ['remove', 'own']);
    expect(removed).toMatchObject({ code: 1, err: expect.stringContaining('configuration') });
  });

  it('an instance receives calls as soon as it is added, and none after it is drained', async () => {
    expect(await add('--weight', '100')).toMatchObject({ id: 'second', source: 'store', state: 'ready', weight: 100 });
    for (const claude of [own, added]) claude.on(any, { blocks: 'slowly', pace: { startDelayMs: 100 } });
    await Promise.all(Array.from({ length: 20 }, ask));
    expect(added.messages.length).toBeGreaterThan(own.messages.length);
    expect(await run(InstanceInfo, server.dataDir, ['drain', 'second'])).toMatchObject({ state: 'draining' });
    const before = added.messages.length;
    await Promise.all(Array.from({ length: 10 }, ask));
    expect(added.messages.length).toBe(before);
    expect(await run(InstanceInfo, server.dataDir, ['resume', 'second'])).toMatchObject({ state: 'ready' });
    const twice = await devlm(server.dataDir, ['add', 'second'], key);
    expect(twice).toMatchObject({ code: 1, err: expect.stringContaining('already') });
  });

  it('draining or removing an instance lets its calls in progress finish', async () => {
    await add();
    await run(InstanceInfo, server.dataDir, ['drain', 'own']);
    added.on(any, { blocks: 'a long answer '.repeat(20), pace: { startDelayMs: 1_500 } });
    const calls = Array.from({ length: 5 }, ask);
    await added.received(5);
    await server.client.call('instances.remove', { params: { instanceId: 'second' } });
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 5 }, () => 'end_turn'));
    await expect(ask()).rejects.toMatchObject({ status: 529 });
    await run(InstanceInfo, server.dataDir, ['resume', 'own']);
    expect(await ask()).toBe('end_turn');
  });

  it('the key of an instance is replaced under load without a failed call', async () => {
    await add();
    await run(InstanceInfo, server.dataDir, ['drain', 'own']);
    added.on(any, { blocks: 'word '.repeat(30), pace: { startDelayMs: 50, chunksPerSecond: 200 } });
    let going = true;
    const worker = async (results: unknown[]) => {
      while (going) results.push(await ask());
    };
    const results: unknown[] = [];
    const workers = Array.from({ length: 8 }, () => worker(results));
    await added.received(8);
    await run(InstanceInfo, server.dataDir, ['rotate', 'second'], newKey);
    const since = results.length;
    await expect.poll(() => results.length, { timeout: 10_000 }).toBeGreaterThan(since + 16);
    going = false;
    await Promise.all(workers);
    expect(new Set(results)).toEqual(new Set(['end_turn']));
    await run(InstanceInfo, server.dataDir, ['resume', 'own']);
  });

  it('an instance is tested by a call of one token, which reports what is wrong', async () => {
    await add();
    const tested = await run(InstanceTested, server.dataDir, ['test', 'second', '--model', 'claude-haiku-4-5']);
    expect(tested).toMatchObject({ ok: true, model: 'claude-haiku-4-5', detail: '' });
    expect(added.messages[0]?.body).toMatchObject({ max_tokens: 1 });
    const unnamed = await run(InstanceTested, server.dataDir, ['test', 'second']);
    expect(unnamed.ok).toBe(true);
    await run(InstanceInfo, server.dataDir, ['rotate', 'second'], 'sk-nobody-knows');
    const { code, out } = await devlm(server.dataDir, ['test', 'second', '--model', 'claude-haiku-4-5']);
    expect(code).toBe(1);
    expect(InstanceTested.parse(JSON.parse(out))).toMatchObject({ ok: false, detail: expect.stringContaining('key') });
    expect((await devlm(server.dataDir, ['test', 'nobody'])).code).toBe(1);
  });

  it('invalid instances are refused', async () => {
    for (const args of [['add', '../x'], ['add', 'own'], ['add', 'x', '--weight', 'heavy'], ['add'], ['fly', 'x'], []])
      expect((await devlm(server.dataDir, args, key)).code, args.join(' ')).toBe(1);
    expect((await devlm(server.dataDir, ['add', 'x'], 'a key\nof lines')).code).toBe(1);
    expect((await list()).map(({ id }) => id)).toEqual(['own']);
  });

  it('an instance survives a restart, and its key is not readable anywhere', async () => {
    await add();
    await run(InstanceInfo, server.dataDir, ['drain', 'second']);
    await server.kill('SIGTERM');
    const stopped = await run(z.array(InstanceInfo), server.dataDir, ['list']);
    expect(stopped.find(({ id }) => id === 'second')).toMatchObject({ state: 'draining', source: 'store' });
    await run(InstanceInfo, server.dataDir, ['resume', 'second']);
    await server.start();
    sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
    expect(await list()).toMatchObject([{ id: 'own' }, { id: 'second', state: 'ready' }]);
    await Promise.all(Array.from({ length: 4 }, ask));
    expect(added.messages.length).toBeGreaterThan(0);
    expect(JSON.stringify(await list()) + server.stderr).not.toContain(key);
    const files = readdirSync(server.dataDir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    expect(files.length).toBeGreaterThan(2);
    for (const file of files)
      expect(readFileSync(join(file.parentPath, file.name)).includes(key), file.name).toBe(false);
  });
});
