import Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { toolUse } from '../support/claude/answer.ts';
import { httpError } from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { TestServer } from '../support/server.ts';

/* Cached answers of the Messages endpoint, as clients see them. */

let claude: Claude;
let server: TestServer;
let sdk: Anthropic;
const body = {
  model: 'claude-sonnet-4-6',
  max_tokens: 1000,
  temperature: 0,
  messages: [{ role: 'user' as const, content: 'Two and two?' }],
};
/** An older API version, because the newest has no temperature. */
const headers = { 'anthropic-version': '2023-06-01' };

beforeAll(async () => {
  claude = await startClaude();
  server = await TestServer.start({ claudeUrl: claude.url });
  sdk = clientOf(server.discovery.secret);
});
afterEach(() => claude.reset());
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await claude?.[Symbol.asyncDispose]();
});

const clientOf = (authToken: string) =>
  new Anthropic({ baseURL: `${server.origin}/llm`, apiKey: null, authToken, maxRetries: 0, defaultHeaders: headers });
let question = 0;
/** Returns a request that was not sent before. */
const fresh = () => ({ ...body, messages: [{ role: 'user' as const, content: `What is ${question++}?` }] });
const asked = async (request: typeof body, more: Record<string, string> = {}, client = sdk) => {
  const { data, response } = await client.messages.create(request, { headers: more }).withResponse();
  return { text: data.content.map((block) => ('text' in block ? block.text : block.type)).join(''), response };
};
const sourceOf = ({ response }: { response: Response }) => response.headers.get('x-devlm-cache');

it('an identical request gets the cached answer and is paid only once', async () => {
  claude.on(any, 'Four.');
  const request = fresh();
  expect(sourceOf(await asked(request))).toBe('asked');
  const spent = async () => (await server.client.call('usage.today', { query: {} })).costUsd;
  await expect.poll(spent, { timeout: 10_000 }).toBeGreaterThan(0);
  const before = await spent();
  const again = await asked(Object.fromEntries(Object.entries(request).toReversed()) as typeof body);
  expect(again.text).toBe('Four.');
  expect(sourceOf(again)).toBe('kept');
  expect(claude.requests).toHaveLength(1);
  expect(await spent()).toBe(before);
});

it('a cached stream is replayed as a stream', async () => {
  claude.on(any, { blocks: 'One two three four.', pace: { chunkChars: 4 } });
  const request = fresh();
  for (const source of ['asked', 'kept']) {
    const stream = sdk.messages.stream(request);
    expect((await stream.withResponse()).response.headers.get('x-devlm-cache')).toBe(source);
    expect(await stream.finalText()).toBe('One two three four.');
  }
  expect(claude.requests).toHaveLength(1);
});

it('a hundred simultaneous identical requests make one call', async () => {
  claude.on(any, { blocks: 'Four.', pace: { startDelayMs: 500 } });
  const request = fresh();
  const all = await Promise.all(Array.from({ length: 100 }, () => asked(request)));
  expect(new Set(all.map(({ text }) => text))).toEqual(new Set(['Four.']));
  expect(all.filter((one) => sourceOf(one) === 'asked')).toHaveLength(1);
  expect(claude.requests).toHaveLength(1);
});

it('a shared call continues for the remaining clients, and is canceled when all have left', async () => {
  claude.on(any, { blocks: 'word '.repeat(400), pace: { chunksPerSecond: 40 } });
  const request = fresh();
  const [one, two] = [sdk.messages.stream(request), sdk.messages.stream(request)];
  await Promise.all([one.withResponse(), two.withResponse()]);
  one.abort();
  await new Promise((resolve) => two.once('text', resolve));
  expect(claude.requests[0]?.hungUp).toBeUndefined();
  two.abort();
  await expect.poll(() => claude.requests[0]?.hungUp, { timeout: 10_000 }).toBeDefined();
  for (const stream of [one, two]) await stream.done().catch(() => undefined);
});

it('answers that call a tool, failed, have another temperature than 0 or must not be cached are not shared', async () => {
  const tools = [{ name: 'look', input_schema: { type: 'object' as const } }];
  const { temperature: _, ...warm } = fresh();
  for (const [answer, request, more] of [
    [toolUse('look', {}), { ...fresh(), tools }, {}],
    [httpError(400), fresh(), {}],
    ['Four.', warm, {}],
    ['Four.', fresh(), { 'x-devlm-cache': 'off' }],
  ] as const) {
    claude.reset();
    claude.on(any, answer);
    for (let time = 0; time < 2; time++)
      await sdk.messages.create(request, { headers: more }).catch((error: unknown) => error);
    expect({ answer, calls: claude.requests.length }).toEqual({ answer, calls: 2 });
  }
});

it('the cache header of a client overrides the temperature, and is not forwarded', async () => {
  claude.on(any, 'Four.');
  const { temperature: _, ...warm } = fresh();
  const wish = { 'x-devlm-cache': 'use' };
  for (let time = 0; time < 2; time++) await sdk.messages.create(warm, { headers: wish });
  expect(claude.requests).toHaveLength(1);
  expect(claude.requests[0]?.headers['x-devlm-cache']).toBeUndefined();
});
