import { setTimeout as sleep } from 'node:timers/promises';
import { NewInstance } from '@devlm/protocol/instances.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../server/src/config.ts';
import { AnthropicModel } from '../../server/src/llm/anthropic.ts';
import type { Model, ModelEvent, ModelRequest } from '../../server/src/llm/model.ts';
import { Instance } from '../../server/src/llm/pool/instance.ts';
import { Pool } from '../../server/src/llm/pool/pool.ts';
import { PoolModel } from '../../server/src/llm/pool/pool-model.ts';
import { Provider } from '../../server/src/llm/provider.ts';
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
import {
  badKey,
  creditTooLow,
  hangUp,
  httpError,
  overloaded,
  promptTooLong,
  proxyPage,
  rateLimited,
} from '../support/claude/faults.ts';
import { makeServiceAccount } from '../support/claude/platforms/google.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';

const serviceAccount = makeServiceAccount();
const platforms = {
  aws: { accessKeyId: 'AKIASTANDIN000000001', secretAccessKey: 'secret/of+the/stand-in', region: 'eu-west-3' },
  google: { projectId: 'our-project', serviceAccount },
};
const aws = {
  region: platforms.aws.region,
  accessKeyId: platforms.aws.accessKeyId,
  apiKey: platforms.aws.secretAccessKey,
  modelIds: {
    'claude-sonnet-5-5': 'eu.anthropic.claude-sonnet-5-5-v1:0',
    'claude-haiku-4-5': 'anthropic.claude-haiku-4-5-20251001-v1:0',
  },
};
const google = {
  region: 'europe-west1',
  projectId: platforms.google.projectId,
  apiKey: serviceAccount.json,
  models: ['claude-sonnet-5-5'],
  modelIds: { 'claude-haiku-4-5': 'claude-haiku-4-5@20251001' },
};

/** A model of a server with only one instance, at a platform. */
function atPlatform(instance: object): Model {
  const provider = new Provider({
    ...readConfig([], { DEVLM_DATA_DIR: '/nowhere', DEVLM_STREAM_IDLE_MS: '400', DEVLM_MAX_OUTPUT_TOKENS: '4096' }),
    instances: [NewInstance.parse({ id: 'one', ...instance })],
  });
  provider.pool.remove('own');
  return provider.model();
}

const atPlatforms: [string, (claude: Claude) => Model][] = [
  ['bedrock', (claude) => atPlatform({ provider: 'bedrock', ...aws, baseUrl: claude.url })],
  ['vertex', (claude) => atPlatform({ provider: 'vertex', ...google, baseUrl: `${claude.url}/v1` })],
];
/** The platforms do not support an older version. */
const hasPlatforms = Number.parseInt(process.versions.node, 10) >= 24;

/** The contract of `llm/model.ts`, for each adapter. */
describe.each([
  [
    'anthropic',
    (claude: Claude) =>
      new AnthropicModel({ apiKey: 'sk-test', baseUrl: claude.url, streamIdleMs: 400, maxOutputTokens: 4096 }),
  ],
  [
    'the pool',
    (claude: Claude) => {
      const pool = new Pool();
      pool.put(new Instance({ id: 'one', upstream: () => ({ apiKey: 'sk-test', baseUrl: claude.url }) }));
      const options = { streamIdleMs: 400, maxOutputTokens: 4096 };
      return new PoolModel(pool, (instance) => new AnthropicModel({ ...instance.options.upstream(), ...options }));
    },
  ],
  ...(hasPlatforms ? atPlatforms : []),
])('the model port on %s', (name, create) => {
  let claude: Claude;
  beforeAll(async () => {
    claude = await startClaude({ platforms });
    // Load the SDK first, because its first load would exceed the timeouts of a test.
    await create(claude).models(new AbortController().signal);
  });
  afterEach(() => claude.reset());
  afterAll(() => claude[Symbol.asyncDispose]());

  const request = (more: Partial<ModelRequest> = {}): ModelRequest => ({
    model: 'claude-sonnet-5-5',
    system: 'You are a test.',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
    tools: [],
    thinking: false,
    ...more,
  });
  async function collect(more?: Partial<ModelRequest>, signal = new AbortController().signal): Promise<ModelEvent[]> {
    const events: ModelEvent[] = [];
    for await (const event of create(claude).stream(request(more), signal)) events.push(event);
    return events;
  }
  async function failure(more?: Partial<ModelRequest>): Promise<ProblemError> {
    const error = await collect(more).then(
      () => expect.fail('it did not fail'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ProblemError);
    return error as ProblemError;
  }
  const textOf = (events: ModelEvent[], index = 0) =>
    events.map((event) => (event.type === 'block.delta' && event.index === index ? event.text : '')).join('');

  it('the model streams text between a start and an end, with token counts', async () => {
    claude.on(any, 'Hello, world. '.repeat(50));
    const events = await collect();
    expect(textOf(events)).toBe('Hello, world. '.repeat(50));
    expect(events[0]).toMatchObject({
      type: 'started',
      model: 'claude-sonnet-5-5',
      requestId: expect.stringMatching(/^req_/),
    });
    expect(events[1]).toEqual({ type: 'block.started', index: 0, kind: 'text' });
    expect(events.at(-2)).toMatchObject({ type: 'block.ended', index: 0 });
    expect(events.at(-1)).toMatchObject({
      type: 'ended',
      stopReason: 'end_turn',
      usage: { outputTokens: expect.any(Number) },
    });
    const end = events.at(-1);
    expect(end?.type === 'ended' && end.usage.outputTokens).toBeGreaterThan(100);
  });

  it.each([
    ['byte by byte', { chunkBytes: 1 }],
    ['all at once', { chunkBytes: Number.POSITIVE_INFINITY }],
    ['with CRLF', { crlf: true }],
    [
      'with unknown events and deltas',
      {
        inject: [
          { afterEvents: 2, event: 'hologram', data: { type: 'hologram' } },
          {
            afterEvents: 3,
            event: 'content_block_delta',
            data: { type: 'content_block_delta', index: 0, delta: { type: 'smell_delta', smell: 'roses' } },
          },
        ],
      },
    ],
  ])('the model reads the same answer %s', async (_way, wire) => {
    claude.on(any, { blocks: [text('Grüße, 世界 🎉\n\n```ts\nconst x = 1;\n```')], wire });
    const events = await collect();
    expect(textOf(events)).toBe('Grüße, 世界 🎉\n\n```ts\nconst x = 1;\n```');
    expect(events.at(-1)?.type).toBe('ended');
  });

  it('the model returns thinking with its signature, and it is sent back unchanged', async () => {
    claude.on(any, [thinking('Let me see.'), redactedThinking(), text('Seen.')]);
    const events = await collect({ thinking: true });
    const ends = events.filter((event) => event.type === 'block.ended');
    expect(textOf(events, 0)).toBe('Let me see.');
    expect(ends[0]?.signature).toBeTruthy();
    expect(ends[1]?.opaque).toMatchObject({ type: 'redacted_thinking' });
    claude.reset();
    claude.on(any, 'Again.');
    const again = await collect({
      thinking: true,
      messages: [
        ...request().messages,
        {
          role: 'assistant',
          content: [
            { type: 'thinking', text: 'Let me see.', signature: ends[0]?.signature ?? '' },
            { type: 'opaque', value: ends[1]?.opaque },
            { type: 'text', text: 'Seen.' },
          ],
        },
        { role: 'user', content: [{ type: 'text', text: 'and?' }] },
      ],
    });
    expect(textOf(again)).toBe('Again.');
  });

  it('the model returns tool calls with their input as JSON text', async () => {
    claude.on(any, [text('I look.'), toolUse('file_read', { path: 'a "b".ts', lines: [1, 2] })]);
    const events = await collect({
      tools: [{ name: 'file_read', description: 'Reads.', inputSchema: { type: 'object' } }],
    });
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'block.started',
        index: 1,
        kind: 'tool_call',
        tool: { callId: expect.any(String), name: 'file_read' },
      }),
    );
    expect(JSON.parse(textOf(events, 1))).toEqual({ path: 'a "b".ts', lines: [1, 2] });
    expect(events.at(-1)).toMatchObject({ stopReason: 'tool_use' });
  });

  it('the model returns server tools, their results, and citations', async () => {
    claude.on(any, [
      serverToolUse('web_search', { query: 'devlm' }),
      webSearchResult([{ title: 'DevLM', url: 'https://example.org/' }]),
      text('Found.', [webCitation('DevLM', 'https://example.org/', 'It is.')]),
    ]);
    const events = await collect();
    expect(events.filter((event) => event.type === 'block.started').map((event) => event.kind)).toEqual([
      'server_tool',
      'server_tool_result',
      'text',
    ]);
    const ends = events.filter((event) => event.type === 'block.ended');
    expect(ends[1]?.opaque).toMatchObject({ type: 'web_search_tool_result' });
    expect(ends[2]?.citations).toEqual([{ url: 'https://example.org/', title: 'DevLM', citedText: 'It is.' }]);
  });

  it.each([
    ['bad_key', badKey()],
    ['forbidden', httpError(403)],
    ['no_credit', creditTooLow()],
    ['no_credit', httpError(402)],
    ['model_not_found', httpError(404, { message: 'model: nothing' })],
    ['too_large', httpError(413)],
    ['too_long', promptTooLong()],
    ['bad_request', httpError(400, { message: 'messages: something is wrong' })],
    ['rate_limited', rateLimited()],
    ['provider_error', httpError(500)],
    ['provider_error', proxyPage(502)],
    ['overloaded', overloaded()],
    ['offline', hangUp('close')],
    ['offline', hangUp('reset')],
    ['overloaded', { blocks: 'half of it', wire: { error: { afterEvents: 4, type: 'overloaded_error' } } }],
    ['provider_error', { blocks: 'half of it', wire: { error: { afterEvents: 4, type: 'api_error' } } }],
    ['stream_cut', { blocks: 'half of it', wire: { cut: { afterEvents: 4 } } }],
    ['stream_cut', { blocks: 'half of it', wire: { cut: { afterEvents: 4, reset: true } } }],
    ['stream_cut', { blocks: 'half of it', wire: { cut: { atByte: 700 } } }],
    ['stream_stalled', { blocks: 'half of it', wire: { stall: { afterEvents: 4 } } }],
    ['stream_stalled', { blocks: 'half of it', wire: { stall: { afterEvents: 4, pingEveryMs: 30 } } }],
    ['stream_stalled', { blocks: 'half of it', wire: { headersDelayMs: 60_000 } }],
    ['bad_answer', { raw: '{"choices":[]}', wire: { contentType: 'application/json' } }],
    ['bad_answer', { raw: '<html>hello</html>', wire: { contentType: 'text/html' } }],
  ])('a model call fails with %s', async (code, answer) => {
    claude.on(any, answer);
    const { problem } = await failure();
    expect(problem.code).toBe(code);
    expect(problem.detail).not.toContain('sk-test');
    expect(problem.detail.length).toBeGreaterThan(15);
  });

  it('a rate limit of the model has a retry time, given in seconds or as a date', async () => {
    claude.on(any, rateLimited(7));
    expect((await failure()).retryAfterMs).toBe(7000);
    claude.on(any, rateLimited(new Date(Date.now() + 9_000)));
    const wait = (await failure()).retryAfterMs ?? 0;
    expect(wait).toBeGreaterThan(6_000);
    expect(wait).toBeLessThanOrEqual(9_000);
  });

  it('a slow model is not ended as long as bytes arrive', async () => {
    claude.on(any, { blocks: 'slow but alive', pace: { chunkChars: 2, chunksPerSecond: 15 } });
    expect(textOf(await collect())).toBe('slow but alive');
  });

  it('a refusal of the model is a stop reason', async () => {
    claude.on(any, refusal('cyber', 'I would rather'));
    expect((await collect()).at(-1)).toMatchObject({ type: 'ended', stopReason: 'refusal' });
  });

  it('an aborted model call is canceled upstream, and rejects with the reason', async () => {
    claude.on(any, { blocks: 'x'.repeat(4000), pace: { chunksPerSecond: 50 } });
    const controller = new AbortController();
    const reason = new Error('enough');
    const reading = (async () => {
      for await (const event of create(claude).stream(request(), controller.signal))
        if (event.type === 'block.delta') controller.abort(reason);
    })();
    await expect(reading).rejects.toBe(reason);
    const record = await claude.received(1);
    await record.done;
    expect(record.hungUp).toBeTruthy();
  });

  it('consecutive model calls use one connection', async () => {
    // Use an address of its own: the other tests have several connections to theirs.
    await using alone = await startClaude({ platforms });
    const model = create(alone);
    // The end of the body arrives after the end of the message.
    alone.on(any, () => ({ blocks: 'Hi.', wire: { stall: { afterEvents: 7, until: sleep(30) } } }));
    for (let call = 1; call <= 3; call++) {
      for await (const _ of model.stream(request(), new AbortController().signal));
      await (await alone.received(call)).done;
      // Wait until the end has been read.
      await sleep(50);
    }
    expect(alone.messages.map(({ hungUp }) => hungUp)).toEqual([undefined, undefined, undefined]);
    expect(new Set(alone.messages.map(({ port }) => port)).size).toBe(1);
  });

  it('a model stream ends with its message, even if the provider keeps the connection open', async () => {
    claude.on(any, { blocks: 'Hi.', wire: { stall: { afterEvents: 7 } } });
    const started = performance.now();
    expect((await collect()).at(-1)?.type).toBe('ended');
    expect(performance.now() - started).toBeLessThan(300);
    const record = await claude.received(1);
    await record.done;
    expect(record.hungUp?.afterMs).toBeLessThan(3_000);
  });

  it('the model call writes and reads the prompt cache', async () => {
    const long = 'A long system text. '.repeat(2000);
    const usage = async (messages: ModelRequest['messages']) => {
      const end = (await collect({ system: long, messages })).at(-1);
      return end?.type === 'ended' ? end.usage : expect.fail();
    };
    const first = await usage(request().messages);
    expect(first.cacheWriteTokens).toBeGreaterThan(1000);
    const second = await usage([
      ...request().messages,
      { role: 'assistant', content: [{ type: 'text', text: 'hi' }] },
      { role: 'user', content: [{ type: 'text', text: 'more' }] },
    ]);
    expect(second.cacheReadTokens).toBeGreaterThanOrEqual(first.cacheWriteTokens);
  });

  it('the models are listed with their limits', async () => {
    const models = await create(claude).models(new AbortController().signal);
    expect(models.length).toBeGreaterThan(1);
    expect(models[0]).toMatchObject({
      id: expect.stringMatching(/^claude-/),
      name: expect.any(String),
      // The platforms do not list models to an SDK.
      contextTokens: name === 'bedrock' || name === 'vertex' ? null : expect.any(Number),
    });
  });

  it('thinking is requested in the form that each model generation requires', async () => {
    claude.on(any, 'x');
    await collect({ thinking: true, model: 'claude-sonnet-5-5' });
    await collect({ thinking: true, model: 'claude-haiku-4-5' });
    const [adaptive, budget] = claude.messages.map((message) => message.message?.thinking);
    expect(adaptive).toEqual({ type: 'adaptive', display: 'summarized' });
    expect(budget).toMatchObject({ type: 'enabled', budget_tokens: 2048 });
  });
});
