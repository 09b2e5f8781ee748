import type { Usage } from '@devlm/protocol/events.ts';
import { expect, test } from 'vitest';
import type { ModelRequest } from '../../server/src/llm/model.ts';
import { PromptCacheWatch } from '../../server/src/llm/prompt-cache.ts';

const tool = (name: string, description = 'does it') => ({ name, description, inputSchema: { type: 'object' } });
const request: ModelRequest = {
  model: 'm',
  system: 'You are helpful.',
  tools: [tool('read'), tool('write')],
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'hello' }] },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', text: 'hm', signature: 's' },
        { type: 'text', text: 'yes' },
      ],
    },
  ],
  thinking: true,
};
const used = (cacheReadTokens: number): Usage => ({
  inputTokens: 20_000 - cacheReadTokens,
  outputTokens: 5,
  cacheReadTokens,
  cacheWriteTokens: 0,
});
const lost = used(0);

/** Returns the report about a second step that differs from the first only in this. */
function second(change: Partial<ModelRequest>, options: { usage?: Usage; path?: string[]; after?: number } = {}) {
  const watch = new PromptCacheWatch();
  watch.begin('c', ['', 't1'], request, 0)(lost);
  const { usage = lost, path = ['', 't1', 't2'], after = 1_000 } = options;
  return watch.begin('c', path, { ...request, ...change }, after)(usage);
}

test.each<[string, Partial<ModelRequest>, object]>([
  ['another model', { model: 'n' }, { cause: 'model' }],
  ['a tool more', { tools: [...request.tools, tool('mcp_x')] }, { cause: 'tools', tools: ['mcp_x'] }],
  ['a tool described anew', { tools: [tool('read'), tool('write', 'other')] }, { cause: 'tools', tools: ['write'] }],
  ['tools in another order', { tools: request.tools.toReversed() }, { cause: 'tools' }],
  ['another system prompt', { system: 'Be brief.' }, { cause: 'system' }],
  ['nothing', {}, { cause: 'provider' }],
])('the cause of a cache break is reported: %s', (_name, change, expected) => {
  expect(second(change)).toEqual({ ...expected, tokens: 20_000 });
});

test('a changed part of the conversation is reported by its kind', () => {
  const [question, answer] = request.messages;
  if (!question || !answer) throw new Error('no messages');
  const without = { ...answer, content: answer.content.slice(1) };
  expect(second({ messages: [question, without] })).toMatchObject({ cause: 'thinking' });
  const other = { role: 'user' as const, content: [{ type: 'text' as const, text: 'hullo' }] };
  expect(second({ messages: [other, answer] })).toMatchObject({ cause: 'earlier' });
});

test('a cache break after five minutes is caused by the time', () => {
  expect(second({}, { after: 301_000 })).toMatchObject({ cause: 'time' });
});

test('a working cache, a short prompt, another branch and a summarized beginning are no cache breaks', () => {
  expect(second({}, { usage: used(19_000) })).toBeNull();
  expect(second({ system: 'x' }, { path: ['', 't9'] })).toBeNull();
  expect(second({ system: 'x' }, { path: ['summary', 't1', 't2'] })).toBeNull();
  const watch = new PromptCacheWatch();
  const small = { ...lost, inputTokens: 900 };
  watch.begin('c', [''], request, 0)(small);
  expect(watch.begin('c', [''], { ...request, system: 'x' }, 1)(small)).toBeNull();
});

test('the number of watched conversations is bounded', () => {
  const watch = new PromptCacheWatch();
  for (let index = 0; index < 1_200; index++) watch.begin(`c${index}`, [''], request, 0)(lost);
  expect(watch.begin('c0', [''], { ...request, model: 'n' }, 1)(lost)).toBeNull();
  expect(watch.begin('c1199', [''], { ...request, model: 'n' }, 1)(lost)).toMatchObject({ cause: 'model' });
});
