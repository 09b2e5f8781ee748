import Anthropic from '@anthropic-ai/sdk';
import type { MessageCreateParamsNonStreaming, TextBlockParam } from '@anthropic-ai/sdk/resources/messages';
import { expect, onTestFinished, test } from 'vitest';
import * as fault from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';

const minute = 60_000;

async function begin() {
  const clock = { now: 0 };
  const claude = await startClaude({ now: () => clock.now });
  onTestFinished(() => claude[Symbol.asyncDispose]());
  const options = { baseURL: claude.url, maxRetries: 0, logLevel: 'off' } as const;
  const sdk = new Anthropic({ apiKey: 'one', ...options });
  const other = new Anthropic({ apiKey: 'two', ...options });
  const usage = async (request: MessageCreateParamsNonStreaming, by = sdk) => {
    const { usage: counted } = await by.messages.create(request);
    return {
      input: counted.input_tokens,
      write: counted.cache_creation_input_tokens,
      read: counted.cache_read_input_tokens,
      hour: counted.cache_creation?.ephemeral_1h_input_tokens,
    };
  };
  return { claude, clock, sdk, other, usage };
}

const words = (tokens: number) => 'abc '.repeat(tokens);
const cached = (tokens: number, ttl?: '5m' | '1h'): TextBlockParam => ({
  type: 'text',
  text: words(tokens),
  cache_control: { type: 'ephemeral', ttl },
});
/** A system prompt of 2,000 tokens, and a message of 4 + 4. */
const request: MessageCreateParamsNonStreaming = {
  model: 'claude-opus-5-5',
  max_tokens: 100,
  system: [cached(2000)],
  messages: [{ role: 'user', content: words(4) }],
};

test('a prefix is written once, then read, for five minutes from its last use', async () => {
  const { clock, usage } = await begin();
  expect(await usage(request)).toEqual({ input: 8, write: 2000, read: 0, hour: 0 });
  clock.now += 4 * minute;
  expect(await usage(request)).toEqual({ input: 8, write: 0, read: 2000, hour: 0 });
  clock.now += 4 * minute;
  expect((await usage(request)).read).toBe(2000);
  clock.now += 5 * minute;
  expect(await usage(request)).toEqual({ input: 8, write: 2000, read: 0, hour: 0 });
});

test('a prefix is cached for an hour if the request asks for it', async () => {
  const { clock, usage } = await begin();
  const long = { ...request, system: [cached(2000, '1h')] };
  expect(await usage(long)).toEqual({ input: 8, write: 2000, read: 0, hour: 2000 });
  clock.now += 59 * minute;
  expect((await usage(long)).read).toBe(2000);
});

test('a growing conversation reads what it wrote in the turn before', async () => {
  const { usage } = await begin();
  const first = { ...request, messages: [{ role: 'user' as const, content: [cached(100)] }] };
  expect(await usage(first)).toMatchObject({ input: 0, write: 2104, read: 0 });
  const second = {
    ...request,
    messages: [
      { role: 'user' as const, content: words(100) },
      { role: 'assistant' as const, content: words(50) },
      { role: 'user' as const, content: [cached(20)] },
    ],
  };
  expect(await usage(second)).toMatchObject({ input: 0, write: 78, read: 2104 });
});

test('an earlier cache entry is found up to twenty blocks back', async () => {
  const { usage } = await begin();
  const block = (text: string): TextBlockParam => ({ type: 'text', text });
  const first = { ...request, system: undefined, messages: [{ role: 'user' as const, content: [cached(2000)] }] };
  await usage(first);
  const with_ = (between: number) => ({
    ...first,
    messages: [
      {
        role: 'user' as const,
        content: [block(words(2000)), ...Array.from({ length: between }, () => block(words(1))), cached(1)],
      },
    ],
  });
  expect((await usage(with_(19))).read).toBe(0);
  expect((await usage(with_(18))).read).toBe(2004);
});

test('the cache depends on the key, the model and everything before the breakpoint', async () => {
  const { usage, other } = await begin();
  await usage(request);
  expect((await usage(request, other)).read).toBe(0);
  expect((await usage({ ...request, model: 'claude-sonnet-5-5' })).read).toBe(0);
  const tool = { name: 'run', input_schema: { type: 'object' as const } };
  expect((await usage({ ...request, tools: [tool] })).read).toBe(0);
  expect((await usage({ ...request, messages: [{ role: 'user', content: 'other' }] })).read).toBe(2000);
});

test('enabling thinking keeps the system prompt cached, but not the messages', async () => {
  const { usage } = await begin();
  const both = { ...request, messages: [{ role: 'user' as const, content: [cached(100)] }] };
  await usage(both);
  expect(await usage({ ...both, thinking: { type: 'adaptive' } })).toMatchObject({ read: 2000, write: 104 });
});

test('a prefix below the minimum of the model is not cached', async () => {
  const { usage } = await begin();
  const small = { ...request, system: [cached(1000)] };
  expect(await usage(small)).toMatchObject({ input: 1008, write: 0, read: 0 });
  const haiku = { ...request, model: 'claude-haiku-4-5' };
  expect(await usage(haiku)).toMatchObject({ input: 2008, write: 0 });
});

test('the breakpoint of a whole request is at its last block', async () => {
  const { usage } = await begin();
  const auto = { ...request, system: words(2000), cache_control: { type: 'ephemeral' as const } };
  expect(await usage(auto)).toMatchObject({ input: 0, write: 2008 });
  expect(await usage(auto)).toMatchObject({ input: 0, read: 2008 });
});

test('a failed request writes nothing to the cache, and a reset clears the cache', async () => {
  const { claude, sdk, usage } = await begin();
  claude.on(any, fault.overloaded(), { times: 1 });
  await expect(sdk.messages.create(request)).rejects.toThrow();
  expect((await usage(request)).write).toBe(2000);
  claude.reset();
  expect((await usage(request)).write).toBe(2000);
});

test('max_tokens 0 fills the cache without an answer', async () => {
  const { sdk, usage } = await begin();
  const message = await sdk.messages.create({ ...request, max_tokens: 0 });
  expect(message).toMatchObject({ content: [], stop_reason: 'max_tokens' });
  expect((await usage(request)).read).toBe(2000);
});
