import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redactedThinking, thinking, toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';

let claude: Claude;
beforeAll(async () => {
  claude = await startClaude({ apiKeys: ['good'] });
});
afterAll(() => claude[Symbol.asyncDispose]());

const user = (content: unknown) => ({ role: 'user', content });
const assistant = (content: unknown) => ({ role: 'assistant', content });
const call = (id: string) => ({ type: 'tool_use', id, name: 'run', input: {} });
const result = (id: string) => ({ type: 'tool_result', tool_use_id: id, content: 'ok' });
const base = { model: 'claude-sonnet-4-6', max_tokens: 2000, messages: [user('hi')] };
const cached = { cache_control: { type: 'ephemeral' } };

async function send(body: unknown, headers: Record<string, string> = {}, path = '/v1/messages') {
  const response = await fetch(`${claude.url}${path}`, {
    method: 'POST',
    headers: { 'x-api-key': 'good', 'anthropic-version': '2023-06-01', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const json = (await response.json()) as {
    error?: { type: string; message: string };
    request_id?: string;
    content?: { type: string }[];
  };
  return { status: response.status, ...json };
}

describe('credentials and versions', () => {
  test.each([
    [{ 'x-api-key': '' }, 401, 'x-api-key header is required'],
    [{ 'x-api-key': 'bad' }, 401, 'invalid x-api-key'],
    [{ 'x-api-key': '', authorization: 'Bearer bad' }, 401, 'invalid x-api-key'],
    [{ 'anthropic-version': '' }, 400, 'anthropic-version: header is required'],
    [{ 'anthropic-version': '1' }, 400, 'anthropic-version: "1" is not a valid version'],
    [{ 'anthropic-version': '2026-10-21' }, 200, undefined],
    [{ 'x-api-key': '', authorization: 'Bearer good' }, 200, undefined],
  ])('a request with the headers %j is accepted or refused', async (headers, status, message) => {
    const answer = await send(base, headers);
    expect([answer.status, answer.error?.message]).toEqual([status, message]);
    if (status === 401) expect(answer.error?.type).toBe('authentication_error');
  });
});

describe('refused requests', () => {
  const png = 'iVBORw0KGgoAAAA=';
  const image = (media_type: string, data: string) => ({ type: 'image', source: { type: 'base64', media_type, data } });
  const tool = { name: 'run', input_schema: { type: 'object' } };

  test.each<[string, object]>([
    ['model: Field required', { model: undefined }],
    ['max_tokens: Field required', { max_tokens: undefined }],
    ['messages: Field required', { messages: undefined }],
    ['messages: at least one item is required', { messages: [] }],
    [
      "messages.0.role: Input should be 'user' or 'assistant' or 'system'",
      { messages: [{ role: 'bot', content: 'x' }] },
    ],
    ['messages: first message must use the "user" role', { messages: [assistant('hi')] }],
    ['messages.0: all messages must have non-empty content', { messages: [user('')] }],
    ['messages.1: all messages must have non-empty content', { messages: [user('a'), assistant([]), user('b')] }],
    ['messages: text content blocks must be non-empty', { messages: [user([{ type: 'text', text: '' }])] }],
    ['messages.0.content.0.text.text: Field required', { messages: [user([{ type: 'text' }])] }],
    ['messages.0.content.0.text.colour: Extra inputs', { messages: [user([{ type: 'text', text: 'a', colour: 1 }])] }],
    ['colour: Extra inputs are not permitted', { colour: 'red' }],
    ['max_tokens: 99999 > 64000, which is the maximum', { max_tokens: 99_999 }],
    ['messages: final assistant content cannot end', { messages: [user('a'), assistant('b ')] }],
    ['does not support assistant message prefill', { model: 'claude-opus-5-5', messages: [user('a'), assistant('b')] }],
    ['messages.1: `tool_use` ids were found without `tool_result`', { messages: [user('a'), assistant([call('t1')])] }],
    [
      'immediately after: t2.',
      { messages: [user('a'), assistant([call('t1'), call('t2')]), user([result('t1')]), assistant('b'), user('c')] },
    ],
    [
      'immediately after: t1.',
      { messages: [user('a'), assistant([call('t1')]), user([{ type: 'text', text: 'first' }, result('t1')])] },
    ],
    ['messages.0.content.0: unexpected `tool_use_id`', { messages: [user([result('t9')])] }],
    [
      '`tool_use` ids must be unique',
      { messages: [user('a'), assistant([call('t1')]), user([result('t1')]), assistant([call('t1')])] },
    ],
    ['`tool_use` blocks can only be in `assistant`', { messages: [user([call('t1')])] }],
    ['`tool_result` blocks can only be in `user`', { messages: [user('a'), assistant([result('t1')])] }],
    [
      'messages.1.content.0.tool_use.input: Input should be',
      { messages: [user('a'), assistant([{ ...call('t'), input: 'x' }])] },
    ],
    [
      'Invalid `signature` in `thinking` block',
      { messages: [user('a'), assistant([{ type: 'thinking', thinking: 'x', signature: 'y' }])] },
    ],
    [
      'Invalid `data` in `redacted_thinking` block',
      { messages: [user('a'), assistant([{ type: 'redacted_thinking', data: 'y' }])] },
    ],
    [
      'thinking.budget_tokens: Input should be greater than or equal to 1024',
      { thinking: { type: 'enabled', budget_tokens: 10 } },
    ],
    ['`max_tokens` must be greater than', { thinking: { type: 'enabled', budget_tokens: 2000 } }],
    [
      '"thinking.type.enabled" is not supported',
      { model: 'claude-opus-5-5', thinking: { type: 'enabled', budget_tokens: 1024 } },
    ],
    ['"thinking.type.adaptive" is not supported', { model: 'claude-haiku-4-5', thinking: { type: 'adaptive' } }],
    ['`temperature` may only be set to 1', { thinking: { type: 'adaptive' }, temperature: 0.5 }],
    ['forces tool use', { thinking: { type: 'adaptive' }, tools: [tool], tool_choice: { type: 'any' } }],
    [
      'messages.1.content.0.type: Expected `thinking`',
      {
        thinking: { type: 'enabled', budget_tokens: 1024 },
        messages: [user('a'), assistant([call('t1')]), user([result('t1')])],
      },
    ],
    ['tools: Tool names must be unique.', { tools: [tool, tool] }],
    ['tools.0.custom.name: String should match', { tools: [{ ...tool, name: 'a b' }] }],
    ['tools.0.custom.input_schema: Field required', { tools: [{ name: 'run' }] }],
    ["Tool 'walk' not found", { tools: [tool], tool_choice: { type: 'tool', name: 'walk' } }],
    ['may only be set when `tools` is provided', { tool_choice: { type: 'auto' } }],
    ['invalid base64 data', { messages: [user([image('image/png', 'no!')])] }],
    ['does not appear to be of the media type', { messages: [user([image('image/jpeg', png)])] }],
    ["media_type: Input should be 'image/jpeg' or", { messages: [user([image('image/bmp', png)])] }],
    ['image exceeds 5 MB maximum', { messages: [user([image('image/png', `iVBORw0KGgo${'A'.repeat(8_000_001)}`)])] }],
    [
      'A maximum of 4 blocks with cache_control may be provided. Found 5.',
      { messages: [user(Array.from({ length: 5 }, () => ({ type: 'text', text: 'a', ...cached })))] },
    ],
    [
      "a ttl='1h' cache_control block must not come after",
      {
        system: [{ type: 'text', text: 'a', ...cached }],
        messages: [user([{ type: 'text', text: 'a', cache_control: { type: 'ephemeral', ttl: '1h' } }])],
      },
    ],
    [
      'prompt is too long: 200005 tokens > 200000 maximum',
      { model: 'claude-haiku-4-5', messages: [user('x'.repeat(800_004))] },
    ],
  ])('a request is refused with "%s"', async (sentence, change) => {
    const answer = await send({ ...base, ...change });
    expect(answer.error).toMatchObject({ type: 'invalid_request_error', message: expect.stringContaining(sentence) });
    expect(answer.status).toBe(400);
    expect(answer.request_id).toMatch(/^req_/);
  });

  test.each(['', 'not json', '[]', '"text"', '{"model":'])('a request with the body %j is refused', async (body) => {
    expect((await send(body)).error?.message).toContain('not valid JSON');
  });

  test('a request for an unknown or retired model is refused', async () => {
    for (const model of ['claude-nope', 'claude-3-opus-20240229']) {
      const answer = await send({ ...base, model });
      expect([answer.status, answer.error]).toEqual([404, { type: 'not_found_error', message: `model: ${model}` }]);
    }
  });

  test('a request above 32 MB is refused', async () => {
    const answer = await send({ ...base, messages: [user('x'.repeat(33 * 1024 * 1024))] });
    expect([answer.status, answer.error?.type]).toEqual([413, 'request_too_large']);
  });

  test.each<[string, object]>([
    ['temperature: Extra inputs are not permitted', { temperature: 1 }],
    ['top_k: Extra inputs are not permitted', { top_k: 5 }],
    [
      'messages.1.content.0: `document` blocks are not permitted',
      { messages: [user('a'), assistant([{ type: 'document', source: { type: 'text' } }]), user('b')] },
    ],
    [
      'messages.0.content.0.text.citations: citations are not permitted',
      { messages: [user([{ type: 'text', text: 'a', citations: [{ type: 'char_location' }] }])] },
    ],
  ])('since API version 2026-10-21, a request is refused with "%s"', async (sentence, change) => {
    const body = { ...base, ...change };
    expect((await send(body)).status).toBe(200);
    const answer = await send(body, { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'x' });
    expect([answer.status, answer.error?.message]).toEqual([400, expect.stringContaining(sentence)]);
  });

  test('the same rules apply to counting tokens', async () => {
    const { max_tokens: _, ...prompt } = base;
    const count = (body: unknown) => send(body, {}, '/v1/messages/count_tokens');
    expect((await count({ ...prompt, messages: [user([result('t9')])] })).status).toBe(400);
    expect((await count({ ...prompt, model: 'nope' })).status).toBe(404);
    expect((await count(prompt)).status).toBe(200);
  });
});

describe('accepted requests', () => {
  test('an answer with thinking and a tool call can be sent back unchanged', async () => {
    claude.on(any, [thinking('I should run it.'), redactedThinking(), toolUse('run', { fast: true }, 't1')], {
      times: 1,
    });
    const thought = { ...base, thinking: { type: 'enabled', budget_tokens: 1024 } };
    const first = await send(thought);
    const turns = (content: unknown) => [user('hi'), assistant(content), user([result('t1')])];
    expect((await send({ ...thought, messages: turns(first.content) })).status).toBe(200);

    const altered = first.content?.map((block) =>
      block.type === 'thinking' ? { ...block, thinking: 'Not this.' } : block,
    );
    const refused = await send({ ...thought, messages: turns(altered) });
    expect(refused.error?.message).toBe('messages.1.content.0: Invalid `signature` in `thinking` block');
  });

  test('consecutive messages of one role, a system message, and results over two messages are accepted', async () => {
    const messages = [
      user('a'),
      user('b'),
      { role: 'system', content: 'Now be brief.' },
      assistant([call('t1'), call('t2')]),
      user([result('t1')]),
      user([result('t2'), { type: 'text', text: 'go on' }]),
    ];
    expect((await send({ ...base, messages })).status).toBe(200);
  });

  test('a prefilled answer is accepted if the model supports it', async () => {
    expect((await send({ ...base, messages: [user('a'), assistant('It is')] })).status).toBe(200);
  });
});
