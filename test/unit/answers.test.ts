import { buffer } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Answers } from '../../server/src/llm/answers/answers.ts';
import { answerKey } from '../../server/src/llm/answers/key.ts';
import type { SharedAnswer } from '../../server/src/llm/answers/shared-answer.ts';
import { MemoryCache } from '../../server/src/storage/memory/memory-cache.ts';

const message = JSON.stringify({ type: 'message', content: [{ type: 'text', text: 'four' }], stop_reason: 'end_turn' });
const sse = 'event: message_start\ndata: {}\n\nevent: message_stop\ndata: {}\n\n';

/** A provider that the test controls by hand. */
class Provider {
  calls = 0;
  sink!: SharedAnswer;
  signal!: AbortSignal;
  #done = Promise.withResolvers<void>();
  readonly ask = (sink: SharedAnswer, signal: AbortSignal): Promise<void> => {
    this.calls++;
    this.sink = sink;
    this.signal = signal;
    this.#done = Promise.withResolvers<void>();
    return this.#done.promise;
  };

  begin(contentType = 'application/json', status = 200): void {
    this.sink.writeHead(status, { 'content-type': contentType });
  }

  async end(text = ''): Promise<void> {
    await new Promise<void>((resolve) => this.sink.end(text, resolve));
    this.#done.resolve();
    for (let turn = 0; turn < 5; turn++) await nextTurn();
  }

  fail(error: Error): void {
    this.#done.reject(error);
  }
}

function setUp(maxBytes?: number) {
  const cache = new MemoryCache();
  const provider = new Provider();
  const answers = new Answers({ cache, ttlMs: 60_000, ...(maxBytes ? { maxBytes } : {}) });
  const get = (signal = new AbortController().signal) => answers.get('k', provider.ask, signal);
  return { cache, provider, answers, get };
}

async function begun(provider: Provider): Promise<void> {
  while (provider.calls === 0) await nextTurn();
}

test('a cached answer is replayed, and a stream as a stream', async () => {
  for (const [contentType, text] of [
    ['application/json', message],
    ['text/event-stream', sse],
  ] as const) {
    const { provider, get } = setUp();
    const first = get();
    await begun(provider);
    provider.begin(contentType);
    expect((await first).source).toBe('asked');
    await provider.end(text);
    expect((await buffer((await first).body)).toString()).toBe(text);
    const second = await get();
    expect(second).toMatchObject({ source: 'kept', status: 200, headers: { 'content-type': contentType } });
    expect((await buffer(second.body)).toString()).toBe(text);
    expect(provider.calls).toBe(1);
  }
});

test('a hundred simultaneous requests share one call, and each client reads at its own pace', async () => {
  const { provider, get } = setUp();
  const all = Array.from({ length: 100 }, () => get());
  await begun(provider);
  provider.begin();
  const answered = await Promise.all(all);
  expect(answered.filter(({ source }) => source === 'joined')).toHaveLength(99);
  provider.sink.write(message.slice(0, 10));
  await nextTurn();
  const early = answered.slice(0, 50).map(({ body }) => buffer(body));
  await provider.end(message.slice(10));
  const late = answered.slice(50).map(({ body }) => buffer(body));
  for (const bytes of await Promise.all([...early, ...late])) expect(bytes.toString()).toBe(message);
  expect(provider.calls).toBe(1);
});

test('a client that leaves does not end the call for the others; when the last has left, the call is canceled', async () => {
  const { provider, get } = setUp();
  const [one, two] = [get(), get()];
  await begun(provider);
  provider.begin();
  (await one).body.destroy();
  await nextTurn();
  expect(provider.signal.aborted).toBe(false);
  (await two).body.destroy();
  await nextTurn();
  expect(provider.signal.aborted).toBe(true);
});

test('an answer that is cut off is cut off for every client, and not cached', async () => {
  const { provider, cache, get } = setUp();
  const [one, two] = [get(), get()];
  await begun(provider);
  provider.begin();
  provider.sink.write('{"type":');
  provider.sink.destroy(new Error('reset'));
  await expect(buffer((await one).body)).rejects.toThrow('reset');
  await expect(buffer((await two).body)).rejects.toThrow('reset');
  expect(cache.bytes).toBe(0);
});

test('a refused call is refused for every waiting client', async () => {
  const { provider, get } = setUp();
  const all = Promise.allSettled([get(), get()]);
  await begun(provider);
  provider.fail(new Error('overloaded'));
  for (const one of await all) expect(one).toMatchObject({ status: 'rejected', reason: new Error('overloaded') });
});

test('answers that call a tool, failed, are incomplete or too long are not cached', async () => {
  const tool = JSON.stringify({ content: [{ type: 'tool_use' }], stop_reason: 'tool_use' });
  const rows = [
    ['application/json', 200, tool],
    ['application/json', 529, message],
    ['text/event-stream', 200, 'event: message_start\ndata: {}\n\n'],
    ['application/json', 200, `${message}${' '.repeat(500)}`],
  ] as const;
  for (const [contentType, status, text] of rows) {
    const { provider, cache, get } = setUp(400);
    const asked = get();
    await begun(provider);
    provider.begin(contentType, status);
    const reading = buffer((await asked).body);
    await provider.end(text);
    expect((await reading).toString()).toBe(text);
    expect(cache.bytes).toBe(0);
  }
});

test('of a long answer only the part that the slowest client has not read is held, and the provider waits for that client', async () => {
  const { provider, get } = setUp(100_000);
  const [fast, slow] = [get(), get()];
  await begun(provider);
  provider.begin();
  const [first, second] = [(await fast).body, (await slow).body];
  let taken = 0;
  first.on('data', (piece: Buffer) => {
    taken += piece.length;
  });
  let accepted = 0;
  for (let piece = 0; piece < 100 && provider.sink.write(Buffer.alloc(16_384)); piece++) {
    accepted++;
    await nextTurn();
  }
  expect(accepted).toBeLessThan(30);
  // A client that arrives now could no longer get the beginning.
  expect(provider.sink.complete).toBe(false);
  second.destroy();
  await provider.end();
  expect(taken).toBe((accepted + 1) * 16_384);
});

test('a cached answer of another version is not used', async () => {
  const { provider, cache, get } = setUp();
  await cache.set('answer:k', Buffer.from('no line'), 60_000);
  const asked = get();
  await begun(provider);
  provider.begin();
  expect((await asked).source).toBe('asked');
});

const request = { model: 'm', temperature: 0, messages: [{ role: 'user', content: 'hi' }] };
const keyOf = (body: object | string, wish?: 'use' | 'off', owner = 'ann') =>
  answerKey(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), wish, owner, ['/v1/messages']);

test('equal requests have the same key, whatever the order of their members', () => {
  const { model, temperature, messages } = request;
  expect(keyOf({ messages, temperature, model })).toBe(keyOf(request));
  expect(keyOf({ ...request, metadata: { user_id: 'x' } })).toBe(keyOf(request));
  expect(keyOf(JSON.stringify(request, null, 2))).toBe(keyOf(request));
});

test('every relevant difference makes another key', () => {
  const others = [
    { ...request, model: 'n' },
    { ...request, max_tokens: 5 },
    { ...request, system: 'Be brief.' },
    { ...request, stream: true },
    { ...request, tools: [] },
    { ...request, messages: [{ role: 'user', content: 'hi ' }] },
    { ...request, messages: [...request.messages, ...request.messages] },
    { ...request, unknown: 1 },
  ];
  const keys = new Set([keyOf(request), ...others.map((other) => keyOf(other)), keyOf(request, undefined, 'ben')]);
  expect(keys.size).toBe(others.length + 2);
});

test('only requests with a temperature of 0 have a key, unless the client requests it', () => {
  const { temperature: _, ...warm } = request;
  expect(keyOf(warm)).toBeNull();
  expect(keyOf({ ...warm, temperature: 0.7 })).toBeNull();
  expect(keyOf({ ...warm, messages: [{ role: 'user', content: '"temperature":0' }] })).toBeNull();
  expect(keyOf(warm, 'use')).not.toBeNull();
  expect(keyOf(request, 'off')).toBeNull();
  expect(keyOf('{"temperature":0', 'use')).toBeNull();
  expect(keyOf({ ...request, messages: 'x'.repeat(5_000_000) }, 'use')).toBeNull();
});
