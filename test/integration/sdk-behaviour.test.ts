import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { refusal, text, toolUse } from '../support/claude/answer.ts';
import { hangUp, httpError, overloaded, proxyPage, rateLimited } from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { TestServer } from '../support/server.ts';

/*
 * Tests the documented behavior of the official SDK for streams, tools, errors and retries with the Messages endpoint
 * between the SDK and the provider. The list follows the SDK's own tests, which mock the network instead.
 */

let claude: Claude;
let server: TestServer;
let sdk: Anthropic;
const body = {
  model: 'claude-sonnet-5-5',
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content: 'Hello' }],
};
const tools = [{ name: 'look', input_schema: { type: 'object' as const } }];
/** Text with multi-byte characters, so that one write on the wire may contain a part of a character. */
const words = 'Ünïcödé 你好 👩‍🚀 and plain words.';

beforeAll(async () => {
  claude = await startClaude();
  server = await TestServer.start({ claudeUrl: claude.url, env: { DEVLM_STREAM_IDLE_MS: '400' } });
  sdk = client();
});
afterEach(() => claude.reset());
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await claude?.[Symbol.asyncDispose]();
});

function client(options: ConstructorParameters<typeof Anthropic>[0] = {}): Anthropic {
  const { secret } = server.discovery;
  return new Anthropic({ baseURL: `${server.origin}/llm`, apiKey: secret, maxRetries: 0, logLevel: 'off', ...options });
}

/** Returns the reason with which a promise was rejected. */
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: unknown) => error,
  );

describe('streams', () => {
  it('the SDK streams every event of a message in order', async () => {
    claude.on(any, [text('I look.'), toolUse('look', { at: words })]);
    const types: string[] = [];
    for await (const event of await sdk.messages.create({ ...body, tools, stream: true })) types.push(event.type);
    const order = types.filter((type, at) => type !== types[at - 1]);
    expect(order).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
  });

  it.each([
    ['byte by byte', { chunkBytes: 1 }],
    ['in one piece', { chunkBytes: Number.POSITIVE_INFINITY }],
    ['with CRLF', { crlf: true }],
    ['with events that no client knows', { inject: [{ afterEvents: 2, event: 'novelty', data: { type: 'novelty' } }] }],
  ])('the SDK reads a stream the same %s', async (_how, wire) => {
    claude.on(any, { blocks: words, wire });
    const stream = sdk.messages.stream(body);
    expect(await stream.finalText()).toBe(words);
  });

  it('the SDK calls listeners with text, blocks, inputs and the growing message', async () => {
    claude.on(any, [text('I look.'), toolUse('look', { at: { x: 1, y: [2, 3] } })]);
    const heard = { text: '', snapshots: 0, inputs: [] as unknown[], blocks: 0, messages: 0, final: 0 };
    const stream = sdk.messages
      .stream({ ...body, tools })
      .on('text', (delta, snapshot) => {
        heard.text += delta;
        expect(snapshot).toBe(heard.text);
        heard.snapshots++;
      })
      .on('inputJson', (_delta, snapshot) => heard.inputs.push(snapshot))
      .on('contentBlock', () => heard.blocks++)
      .on('message', () => heard.messages++)
      .on('finalMessage', () => heard.final++);
    const message = await stream.finalMessage();
    expect(heard).toMatchObject({ text: 'I look.', blocks: 2, messages: 1, final: 1 });
    expect(heard.inputs.at(-1)).toEqual({ at: { x: 1, y: [2, 3] } });
    expect(message.content.at(-1)).toMatchObject({ type: 'tool_use', input: { at: { x: 1, y: [2, 3] } } });
    expect(message.stop_reason).toBe('tool_use');
  });

  it('the SDK adds up the usage of the start and the end of a stream', async () => {
    claude.on(any, { blocks: 'Hi.', usage: { output_tokens: 77 } });
    const { usage } = await sdk.messages.stream(body).finalMessage();
    expect(usage.output_tokens).toBe(77);
    expect(usage.input_tokens).toBeGreaterThan(0);
  });

  it('the SDK cancels a stream when its reader breaks off', async () => {
    claude.on(any, { blocks: 'word '.repeat(3_000), pace: { chunksPerSecond: 50 } });
    const stream = sdk.messages.stream(body);
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    expect(stream.controller.signal.aborted).toBe(true);
    await expect.poll(() => claude.requests[0]?.hungUp, { timeout: 10_000 }).toBeDefined();
  });

  it('the SDK cancels a stream when it is aborted', async () => {
    claude.on(any, { blocks: 'word '.repeat(3_000), pace: { chunksPerSecond: 50 } });
    const stream = sdk.messages.stream(body);
    stream.on('text', () => stream.abort());
    expect(await failure(stream.finalMessage())).toBeInstanceOf(Anthropic.APIUserAbortError);
    await expect.poll(() => claude.requests[0]?.hungUp, { timeout: 10_000 }).toBeDefined();
  });

  it('a stream of the SDK fails when the connection is lost, whether it is awaited or iterated', async () => {
    claude.on(any, { blocks: words.repeat(20), wire: { cut: { afterEvents: 5, reset: true } } });
    expect(await failure(sdk.messages.stream(body).finalMessage())).toBeInstanceOf(Error);
    const iterated = (async () => {
      for await (const _ of sdk.messages.stream(body));
    })();
    expect(await failure(iterated)).toBeInstanceOf(Error);
  });

  it('a stream of the SDK fails with the type of its error event', async () => {
    claude.on(any, { blocks: words.repeat(20), wire: { error: { afterEvents: 5, type: 'overloaded_error' } } });
    const error = await failure(sdk.messages.stream(body).finalMessage());
    expect(error).toBeInstanceOf(Anthropic.APIError);
    expect(error).toMatchObject({ type: 'overloaded_error' });
  });

  it('a stream of the SDK fails when the provider falls silent', async () => {
    claude.on(any, { blocks: words.repeat(20), wire: { stall: { afterEvents: 5 } } });
    expect(await failure(sdk.messages.stream(body).finalMessage())).toBeInstanceOf(Error);
  }, 20_000);

  it('a stream of the SDK has the request id and the response', async () => {
    claude.on(any, 'Hi.');
    const stream = sdk.messages.stream(body);
    const { response, request_id } = await stream.withResponse();
    await stream.finalMessage();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(request_id).toBe(claude.requests[0]?.requestId);
  });
});

describe('tools', () => {
  const add = betaZodTool({
    name: 'add',
    description: 'Adds two numbers.',
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    run: ({ a, b }) => String(a + b),
  });
  const broken = betaZodTool({
    name: 'broken',
    description: 'Fails.',
    inputSchema: z.object({}),
    run: () => {
      throw new Error('out of order');
    },
  });
  const results = () => {
    const { body: sent } = claude.requests.at(-1) ?? {};
    return z
      .looseObject({ messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })) })
      .parse(sent)
      .messages.at(-1)?.content;
  };

  it('the SDK runs tools until the model stops, several at once', async () => {
    claude.on({ nth: 1 }, [toolUse('add', { a: 1, b: 2 }), toolUse('add', { a: 3, b: 4 })]);
    claude.on({ nth: 1, when: ({ body: sent }) => sent.messages.length > 1 }, 'Three and seven.');
    const message = await sdk.beta.messages.toolRunner({ ...body, tools: [add] });
    expect(message.content).toMatchObject([{ type: 'text', text: 'Three and seven.' }]);
    expect(results()).toMatchObject([
      { type: 'tool_result', content: '3' },
      { type: 'tool_result', content: '7' },
    ]);
  });

  it('the SDK also runs tools of streams', async () => {
    claude.on({ nth: 1 }, [text('I add.'), toolUse('add', { a: 20, b: 22 })]);
    claude.on({ nth: 1, when: ({ body: sent }) => sent.messages.length > 1 }, '42.');
    const texts: string[] = [];
    for await (const stream of sdk.beta.messages.toolRunner({ ...body, tools: [add], stream: true }))
      texts.push(await stream.finalText());
    expect(texts).toEqual(['I add.', '42.']);
  });

  it.each([
    ['that fail', broken, 'broken', 'out of order'],
    ['that are not there', add, 'absent', 'absent'],
  ])('tools %s are reported to the model as errors', async (_which, tool, name, said) => {
    claude.on({ nth: 1 }, toolUse(name, {}));
    claude.on({ nth: 1, when: ({ body: sent }) => sent.messages.length > 1 }, 'A pity.');
    await sdk.beta.messages.toolRunner({ ...body, tools: [tool] });
    expect(results()).toMatchObject([{ is_error: true }]);
    expect(JSON.stringify(results())).toContain(said);
  });

  it('the SDK stops running tools after the maximum number of rounds, and after a refusal', async () => {
    claude.on(any, toolUse('add', { a: 1, b: 1 }));
    await sdk.beta.messages.toolRunner({ ...body, tools: [add], max_iterations: 2 });
    expect(claude.requests).toHaveLength(2);
    claude.reset();
    claude.on(any, refusal(null, 'No.'));
    const message = await sdk.beta.messages.toolRunner({ ...body, tools: [add] });
    expect(message.stop_reason).toBe('refusal');
    expect(claude.requests).toHaveLength(1);
  });

  it("running tools fails with the provider's error", async () => {
    claude.on({ nth: 1 }, toolUse('add', { a: 1, b: 1 }));
    claude.on({ nth: 1, when: ({ body: sent }) => sent.messages.length > 1 }, httpError(400));
    const run = sdk.beta.messages.toolRunner({ ...body, tools: [add] });
    expect(await failure(Promise.resolve(run))).toBeInstanceOf(Anthropic.BadRequestError);
  });
});

describe('errors', () => {
  it.each([
    [400, Anthropic.BadRequestError, 'invalid_request_error'],
    [401, Anthropic.AuthenticationError, 'authentication_error'],
    [403, Anthropic.PermissionDeniedError, 'permission_error'],
    [404, Anthropic.NotFoundError, 'not_found_error'],
    [409, Anthropic.ConflictError, 'conflict_error'],
    [422, Anthropic.UnprocessableEntityError, 'invalid_request_error'],
    [429, Anthropic.RateLimitError, 'rate_limit_error'],
    [500, Anthropic.InternalServerError, 'api_error'],
    [529, Anthropic.InternalServerError, 'overloaded_error'],
  ] as const)('an error of status %i keeps its class, type, message and request id', async (status, kind, type) => {
    claude.on(any, httpError(status, { message: 'In the provider’s words.' }));
    for (const request of [sdk.messages.create(body), sdk.messages.create({ ...body, stream: true })]) {
      const error = await failure(request);
      expect(error).toBeInstanceOf(kind);
      expect(error).toMatchObject({ status, type });
      expect(String(error)).toContain('In the provider’s words.');
    }
  });

  it('a response that is not JSON is an error too', async () => {
    claude.on(any, proxyPage(502));
    expect(await failure(sdk.messages.create(body))).toMatchObject({ status: 502 });
  });

  it('errors of DevLM have a class and a type too', async () => {
    const stranger = client({ apiKey: 'wrong' });
    const error = await failure(stranger.messages.create(body));
    expect(error).toBeInstanceOf(Anthropic.AuthenticationError);
    expect(error).toMatchObject({ type: 'authentication_error' });
    expect(claude.requests).toHaveLength(0);
  });

  it('temporary errors are retried, and the provider receives the retry count', async () => {
    claude.on(any, 'At last.');
    claude.on({ nth: 1 }, overloaded());
    const message = await client({ maxRetries: 2 }).messages.create(body);
    expect(message.content).toMatchObject([{ text: 'At last.' }]);
    expect(claude.requests.at(-1)?.headers['x-stainless-retry-count']).toBeDefined();
  });

  it('the SDK waits as long as an error asks', async () => {
    claude.on(any, 'At last.');
    claude.on({ nth: 1 }, rateLimited(1));
    const started = performance.now();
    await client({ maxRetries: 1 }).messages.create(body);
    expect(performance.now() - started).toBeGreaterThan(900);
  });

  it('permanent errors are not retried', async () => {
    claude.on(any, httpError(400));
    await failure(client({ maxRetries: 3 }).messages.create(body));
    expect(claude.requests).toHaveLength(1);
  });

  it('timeouts and connection errors are distinguished', async () => {
    claude.on(any, { blocks: 'Late.', pace: { startDelayMs: 5_000 } });
    const late = await failure(client({ timeout: 200 }).messages.create(body));
    expect(late).toBeInstanceOf(Anthropic.APIConnectionTimeoutError);
    const nowhere = client({ baseURL: 'http://127.0.0.1:9/llm' });
    expect(await failure(nowhere.messages.create(body))).toBeInstanceOf(Anthropic.APIConnectionError);
  });

  it('a provider that disconnects is a server error, not half an answer', async () => {
    claude.on(any, hangUp('reset'));
    expect(await failure(sdk.messages.create(body))).toBeInstanceOf(Anthropic.InternalServerError);
  });

  it('an aborted call is reported as aborted', async () => {
    claude.on(any, { blocks: 'Late.', pace: { startDelayMs: 5_000 } });
    const stop = new AbortController();
    const asked = failure(sdk.messages.create(body, { signal: stop.signal }));
    await claude.received(1);
    stop.abort();
    expect(await asked).toBeInstanceOf(Anthropic.APIUserAbortError);
    await expect.poll(() => claude.requests[0]?.hungUp, { timeout: 10_000 }).toBeDefined();
  });
});

describe('requests', () => {
  it('requests arrive with unchanged headers, betas and query', async () => {
    claude.on(any, 'Hi.');
    const own = client({ defaultHeaders: { 'x-mine': 'yes' }, defaultQuery: { about: 'birds' } });
    await own.beta.messages.create({ ...body, betas: ['context-1m-2025-08-07'] });
    const [sent] = claude.requests;
    expect(sent?.headers).toMatchObject({
      'x-mine': 'yes',
      'anthropic-beta': 'context-1m-2025-08-07',
      'anthropic-version': expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    });
    expect(sent?.path).toContain('about=birds');
  });

  it('the SDK provides raw responses in addition to the parsed ones', async () => {
    claude.on(any, 'Hi.');
    const asked = sdk.messages.create(body);
    const raw = await asked.asResponse();
    const { data, response, request_id } = await asked.withResponse();
    expect(response).toBe(raw);
    expect(data.content).toMatchObject([{ text: 'Hi.' }]);
    expect(request_id).toBe(claude.requests[0]?.requestId);
  });

  it('the SDK counts tokens, lists models page by page, and retrieves a model', async () => {
    const { input_tokens } = await sdk.messages.countTokens({ model: body.model, messages: body.messages });
    expect(input_tokens).toBeGreaterThan(0);
    const ids: string[] = [];
    for await (const { id } of sdk.models.list({ limit: 2 })) ids.push(id);
    expect(ids).toContain(body.model);
    expect(new Set(ids).size).toBe(ids.length);
    expect(claude.requests.filter(({ path }) => path.startsWith('/v1/models')).length).toBeGreaterThan(1);
    expect(await sdk.models.retrieve(body.model)).toMatchObject({ id: body.model });
    expect(await failure(sdk.models.retrieve('claude-none'))).toBeInstanceOf(Anthropic.NotFoundError);
  });
});
