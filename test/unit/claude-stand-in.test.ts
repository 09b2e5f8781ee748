import Anthropic from '@anthropic-ai/sdk';
import type { MessageCreateParamsNonStreaming } from '@anthropic-ai/sdk/resources/messages';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  redactedThinking,
  refusal,
  serverToolUse,
  text,
  thinking,
  toolUse,
  webCitation,
  webSearchResult,
} from '../support/claude/answer.ts';
import * as fault from '../support/claude/faults.ts';
import { markdown } from '../support/claude/markdown.ts';
import { any } from '../support/claude/scenario.ts';
import { type ClaudeOptions, startClaude } from '../support/claude/server.ts';

async function begin(options: ClaudeOptions = {}) {
  const claude = await startClaude(options);
  onTestFinished(() => claude[Symbol.asyncDispose]());
  const sdk = new Anthropic({ apiKey: 'sk-test', baseURL: claude.url, maxRetries: 0, logLevel: 'off' });
  return { claude, sdk };
}

function ask(content: string): MessageCreateParamsNonStreaming {
  return { model: 'claude-opus-5-5', max_tokens: 4096, messages: [{ role: 'user', content }] };
}

const think = { type: 'adaptive', display: 'summarized' } as const;

describe('answers', () => {
  test('a request that no scenario matches is echoed', async () => {
    const { claude, sdk } = await begin();
    const message = await sdk.messages.create(ask('hello there'));
    expect(message.content).toEqual([{ type: 'text', text: 'You said: hello there', citations: null }]);
    expect(message).toMatchObject({ stop_reason: 'end_turn', model: 'claude-opus-5-5' });
    expect(message.usage).toMatchObject({ input_tokens: 7, output_tokens: 6 });
    expect(message._request_id).toBe(claude.requests[0]?.requestId);
  });

  test('every kind of block is received the same, streamed or not, by every method of the SDK', async () => {
    const cited = webCitation('Docs', 'https://example.com/docs', 'As the docs say.');
    const { sdk } = await begin({
      scenarios: [
        {
          match: /everything/,
          answer: [
            thinking('Let me think about 🦉 and others.'),
            redactedThinking('hidden'),
            serverToolUse('web_search', { query: 'owls' }),
            webSearchResult([{ title: 'Docs', url: 'https://example.com/docs' }]),
            text('As the docs say, 🦉🦉🦉 are birds.', [cited]),
            toolUse('file_read', { path: 'owls.md', ranges: [{ from: 1, to: 20 }] }),
          ],
        },
      ],
    });
    const request = { ...ask('everything'), thinking: think };
    const whole = await sdk.messages.create(request);
    const streamed = await sdk.messages.stream(request).finalMessage();
    const plain = (message: Anthropic.Message) =>
      JSON.parse(JSON.stringify(message.content).replaceAll(/toolu_01\d{16}/g, 'toolu_')) as unknown;
    expect(plain(streamed)).toEqual(plain(whole));
    expect(whole.content.map((block) => block.type)).toEqual([
      'thinking',
      'redacted_thinking',
      'server_tool_use',
      'web_search_tool_result',
      'text',
      'tool_use',
    ]);
    expect(whole.stop_reason).toBe('tool_use');
    expect(whole.usage.server_tool_use).toEqual({ web_search_requests: 1, web_fetch_requests: 0 });
    expect(streamed.usage).toEqual(whole.usage);
    const [, , call, result, prose] = whole.content;
    expect(prose).toMatchObject({ citations: [cited] });
    expect(call?.type === 'server_tool_use' && call.id).toBe(
      result?.type === 'web_search_tool_result' && result.tool_use_id,
    );
  });

  test('the raw stream has the events of the API reference in the same order', async () => {
    const { sdk } = await begin({
      scenarios: [{ match: any, answer: [thinking('hm'), text('ab'), toolUse('run', { x: 1 })] }],
    });
    const seen: string[] = [];
    for await (const event of await sdk.messages.create({ ...ask('go'), thinking: think, stream: true })) {
      seen.push(event.type === 'content_block_delta' ? event.delta.type : event.type);
    }
    const block = (...deltas: string[]) => ['content_block_start', ...deltas, 'content_block_stop'];
    expect(seen).toEqual([
      'message_start',
      ...block('thinking_delta', 'signature_delta'),
      ...block('text_delta'),
      ...block('input_json_delta', 'input_json_delta'),
      'message_delta',
      'message_stop',
    ]);
  });

  test('an answer has thinking only if the request asks for it, and an empty one if its display is omitted', async () => {
    const { sdk } = await begin({ scenarios: [{ match: any, answer: [thinking('secret plan'), text('Done.')] }] });
    expect((await sdk.messages.create(ask('go'))).content).toHaveLength(1);
    const omitted = await sdk.messages.create({ ...ask('go'), thinking: { type: 'adaptive' } });
    expect(omitted.content[0]).toMatchObject({
      type: 'thinking',
      thinking: '',
      signature: expect.stringMatching(/.+/),
    });
    expect(omitted.usage.output_tokens_details?.thinking_tokens).toBe(3);
  });

  test('max_tokens and stop sequences end an answer at the right place', async () => {
    const { sdk } = await begin({ scenarios: [{ match: any, answer: 'one two three STOP four' }] });
    const short = await sdk.messages.stream({ ...ask('go'), max_tokens: 2 }).finalMessage();
    expect(short).toMatchObject({ stop_reason: 'max_tokens', content: [{ text: 'one two ' }] });
    expect(short.usage.output_tokens).toBe(2);
    const stopped = await sdk.messages.create({ ...ask('go'), stop_sequences: ['STOP', 'never'] });
    expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'STOP' });
    expect(stopped.content).toMatchObject([{ text: 'one two three ' }]);
  });

  test('an answer can be a refusal or a paused turn', async () => {
    const { sdk } = await begin({
      scenarios: [
        { match: 'forbidden', answer: refusal('cyber', 'I was about to') },
        { match: 'long', answer: { blocks: 'So far', stopReason: 'pause_turn' } },
      ],
    });
    const refused = await sdk.messages.stream(ask('forbidden')).finalMessage();
    expect(refused).toMatchObject({ stop_reason: 'refusal', stop_details: { type: 'refusal', category: 'cyber' } });
    expect((await sdk.messages.create(ask('long'))).stop_reason).toBe('pause_turn');
  });

  test('a generated answer has the requested size and is the same every time', async () => {
    const { sdk } = await begin({
      scenarios: [{ match: any, answer: markdown({ bytes: 50_000, codeBlocks: 10 }) }],
    });
    const message = await sdk.messages.stream({ ...ask('go'), max_tokens: 20_000 }).finalMessage();
    const said = message.content[0]?.type === 'text' ? message.content[0].text : '';
    expect(Buffer.byteLength(said)).toBe(50_000);
    expect(said.match(/^```\w+$/gm)).toHaveLength(10);
    expect(said.match(/^```/gm)).toHaveLength(20);
    expect(said).toBe(markdown({ bytes: 50_000, codeBlocks: 10 }));
    expect(said).not.toBe(markdown({ bytes: 50_000, codeBlocks: 10, seed: 2 }));
  });

  test('an answer keeps its pace', async () => {
    const { sdk } = await begin({
      scenarios: [{ match: any, answer: { blocks: 'x'.repeat(100), pace: { chunkChars: 10, chunksPerSecond: 50 } } }],
    });
    const started = performance.now();
    let deltas = 0;
    for await (const event of await sdk.messages.create({ ...ask('go'), stream: true })) {
      if (event.type === 'content_block_delta') deltas++;
    }
    const took = performance.now() - started;
    expect(deltas).toBe(10);
    expect(took).toBeGreaterThan(180);
    expect(took).toBeLessThan(1000);
  });
});

describe('scenarios', () => {
  test('scenarios match on text, model, a function of the request, and the nth call', async () => {
    const { claude, sdk } = await begin({
      scenarios: [
        { match: { text: 'same', nth: 2 }, answer: 'second' },
        { match: { model: /haiku/ }, answer: 'a haiku' },
        { match: (request) => request.body.messages.length > 2, answer: 'long talk' },
        { match: 'same', answer: ({ call, text: said }) => `${said} ${call}` },
      ],
    });
    const say = async (request: MessageCreateParamsNonStreaming) => {
      const [block] = (await sdk.messages.create(request)).content;
      return block?.type === 'text' ? block.text : undefined;
    };
    expect(await say(ask('same'))).toBe('same 1');
    expect(await say(ask('same'))).toBe('second');
    expect(await say(ask('same'))).toBe('same 2');
    expect(await say({ ...ask('x'), model: 'claude-haiku-5-5' })).toBe('a haiku');
    const talk = ['a', 'b', 'c'].map((content, at) => ({ role: at % 2 ? 'assistant' : 'user', content }) as const);
    expect(await say({ ...ask(''), messages: talk })).toBe('long talk');

    claude.on('same', 'overridden', { times: 1 });
    expect(await say(ask('same'))).toBe('overridden');
    expect(await say(ask('same'))).toBe('same 3');
    claude.reset();
    expect(claude.requests).toHaveLength(0);
    expect(await say(ask('same'))).toBe('same 1');
  });
});

describe('the other routes', () => {
  test('count_tokens returns the count of the corresponding message', async () => {
    const { sdk } = await begin();
    const { max_tokens: _, ...prompt } = { ...ask('a question of some length'), system: 'Be brief.' };
    const counted = await sdk.messages.countTokens(prompt);
    const message = await sdk.messages.create({ ...prompt, max_tokens: 10 });
    expect(counted.input_tokens).toBe(message.usage.input_tokens);
  });

  test('models are listed in pages, newest first, without retired ones', async () => {
    const { claude, sdk } = await begin();
    const ids: string[] = [];
    for await (const model of sdk.models.list({ limit: 2 })) ids.push(model.id);
    expect(ids).toHaveLength(7);
    expect(claude.requests.length).toBe(4);
    expect(ids[0]).toBe('claude-opus-5-5');
    const last = await sdk.models.list({ before_id: ids[6], limit: 2 });
    expect(last.data.map((model) => model.id)).toEqual(ids.slice(4, 6));
    const retired = await sdk.models.list({ lifecycle: ['retired'] });
    expect(retired.data).toMatchObject([{ lifecycle: 'retired', type: 'model' }]);
    const alias = await sdk.models.retrieve('claude-haiku-4-5');
    expect(alias).toMatchObject({ id: 'claude-haiku-4-5-20251001', max_input_tokens: 200_000 });
    expect(alias.capabilities?.thinking.types.enabled.supported).toBe(true);
    await expect(sdk.models.retrieve('nope')).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  });

  test('faults of other routes are scripted by path', async () => {
    const { claude, sdk } = await begin();
    claude.on({ path: '/v1/models' }, fault.httpError(500), { times: 1 });
    await expect(sdk.models.list()).rejects.toBeInstanceOf(Anthropic.InternalServerError);
    expect((await sdk.models.list()).data.length).toBeGreaterThan(0);
  });

  test('a client can check whether the stand-in is running', async () => {
    const { claude } = await begin();
    expect((await fetch(claude.url, { method: 'HEAD' })).status).toBe(200);
    const lost = await fetch(`${claude.url}/v2/messages`);
    expect(lost.status).toBe(404);
    expect(await lost.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
    const get = await fetch(`${claude.url}/v1/messages`);
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
    for (const { requestId } of claude.requests) expect(requestId).toMatch(/^req_/);
  });
});

test('a beta request may have fields that are not in the reference', async () => {
  const { claude } = await begin();
  const unheard = { ...ask('go'), unheard_of: true };
  expect((await post(claude.url, unheard)).status).toBe(400);
  expect((await post(claude.url, unheard, '?beta=true')).status).toBe(200);
  expect(claude.messages.map((request) => request.path)).toEqual(['/v1/messages', '/v1/messages?beta=true']);
});

describe('errors', () => {
  test.each([
    [fault.badKey(), Anthropic.AuthenticationError, 'authentication_error'],
    [fault.httpError(403), Anthropic.PermissionDeniedError, 'permission_error'],
    [fault.httpError(404), Anthropic.NotFoundError, 'not_found_error'],
    [fault.httpError(413), Anthropic.ContentTooLargeError, 'request_too_large'],
    [fault.rateLimited(3), Anthropic.RateLimitError, 'rate_limit_error'],
    [fault.httpError(500), Anthropic.InternalServerError, 'api_error'],
    [fault.overloaded(), Anthropic.OverloadedError, 'overloaded_error'],
    [fault.creditTooLow(), Anthropic.BadRequestError, 'invalid_request_error'],
    [fault.promptTooLong(), Anthropic.BadRequestError, 'invalid_request_error'],
    [fault.httpError(402), Anthropic.PaymentRequiredError, 'billing_error'],
  ])('the SDK recognizes the error response %#', async (answer, kind, type) => {
    const { sdk } = await begin({ scenarios: [{ match: any, answer }] });
    for (const stream of [false, true]) {
      const error = await sdk.messages.create({ ...ask('go'), stream }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(kind);
      expect(error).toMatchObject({ type, status: answer.status, requestID: expect.stringMatching(/^req_/) });
    }
  });

  test('a retry overcomes a fault of the first calls', async () => {
    const { claude, sdk } = await begin();
    claude.on(any, fault.httpError(529, { headers: { 'retry-after-ms': '1' } }), { times: 2 });
    const message = await sdk.withOptions({ maxRetries: 2 }).messages.create(ask('again'));
    expect(message.content).toMatchObject([{ text: 'You said: again' }]);
    expect(claude.messages.map((request) => request.status)).toEqual([529, 529, 200]);
  });

  test('retry-after is sent as seconds or as a date', async () => {
    const when = new Date(Date.UTC(2030, 0, 2, 3, 4, 5));
    const { claude } = await begin();
    claude.on('seconds', fault.rateLimited(7));
    claude.on('date', fault.rateLimited(when));
    const header = async (content: string) => (await post(claude.url, ask(content))).headers.get('retry-after');
    expect(await header('seconds')).toBe('7');
    expect(await header('date')).toBe('Wed, 02 Jan 2030 03:04:05 GMT');
  });

  test('an error page of a proxy is not JSON', async () => {
    const { sdk } = await begin({ scenarios: [{ match: any, answer: fault.proxyPage() }] });
    await expect(sdk.messages.create(ask('go'))).rejects.toMatchObject({ status: 502, type: null });
  });

  test('a connection can be closed before an answer', async () => {
    const { claude, sdk } = await begin();
    for (const how of ['close', 'reset'] as const) {
      claude.on(any, fault.hangUp(how));
      await expect(sdk.messages.create(ask('go'))).rejects.toBeInstanceOf(Anthropic.APIConnectionError);
    }
    expect(claude.requests.every((request) => request.hungUp === undefined)).toBe(true);
  });
});

describe('recorded requests', () => {
  test('a recorded request has its method, path, body and time, but not its key', async () => {
    const { claude, sdk } = await begin();
    await sdk.messages.create(ask('remember me'));
    const [request] = claude.messages;
    expect(request).toMatchObject({ method: 'POST', path: '/v1/messages', status: 200, hungUp: undefined });
    expect(request?.message?.messages[0]?.content).toBe('remember me');
    expect(request?.headers).toMatchObject({ authorization: '[redacted]', 'content-type': 'application/json' });
    expect(JSON.stringify(claude.requests)).not.toContain('sk-test');
    expect(Math.abs(Date.now() - Number(request?.at))).toBeLessThan(10_000);
  });

  test('a recorded request says whether the client disconnected, and when', async () => {
    const pace = { chunkChars: 1, chunksPerSecond: 100 };
    const { claude, sdk } = await begin({ scenarios: [{ match: any, answer: { blocks: 'x'.repeat(1000), pace } }] });
    const stream = sdk.messages.stream(ask('go'));
    let deltas = 0;
    stream.on('text', () => {
      if (++deltas === 5) stream.abort();
    });
    await expect(stream.done()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
    const request = await claude.received();
    await request.done;
    expect(request.hungUp?.bytesSent).toBeGreaterThan(500);
    expect(request.hungUp?.afterMs).toBeLessThan(3000);
  });

  test('a test can wait for a request, with a timeout', async () => {
    const { claude, sdk } = await begin();
    const second = claude.received(2);
    await sdk.messages.create(ask('one'));
    await sdk.messages.create(ask('two'));
    expect((await second).message?.messages[0]?.content).toBe('two');
    await expect(claude.received(3, 20)).rejects.toThrow('message 3 did not arrive within 20 ms');
  });
});

function post(url: string, body: object, query = ''): Promise<Response> {
  return fetch(`${url}/v1/messages${query}`, {
    method: 'POST',
    headers: { 'x-api-key': 'sk-test', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify(body),
  });
}
