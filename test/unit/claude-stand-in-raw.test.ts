import Anthropic from '@anthropic-ai/sdk';
import type { RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages';
import { describe, expect, onTestFinished, test } from 'vitest';
import { rawSse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';

/*
 * Bodies in every shape that the official SDK's own streaming fixtures have: JSON with blanks before its last
 * brace, usage with and without cache figures, missing fields, empty deltas, tool input that never ends, a block
 * without a stop, refusals with undocumented details, blocks of a newer type.
 */

const start = (usage: object) =>
  event('message_start', {
    message: {
      id: 'msg_raw',
      type: 'message',
      role: 'assistant',
      content: [],
      model: 'claude-opus-5-5',
      stop_reason: null,
      stop_sequence: null,
      usage,
    },
  });
const open = (index: number, content_block: object) => event('content_block_start', { index, content_block });
const delta = (index: number, change: object) => event('content_block_delta', { index, delta: change });
const close = (index: number) => event('content_block_stop', { index });
const end = (stop_reason: string, usage: object, more: object = {}) =>
  event('message_delta', { delta: { stop_reason, stop_sequence: null, ...more }, usage }) + event('message_stop', {});
const ping = 'event: ping\ndata: {"type": "ping"}\n\n';
const json = (partial_json: string) => ({ type: 'input_json_delta', partial_json });
const words = (text: string) => ({ type: 'text_delta', text });

/** The API pads its events with spaces, so that their length reveals nothing. */
function event(type: string, data: object): string {
  const text = JSON.stringify({ type, ...data });
  const blanks = ' '.repeat((text.length * 7) % 16);
  return `event: ${type}\ndata: ${text.slice(0, -1)}${blanks}}\n\n`;
}

const bodies: Record<string, string> = {
  'a greeting, with the least of usage':
    start({ input_tokens: 9, output_tokens: 1 }) +
    open(0, { type: 'text', text: '' }) +
    ping +
    delta(0, words('Good')) +
    delta(0, words(' day')) +
    close(0) +
    end('end_turn', { output_tokens: 4 }),
  'a tool call in odd pieces':
    start({ input_tokens: 300, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 }) +
    open(0, { type: 'text', text: '' }) +
    delta(0, words('I will look.')) +
    close(0) +
    open(1, { type: 'tool_use', id: 'toolu_raw', name: 'look', input: {} }) +
    delta(1, json('')) +
    delta(1, json('{"wher')) +
    delta(1, json('e": "in O')) +
    delta(1, json('slo"}')) +
    close(1) +
    end('tool_use', { output_tokens: 40 }),
  'a tool call that ran out of tokens: its block never stops':
    start({ input_tokens: 300, output_tokens: 1, service_tier: 'standard' }) +
    open(0, { type: 'tool_use', id: 'toolu_raw', name: 'write', input: {} }) +
    delta(0, json('')) +
    delta(0, json('{"lines": [\n"one",\n"tw')) +
    end('max_tokens', { output_tokens: 50 }),
  'thinking with a signature, then a refusal with unknown details':
    start({
      input_tokens: 20,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
      output_tokens: 2,
      inference_geo: 'global',
    }) +
    open(0, { type: 'thinking', thinking: '', signature: '' }) +
    ping +
    delta(0, { type: 'thinking_delta', thinking: 'An owl — “hm” 🦉\u2028' }) +
    delta(0, { type: 'thinking_delta', thinking: '' }) +
    delta(0, { type: 'signature_delta', signature: 'c2lnbmF0dXJl' }) +
    close(0) +
    open(1, { type: 'text', text: '' }) +
    delta(1, words('No')) +
    close(1) +
    end(
      'refusal',
      { output_tokens: 30, output_tokens_details: { thinking_tokens: 20 }, iterations: [{ type: 'message' }] },
      { stop_details: { type: 'refusal', category: null, explanation: null, fallback_credit_token: 'tok' } },
    ),
  'a search at the provider':
    start({ input_tokens: 30, output_tokens: 3 }) +
    open(0, { type: 'server_tool_use', id: 'srvtoolu_raw', name: 'web_search', input: {} }) +
    delta(0, json('')) +
    delta(0, json('{"query": "owl')) +
    delta(0, json('s"}')) +
    close(0) +
    open(1, {
      type: 'web_search_tool_result',
      tool_use_id: 'srvtoolu_raw',
      content: [
        {
          type: 'web_search_result',
          title: 'Owls',
          url: 'https://example.com',
          encrypted_content: 'x',
          page_age: 'May 1',
        },
      ],
    }) +
    close(1) +
    open(2, { citations: [], type: 'text', text: '' }) +
    delta(2, words('Owls are birds.')) +
    delta(2, {
      type: 'citations_delta',
      citation: {
        type: 'web_search_result_location',
        url: 'https://example.com',
        title: 'Owls',
        cited_text: 'x',
        encrypted_index: 'y',
      },
    }) +
    close(2) +
    end('end_turn', { output_tokens: 60 }),
  'a block of a later kind':
    start({ input_tokens: 30, output_tokens: 3 }) +
    open(0, { type: 'fallback', from: { model: 'a' }, to: { model: 'b' } }) +
    close(0) +
    open(1, { type: 'text', text: '' }) +
    delta(1, words('Hi')) +
    close(1) +
    end('end_turn', { output_tokens: 6 }),
};

async function begin(raw: string | Uint8Array) {
  const claude = await startClaude({ scenarios: [{ match: any, answer: rawSse(raw) }] });
  onTestFinished(() => claude[Symbol.asyncDispose]());
  const sdk = new Anthropic({ apiKey: 'k', baseURL: claude.url, maxRetries: 0, logLevel: 'off' });
  return { claude, sdk };
}

const request = {
  model: 'claude-opus-5-5',
  max_tokens: 500,
  stream: true,
  messages: [{ role: 'user', content: 'go' }],
} as const satisfies Anthropic.MessageCreateParams;

async function bytesOf(url: string): Promise<Buffer> {
  const response = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify(request),
  });
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  return Buffer.from(await response.arrayBuffer());
}

describe.each(Object.entries(bodies))('%s', (_, body) => {
  test('a raw body is sent unchanged', async () => {
    const { claude } = await begin(body);
    expect((await bytesOf(claude.url)).equals(Buffer.from(body))).toBe(true);
  });

  test('the SDK receives every event of a raw body', async () => {
    const { sdk } = await begin(body);
    const seen: RawMessageStreamEvent[] = [];
    for await (const each of await sdk.messages.create({ ...request, messages: [...request.messages] }))
      seen.push(each);
    const sent = [...body.matchAll(/(?<=\n)data: ([^\n]*)/g)].map(
      ([, data]) => JSON.parse(data ?? '') as { type: string },
    );
    expect(seen).toEqual(sent.filter((each) => each.type !== 'ping'));
  });
});

test('raw bodies that are not streams are sent unchanged', async () => {
  const odd = [
    'data: {"no":"event"}\n\n',
    'event: empty\n\n',
    'event: ping\ndata: {\ndata: "in":\ndata:\ndata: 1}\n\n\n',
    ': a comment\r\n\r\nevent: x\r\ndata: {}\r\n\r\n',
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    'data: cut of',
    '',
  ];
  for (const body of odd) {
    const { claude } = await begin(body);
    expect((await bytesOf(claude.url)).toString()).toBe(body);
  }
  const bytes = Uint8Array.from({ length: 512 }, (_, at) => at % 256);
  const { claude } = await begin(bytes);
  expect((await bytesOf(claude.url)).equals(Buffer.from(bytes))).toBe(true);
});

test('thinking of a raw body can be sent back', async () => {
  const { claude, sdk } = await begin(bodies['thinking with a signature, then a refusal with unknown details'] ?? '');
  const message = await sdk.messages.stream(request).finalMessage();
  claude.on(any, 'Fine.');
  const next = { ...request, stream: false } as const;
  const history = (signature: string): Anthropic.MessageParam[] => [
    { role: 'user', content: 'go' },
    {
      role: 'assistant',
      content: message.content.map((block) =>
        block.type === 'thinking' ? { ...block, signature } : { type: 'text', text: 'No' },
      ),
    },
    { role: 'user', content: 'why?' },
  ];
  await sdk.messages.create({ ...next, messages: history('c2lnbmF0dXJl') });
  await expect(sdk.messages.create({ ...next, messages: history('b3RoZXI=') })).rejects.toThrow('Invalid `signature`');
});
