import type { CacheBreak } from '@devlm/protocol/prompt-cache.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

/* Tests whether the provider's prompt cache works from message to message, and what is reported if it does not. */

let claude: Awaited<ReturnType<typeof startClaude>>;
let server: TestServer;
/** About 8,000 tokens. */
const long = 'The bittern stands in the reeds and is not seen. '.repeat(700);

beforeAll(async () => {
  claude = await startClaude();
  server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'off'] });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await claude[Symbol.asyncDispose]();
});
beforeEach(() => {
  claude.reset();
  claude.on(any, { blocks: 'It booms.' });
});

/** Sends the messages one after the other, and returns the cache break that was reported after each. */
async function say(messages: readonly Partial<Parameters<typeof send>[3] & { before: () => void }>[]) {
  const conversationId = await newConversation(server);
  using reader = new Reader(() => server, conversationId);
  const breaks: (CacheBreak | undefined)[] = [];
  let parent: string | null = null;
  for (const { before, ...more } of messages) {
    before?.();
    parent = await send(server, conversationId, breaks.length === 0 ? long : 'And then?', { parent, ...more });
    const turn = await reader.ended(parent);
    expect(turn.status).toBe('completed');
    breaks.push(turn.steps.at(-1)?.cacheBreak);
  }
  return breaks;
}

test('a continued conversation reads its prompt from the cache', async () => {
  expect(await say([{}, {}, {}])).toEqual([undefined, undefined, undefined]);
});

test('a change of the model is reported as a cache break, and the next message uses the new cache', async () => {
  const [, , changed, after] = await say([{}, {}, { model: 'claude-haiku-4-5' }, { model: 'claude-haiku-4-5' }]);
  expect(changed).toMatchObject({ cause: 'model' });
  expect(changed?.tokens).toBeGreaterThan(4_000);
  expect(after).toBeUndefined();
});

test('a cache break by added tools names the tools', async () => {
  const [, changed] = await say([{}, { task: 'commit' }]);
  expect(changed).toMatchObject({ cause: 'tools', tools: expect.arrayContaining(['propose']) });
});

test('a cache break is attributed to the provider if the prompt has not changed', async () => {
  const forget = () => {
    claude.reset();
    claude.on(any, { blocks: 'It booms.' });
  };
  const [, changed] = await say([{}, { before: forget }]);
  expect(changed).toMatchObject({ cause: 'provider' });
});

test('a branch that begins earlier is not a cache break', async () => {
  const conversationId = await newConversation(server);
  using reader = new Reader(() => server, conversationId);
  await reader.ended(await send(server, conversationId, long));
  const other = await reader.ended(await send(server, conversationId, `Other words. ${long}`));
  expect(other.steps.at(-1)?.cacheBreak).toBeUndefined();
});
