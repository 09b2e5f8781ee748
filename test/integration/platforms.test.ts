import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import { InstanceInfo, InstanceTested } from '@devlm/protocol/instances.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { text, toolUse } from '../support/claude/answer.ts';
import { httpError, overloaded, rateLimited } from '../support/claude/faults.ts';
import { makeServiceAccount, startMetadata } from '../support/claude/platforms/google.ts';
import { rawCalls } from '../support/claude/raw-calls.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { newConversation, Reader, send, serverCommand, TestServer } from '../support/server.ts';

const model = 'claude-sonnet-5-5';
const aws = { accessKeyId: 'AKIASTANDIN000000001', secretAccessKey: 'aws-secret/of+the/stand-in', region: 'eu-west-3' };
const bedrockKey = 'bedrock-api-key-0123456789';
const token = 'ya29.stand-in-token-0123456789';
const serviceAccount = makeServiceAccount();
const platforms = { aws, bedrockKey, google: { projectId: 'our-project', token, serviceAccount } };
const privateKey: string = JSON.parse(serviceAccount.json).private_key;
const sessionToken = 'session-token-of-the-stand-in-0123456789';
const secrets = [aws.secretAccessKey, sessionToken, bedrockKey, token, privateKey.slice(60, 120)];

let asked = 0;
/** Sends each request in another conversation, because a conversation stays at its instance. */
const body = () => ({
  model,
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content: `Hello ${++asked}` }],
});

const bedrock = (url: string) => ({
  provider: 'bedrock',
  region: aws.region,
  baseUrl: url,
  modelIds: { [model]: 'eu.anthropic.claude-sonnet-5-5-v1:0', strange: 'arn:aws:bedrock:eu-west-3:1:profile/a b' },
});
const mantle = (url: string) => ({
  ...bedrock(url),
  provider: 'bedrock-mantle',
  baseUrl: `${url}/anthropic`,
  modelIds: { [model]: 'anthropic.claude-sonnet-5-5', strange: 'there/is no:such' },
});
const vertex = (url: string) => ({
  provider: 'vertex',
  region: 'europe-west1',
  projectId: 'our-project',
  baseUrl: `${url}/v1`,
  modelIds: { [model]: 'claude-sonnet-5-5@default', strange: 'there/is no:such' },
});

const predict = '/v1/projects/our-project/locations/europe-west1/publishers/anthropic/models/claude-sonnet-5-5@default';
const invoke = '/model/eu.anthropic.claude-sonnet-5-5-v1:0/invoke';
/** Paths that request messages. */
const paths = {
  bedrock: { whole: invoke, stream: `${invoke}-with-response-stream` },
  'bedrock-mantle': { whole: '/anthropic/v1/messages', stream: '/anthropic/v1/messages' },
  vertex: { whole: `${predict}:rawPredict`, stream: `${predict}:streamRawPredict` },
};

/**
 * A server with one instance at a platform, which gets its credential from the platform's default chain, and another
 * instance.
 */
describe.each([
  ['bedrock', bedrock],
  ['bedrock-mantle', mantle],
  ['vertex', vertex],
] as const)('an instance of %s', { timeout: 120_000 }, (provider, settings) => {
  let claude: Claude;
  let other: Claude;
  let metadata: Awaited<ReturnType<typeof startMetadata>>;
  let server: TestServer;
  let sdk: Anthropic;
  const dataDir = mkdtempSync(join(tmpdir(), 'devlm-platform-'));
  beforeAll(async () => {
    claude = await startClaude({ platforms });
    other = await startClaude({ apiKeys: ['sk-other'] });
    metadata = await startMetadata(token);
    const instances = [
      { id: 'cloud', ...settings(claude.url) },
      { id: 'other', baseUrl: other.url, apiKey: 'sk-other', models: ['claude-haiku-4-5', model] },
    ];
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ instances }));
    server = await TestServer.start({
      dataDir,
      env: {
        ANTHROPIC_API_KEY: '',
        AWS_ACCESS_KEY_ID: aws.accessKeyId,
        AWS_SECRET_ACCESS_KEY: aws.secretAccessKey,
        AWS_SESSION_TOKEN: sessionToken,
        GCE_METADATA_HOST: metadata.host,
        METADATA_SERVER_DETECTION: 'assume-present',
        HOME: dataDir,
        DEVLM_LOG_LEVEL: 'trace',
        DEVLM_STREAM_IDLE_MS: '500',
      },
    });
    sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
  });
  afterEach(async () => {
    claude.reset();
    other.reset();
    await drain('other', false);
    await drain('cloud', false);
    const { items } = await server.client.call('instances.list', {});
    expect(JSON.stringify(items)).not.toContain(token);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await metadata?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
    await other?.[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const drain = (instanceId: string, draining: boolean) =>
    server.client.call('instances.drain', { params: { instanceId }, body: { draining } });
  const usage = () => server.client.call('usage.today', { query: {} });

  it('a turn with tools is answered through the platform', async () => {
    await drain('other', true);
    claude.on({ nth: 1 }, [text('I plan.'), toolUse('plan_update', { steps: [{ text: 'One', status: 'done' }] })]);
    claude.on({ nth: 2 }, [text('Done.')]);
    const conversation = await newConversation(server);
    using reader = new Reader(() => server, conversation);
    const turn = await reader.ended(await send(server, conversation, 'Plan it.'));
    expect(turn).toMatchObject({ status: 'completed' });
    const steps = JSON.stringify(turn);
    expect(steps).toContain('I plan.');
    expect(steps).toContain('Done.');
    expect(claude.messages.length).toBeGreaterThanOrEqual(2);
    expect(claude.messages.at(-1)?.message?.messages.at(-1)?.content).toMatchObject([{ type: 'tool_result' }]);
    expect(decodeURIComponent(claude.requests.at(-1)?.path ?? '')).toBe(paths[provider].stream);
  });

  it('clients of the Messages API are answered through the platform, streamed and not, and the cost is recorded', async () => {
    await drain('other', true);
    claude.on(any, [text('Vier: ünïcödé.')]);
    const before = await usage();
    const answer = await sdk.messages.create(body(), { headers: { 'x-app': 'cli' } });
    expect(answer).toMatchObject({ type: 'message', content: [{ type: 'text', text: 'Vier: ünïcödé.' }] });
    const { data: stream, response } = await sdk.messages.create({ ...body(), stream: true }).withResponse();
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types.at(0)).toBe('message_start');
    expect(types.at(-1)).toBe('message_stop');
    await expect
      .poll(async () => (await usage()).outputTokens - before.outputTokens, { timeout: 5_000 })
      .toBe(2 * answer.usage.output_tokens);
    expect((await usage()).costUsd).toBeGreaterThan(before.costUsd);
    expect(claude.messages.map(({ path }) => decodeURIComponent(path))).toEqual([
      paths[provider].whole,
      paths[provider].stream,
    ]);
    // Headers with which the client identifies itself are neither signed nor forwarded.
    expect(claude.messages[0]?.headers['x-app']).toBeUndefined();
    if (provider !== 'vertex') expect(claude.messages[0]?.headers['x-amz-security-token']).toBe('[redacted]');
  });

  it('requests with either version of the API work through the platform', async () => {
    await drain('other', true);
    for (const version of ['2023-06-01', '2026-10-21'])
      expect(await sdk.messages.create(body(), { headers: { 'anthropic-version': version } })).toMatchObject({
        type: 'message',
      });
  });

  it('tokens are counted if the platform supports it', async () => {
    await drain('other', true);
    const { model: asked, messages } = body();
    const counted = sdk.messages.countTokens({ model: asked, messages }).then(({ input_tokens }) => input_tokens);
    if (provider !== 'bedrock') expect(await counted).toBeGreaterThan(0);
    else
      await expect(counted).rejects.toMatchObject({
        status: 400,
        message: expect.stringContaining('does not support counting tokens'),
      });
    await drain('other', false);
    // If an instance cannot count tokens, another one does.
    for (let i = 0; i < 4; i++)
      expect((await sdk.messages.countTokens({ model: asked, messages })).input_tokens).toBeGreaterThan(0);
  });

  it('refusals of the platform have the format of the Messages API', async () => {
    await drain('other', true);
    const refused = (answer: ReturnType<typeof httpError>) => {
      claude.on(any, answer, { times: 1 });
      return sdk.messages.create(body()).catch((error: unknown) => error);
    };
    expect(await refused(httpError(400, { message: 'messages: wrong' }))).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      message: expect.stringContaining('messages: wrong'),
    });
    expect(
      await refused(httpError(403, { message: 'You have no access to this model.\nAnd a canonical string' })),
    ).toMatchObject({
      status: 403,
      type: 'permission_error',
      message: expect.not.stringContaining('canonical'),
    });
    // An id with characters that have a meaning in paths and in signatures.
    await expect(sdk.messages.create({ ...body(), model: 'strange' })).rejects.toMatchObject({ status: 404 });
    expect(await refused(rateLimited(1))).toMatchObject({ status: 429, type: 'rate_limit_error' });
  });

  it('a call that fails at the platform is retried at another instance before the client sees anything', async () => {
    for (const answer of [rateLimited(), overloaded(), httpError(503), httpError(403)]) {
      claude.on(any, answer);
      other.on(any, [text('The other one.')]);
      for (let i = 0; i < 3; i++)
        expect((await sdk.messages.create(body())).content).toMatchObject([{ text: 'The other one.' }]);
      claude.reset();
    }
    const conversation = await newConversation(server);
    claude.on(any, rateLimited());
    using reader = new Reader(() => server, conversation);
    const turn = await reader.ended(await send(server, conversation, 'Hello'));
    expect(JSON.stringify(turn)).toContain('The other one.');
  });

  it('an exception of the platform in the middle of an answer ends it with an error', async () => {
    await drain('other', true);
    claude.on(any, { blocks: 'half of it', wire: { error: { afterEvents: 4, type: 'overloaded_error' } } });
    const stream = sdk.messages.stream(body());
    await expect(stream.finalMessage()).rejects.toMatchObject({ type: 'overloaded_error' });
    // Cut in the middle of a frame, which must not look like an end.
    claude.on(any, { blocks: 'half of it and more', wire: { cut: { atByte: 900 } } });
    await expect(sdk.messages.stream(body()).finalMessage()).rejects.toThrow();
  });

  it('the call at the platform is canceled when the client leaves', async () => {
    await drain('other', true);
    claude.on(any, { blocks: 'x'.repeat(20_000), pace: { chunksPerSecond: 20 } });
    const stream = await sdk.messages.create({ ...body(), stream: true });
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    stream.controller.abort();
    const record = await claude.received(1);
    await record.done;
    expect(record.hungUp).toBeTruthy();
    claude.reset();
    claude.on(any, { blocks: 'late', wire: { headersDelayMs: 60_000 } });
    const ended = new AbortController();
    const waiting = sdk.messages.create(body(), { signal: ended.signal });
    const second = await claude.received(1);
    ended.abort();
    await expect(waiting).rejects.toThrow();
    await second.done;
    expect(second.hungUp).toBeTruthy();
  });

  it('the platform waits for a client that does not read', async () => {
    await drain('other', true);
    const json = JSON.stringify({ y: 'y'.repeat(8_000_000) });
    claude.on(any, rawCalls(model, [{ id: 'toolu_01', name: 'look', json }]));
    const stream = await sdk.messages.create({ ...body(), stream: true });
    let chars = 0;
    for await (const event of stream) {
      if (event.type !== 'content_block_delta' || event.delta.type !== 'input_json_delta') continue;
      if (chars === 0) await sleep(400);
      chars += event.delta.partial_json.length;
    }
    expect(chars).toBe(json.length);
  });

  it('an instance at a platform is listed and tested like any other', async () => {
    const { items } = await server.client.call('instances.list', {});
    expect(items.find(({ id }) => id === 'cloud')).toMatchObject({
      provider,
      source: 'file',
      state: 'ready',
      host: claude.url,
      models: [model, 'strange'],
    });
    const tested = await server.client.call('instances.test', { params: { instanceId: 'cloud' }, body: {} });
    expect(tested).toMatchObject({ ok: true, model, detail: '' });
    const page = await sdk.models.list();
    expect(page.data.map(({ id }) => id)).toContain(model);
  });

  it('an instance at a platform gets its credential by the command line, and the credential is not readable anywhere', async () => {
    const own =
      provider !== 'vertex'
        ? [
            ['api-key', ['--key'], bedrockKey],
            ['access-key', ['--access-key-id', aws.accessKeyId], aws.secretAccessKey],
          ]
        : [['service-account', ['--key'], serviceAccount.json]];
    const { baseUrl, region, modelIds, ...rest } = { projectId: undefined, ...settings(claude.url) };
    const common = ['--provider', provider, '--region', region, '--base-url', baseUrl];
    const project = rest.projectId === undefined ? [] : ['--project-id', rest.projectId];
    const models = ['--models', `${model}=${modelIds[model]}`];
    for (const [id, more, secret] of own as [string, string[], string][]) {
      const { code, out, err } = await devlm(['add', id, ...common, ...project, ...models, ...more], secret);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(InstanceInfo.parse(JSON.parse(out))).toMatchObject({
        id,
        provider,
        region,
        models: [model],
        modelIds: { [model]: modelIds[model] },
      });
      const tested = await devlm(['test', id]);
      expect(InstanceTested.parse(JSON.parse(tested.out))).toMatchObject({ ok: true, model, detail: '' });
      const wrong = provider !== 'vertex' ? 'another-key-of-nobody' : makeServiceAccount().json;
      expect((await devlm(['rotate', id], wrong)).code).toBe(0);
      const failed = await devlm(['test', id]);
      expect(InstanceTested.parse(JSON.parse(failed.out))).toMatchObject({
        ok: false,
        detail: expect.stringMatching(/allow/),
      });
      expect(failed.out + failed.err).not.toContain('Canonical');
      await devlm(['remove', id]);
      for (const one of [secret, wrong]) expect(out + tested.out + failed.out).not.toContain(one);
    }
    for (const file of readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()))
      for (const secret of secrets)
        expect(readFileSync(join(file.parentPath, file.name)).includes(secret), file.name).toBe(false);
    for (const secret of secrets) expect(server.stderr).not.toContain(secret);
  });

  async function devlm(args: readonly string[], input = '') {
    const child = spawn(process.execPath, [...serverCommand(), 'instance', ...args, '--data-dir', dataDir, '--json'], {
      env: { PATH: process.env['PATH'] },
    });
    child.stdin.end(input);
    const [[code], out, err] = await Promise.all([once(child, 'exit'), readText(child.stdout), readText(child.stderr)]);
    return { code, out, err };
  }
});
