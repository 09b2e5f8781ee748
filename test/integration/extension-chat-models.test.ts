import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ServerConnection } from '../../extension/src/connection/connection.ts';
import { readDiscovery } from '../../extension/src/connection/discovery.ts';
import { Launcher } from '../../extension/src/connection/launcher.ts';
import { type AnswerPart, ChatModels } from '../../extension/src/lm/chat-models.ts';
import type { ChatMessage, ChatPart, ChatRequest } from '../../extension/src/lm/messages-request.ts';
import { problemsOf } from '../../extension/src/problems.ts';
import { toolUse } from '../support/claude/answer.ts';
import { httpError, overloaded } from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';

const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
const problems = problemsOf((text) => text);
const version = '9.9.9';

describe('the models that are offered to other extensions', { timeout: 60_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let dataDir: string;
  let connection: ServerConnection;
  let models: ChatModels;

  beforeAll(async () => {
    claude = await startClaude();
    dataDir = await mkdtemp(join(tmpdir(), 'devlm-models-'));
    const bundle = join(import.meta.dirname, '../../dist/server.mjs');
    const source = new Launcher({ dataDir, bundle, version, log, problems });
    const credential = async () => ({ apiKey: 'sk-ant-test-0123456789', baseUrl: claude.url });
    connection = new ServerConnection({ source, credential, version, problems, log, t: (text) => text });
    models = new ChatModels({ connection, problems });
    await connection.ready();
  });
  afterAll(async () => {
    connection.dispose();
    const server = await readDiscovery(dataDir);
    if (server) process.kill(server.pid);
    await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    await claude[Symbol.asyncDispose]();
  });
  beforeEach(() => claude.reset());

  const text = (words: string): ChatPart => ({ kind: 'text', text: words });
  const person = (...parts: ChatPart[]): ChatMessage => ({ role: 'user', parts });
  const signal = () => AbortSignal.timeout(30_000);
  const ask = async (messages: readonly ChatMessage[], more: Partial<ChatRequest> = {}) => {
    const parts: AnswerPart[] = [];
    const request = { model: 'claude-sonnet-5-5', maxTokens: 1_000, tools: [], toolRequired: false, options: {} };
    await models.respond({ ...request, messages, ...more }, (part) => parts.push(part), signal());
    return parts;
  };
  const textOf = (parts: readonly AnswerPart[]) =>
    parts.map((part) => (part.kind === 'text' ? part.text : '')).join('');

  it('the offered models are those of the provider, with room for an answer', async () => {
    const listed = await models.list(signal());
    const sonnet = listed.find(({ id }) => id === 'claude-sonnet-5-5');
    expect(sonnet).toMatchObject({ name: 'Claude Sonnet 5.5', family: 'claude-sonnet-5-5', maxOutputTokens: 32_000 });
    expect(sonnet?.maxInputTokens).toBeGreaterThan(100_000);
    expect(listed.find(({ id }) => id === 'claude-haiku-4-5-20251001')?.family).toBe('claude-haiku-4-5');
  });

  it('a model streams its answer, with a system text and cache breakpoints', async () => {
    claude.on('hello', { blocks: 'Good day to you.', pace: { chunkChars: 4 } });
    const parts = await ask([{ role: 'system', parts: [text('Be brief.')] }, person(text('hello'))], {
      options: { temperature: 0.5, unknown: true },
    });
    expect(parts.length).toBeGreaterThan(2);
    expect(textOf(parts)).toBe('Good day to you.');
    expect((await claude.received(1)).body).toEqual({
      model: 'claude-sonnet-5-5',
      max_tokens: 1_000,
      stream: true,
      temperature: 0.5,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hello', cache_control: { type: 'ephemeral' } }] }],
    });
  });

  it('a model calls tools with their whole input, and receives their results with images', async () => {
    const tools = [{ name: 'weather', description: 'Tells it.', inputSchema: { type: 'object', properties: {} } }];
    claude.on('rain?', toolUse('weather', { city: 'Bonn', days: [1, 2] }));
    const [call] = await ask([person(text('rain?'))], { tools, toolRequired: true });
    expect(call).toMatchObject({ kind: 'call', name: 'weather', input: { city: 'Bonn', days: [1, 2] } });
    expect((await claude.received(1)).body).toMatchObject({ tool_choice: { type: 'any' } });
    if (call?.kind !== 'call') throw new Error('no call');

    claude.on(any, 'It rains.');
    const data = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    const result: ChatPart = {
      kind: 'result',
      callId: call.callId,
      content: [text('wet'), { kind: 'image', mediaType: 'image/png', data }],
    };
    const answer = await ask([person(text('rain?')), { role: 'assistant', parts: [call] }, person(result)], { tools });
    expect(textOf(answer)).toBe('It rains.');
    expect((await claude.received(2)).body).toMatchObject({
      messages: [
        {},
        { role: 'assistant', content: [{ type: 'tool_use', id: call.callId, name: 'weather' }] },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: call.callId, content: [{ text: 'wet' }, { type: 'image' }] }],
        },
      ],
    });
  });

  it('tokens are counted by the provider, once for the same text', async () => {
    const count = () => models.count('claude-sonnet-5-5', person(text('How many are these?')), signal());
    const tokens = await count();
    expect(tokens).toBeGreaterThan(3);
    expect(await count()).toBe(tokens);
    expect(claude.requests.filter(({ path }) => path.startsWith('/v1/messages/count_tokens'))).toHaveLength(1);
    expect(await models.count('claude-sonnet-5-5', person(text(' ')), signal())).toBe(0);
  });

  it('a failure has the provider’s message', async () => {
    claude.on('slow', httpError(429, { message: 'Too many requests.' }));
    await expect(ask([person(text('slow'))])).rejects.toMatchObject({
      problem: { code: 'provider_error', status: 429, detail: 'Too many requests.' },
    });
    const missing = ask([person(text('hi'))], { model: 'claude-none' });
    await expect(missing).rejects.toMatchObject({ problem: { code: 'provider_error', status: 404 } });
    claude.on('busy', overloaded());
    await expect(ask([person(text('busy'))])).rejects.toMatchObject({ problem: { status: 529 } });
    await expect(ask([])).rejects.toBeInstanceOf(ProblemError);
  });

  it('a partial answer is not taken for a complete one', async () => {
    claude.on('cut', { blocks: 'This will break off.', wire: { cut: { afterEvents: 4 } } });
    await expect(ask([person(text('cut'))])).rejects.toBeInstanceOf(ProblemError);
  });

  it('a cancelled request stops the provider', async () => {
    claude.on('long', { blocks: 'word '.repeat(2_000), pace: { chunksPerSecond: 20 } });
    const stop = new AbortController();
    const request = { model: 'claude-sonnet-5-5', maxTokens: 1_000, tools: [], toolRequired: false, options: {} };
    const reason = new Error('cancelled');
    const answer = models.respond(
      { ...request, messages: [person(text('long'))] },
      () => stop.abort(reason),
      stop.signal,
    );
    await expect(answer).rejects.toBe(reason);
    await expect.poll(() => claude.requests[0]?.hungUp, { timeout: 10_000 }).toBeDefined();
  });
});
