import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import { limits } from '@devlm/protocol/limits.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { text, thinking, toolUse } from '../support/claude/answer.ts';
import { httpError, overloaded, rateLimited } from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { TestServer } from '../support/server.ts';

const key = 'sk-test-0123456789abcdef';
const idleMs = 400;
const body = {
  model: 'claude-sonnet-5-5',
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content: 'Hello' }],
};

/** The Messages API in front of the provider, as the official SDK and raw clients see it. */
describe('the Messages endpoint', () => {
  let claude: Claude;
  let server: TestServer;
  let sdk: Anthropic;
  beforeAll(async () => {
    claude = await startClaude({ apiKeys: [key] });
    server = await TestServer.start({
      claudeUrl: claude.url,
      env: { ANTHROPIC_API_KEY: key, DEVLM_STREAM_IDLE_MS: String(idleMs) },
    });
    sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
  });
  afterEach(async () => {
    claude.reset();
    expect(await server.client.call('server.info', {})).toMatchObject({ pid: server.discovery.pid });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  const today = () => server.client.call('usage.today', { query: {} });

  interface Sent {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string | Buffer;
    readonly secret?: string | null;
    readonly origin?: string;
  }
  async function raw({ method = 'POST', path = '/llm/v1/messages', headers = {}, secret, body: sent, origin }: Sent) {
    const credential = secret === null ? {} : { 'x-api-key': secret ?? server.discovery.secret };
    const outgoing = httpRequest(`${origin ?? server.origin}${path}`, {
      method,
      headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...credential, ...headers },
    });
    outgoing.on('error', () => {});
    outgoing.end(sent);
    const [response]: [IncomingMessage] = (await once(outgoing, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    let cut = false;
    try {
      for await (const chunk of response) chunks.push(chunk);
    } catch {
      cut = true;
    }
    return { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString(), cut };
  }

  it('the Messages endpoint answers the SDK and records the cost', async () => {
    claude.on(any, [text('Four.')]);
    const before = await today();
    const answer = await sdk.messages.create(body);
    expect(answer.content).toMatchObject([{ type: 'text', text: 'Four.' }]);
    await expect
      .poll(async () => (await today()).outputTokens, { timeout: 5_000 })
      .toBe(before.outputTokens + answer.usage.output_tokens);
    const after = await today();
    expect(after.inputTokens - before.inputTokens).toBe(answer.usage.input_tokens);
    expect(after.costUsd).toBeGreaterThan(before.costUsd);
  });

  it('the Messages endpoint streams to the SDK with thinking and tools', async () => {
    claude.on(any, [thinking('Hm.'), text('I look.'), toolUse('look', { at: 'ünïcödé' })]);
    const stream = sdk.messages.stream({
      ...body,
      max_tokens: 8000,
      thinking: { type: 'adaptive', display: 'summarized' },
      tools: [{ name: 'look', input_schema: { type: 'object' } }],
    });
    let heard = '';
    stream.on('text', (delta) => {
      heard += delta;
    });
    const before = await today();
    const message = await stream.finalMessage();
    expect(heard).toBe('I look.');
    expect(message).toMatchObject({
      stop_reason: 'tool_use',
      content: [
        { type: 'thinking', thinking: 'Hm.' },
        { type: 'text' },
        { type: 'tool_use', input: { at: 'ünïcödé' } },
      ],
    });
    await expect
      .poll(async () => (await today()).outputTokens - before.outputTokens, { timeout: 5_000 })
      .toBe(message.usage.output_tokens);
  });

  it('the Messages endpoint forwards every byte of a stream unchanged', async () => {
    const events =
      'event: message_start\r\ndata: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":3,"output_tokens":1}}}\r\n\r\n' +
      'event: brand_new\ndata: {"type":"brand_new","x":"\\ud83d"}\n\n: a comment\n\ndata: not json "message_delta"\n\n' +
      `data: ${'x'.repeat(200_000)}\n\n` +
      'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":7},"unknown":[1,2]}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n';
    claude.on(any, { raw: events, wire: { contentType: 'text/event-stream; charset=utf-8', chunkBytes: 7_001 } });
    const before = await today();
    const answer = await raw({ body: JSON.stringify({ ...body, stream: true }) });
    // Not `toBe`, which would print the whole difference.
    expect(answer.text === events).toBe(true);
    await expect.poll(async () => (await today()).outputTokens - before.outputTokens, { timeout: 5_000 }).toBe(7);
  });

  it('the Messages endpoint forwards the headers of the client except its secret and address', async () => {
    const sent = `{"model":"claude-sonnet-5-5", "max_tokens": 10,\n"messages":[{"role":"user","content":"\\ud800 \\u0000 ${'é'.repeat(10)}"}],"unknown":{"b":1,"a":2}}`;
    claude.on(any, 'ok');
    await raw({
      body: sent,
      path: '/llm/v1/messages?beta=true',
      headers: {
        'anthropic-beta': 'a-beta-2026,b',
        'x-custom': '1',
        cookie: 'c=1',
        'x-forwarded-for': '1.2.3.4',
        connection: 'keep-alive, x-hop',
        'x-hop': '1',
      },
    });
    const [got] = claude.requests.slice(-1);
    expect(got?.path).toBe('/v1/messages?beta=true');
    expect(got?.body).toEqual(JSON.parse(sent));
    expect(got?.headers).toMatchObject({
      'anthropic-beta': 'a-beta-2026,b',
      'x-custom': '1',
      'anthropic-version': '2023-06-01',
      'x-api-key': '[redacted]',
    });
    for (const name of ['authorization', 'cookie', 'x-forwarded-for', 'x-hop'])
      expect(got?.headers[name], name).toBeUndefined();
    expect(got?.headers['host']).toBe(new URL(claude.url).host);
  });

  it('the Messages endpoint counts tokens and lists models', async () => {
    const { input_tokens } = await sdk.messages.countTokens({ model: body.model, messages: body.messages });
    expect(input_tokens).toBeGreaterThan(0);
    const listed = await sdk.models.list();
    expect(listed.data.length).toBeGreaterThan(0);
    expect(await sdk.models.retrieve(body.model)).toMatchObject({ id: body.model });
  });

  it('the Messages endpoint forwards errors of the provider unchanged, with their headers', async () => {
    claude.on(any, rateLimited(7), { times: 1 });
    const error = await sdk.messages.create(body).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Anthropic.RateLimitError);
    expect(error).toMatchObject({ status: 429, type: 'rate_limit_error' });
    if (error instanceof Anthropic.APIError) expect(error.headers?.get('retry-after')).toBe('7');
    claude.on(any, overloaded(), { times: 1 });
    await expect(sdk.messages.create(body)).rejects.toMatchObject({ status: 529, type: 'overloaded_error' });
    claude.on(any, httpError(400), { times: 1 });
    await expect(sdk.messages.create(body)).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(sdk.messages.create({ ...body, max_tokens: -1 })).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(raw({ body: '{"half' })).resolves.toMatchObject({ status: 400 });
  });

  it('the Messages endpoint refuses in the format of the Messages API', async () => {
    const refused = async (sent: Sent, status: number, type: string) => {
      const answer = await raw({ body: JSON.stringify(body), ...sent });
      expect(answer.status).toBe(status);
      expect(JSON.parse(answer.text)).toMatchObject({
        type: 'error',
        error: { type, message: expect.stringMatching(/.{10,}\./) },
        request_id: expect.stringMatching(/^req_devlm_/),
      });
    };
    const before = claude.requests.length;
    await refused({ secret: null }, 401, 'authentication_error');
    await refused({ secret: 'wrong' }, 401, 'authentication_error');
    await refused({ secret: null, headers: { authorization: 'Basic x' } }, 401, 'authentication_error');
    await refused({ headers: { authorization: 'Bearer wrong' } }, 401, 'authentication_error');
    await refused({ headers: { origin: 'https://evil.example' } }, 403, 'permission_error');
    await refused({ headers: { host: 'evil.example' } }, 403, 'permission_error');
    await refused({ path: '/llm/v1/files' }, 404, 'not_found_error');
    await refused({ path: '/llm/v1/messages/../../v1/organizations' }, 404, 'not_found_error');
    await refused({ path: '/llm/v1/messages/%2e%2e/x' }, 404, 'not_found_error');
    await refused({ path: '/llm/' }, 404, 'not_found_error');
    await refused({ method: 'GET', body: '' }, 405, 'invalid_request_error');
    await refused({ method: 'DELETE', path: '/llm/v1/models', body: '' }, 405, 'invalid_request_error');
    expect(claude.requests.length).toBe(before);
    await expect(
      new Anthropic({ baseURL: `${server.origin}/llm`, apiKey: 'wrong', maxRetries: 0 }).messages.create(body),
    ).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
  });

  it('the Messages endpoint reports a missing API key', async () => {
    await using keyless = await TestServer.start({ env: { ANTHROPIC_API_KEY: '' } });
    const answer = await raw({ origin: keyless.origin, secret: keyless.discovery.secret, body: JSON.stringify(body) });
    expect(answer.status).toBe(401);
    expect(answer.text).toContain('Add a Claude API key');
  });

  it('the Messages endpoint accepts a body of 32 MB, and refuses a larger one however it is sent', {
    timeout: 60_000,
  }, async () => {
    claude.on(any, 'ok');
    const padded = (bytes: number) => {
      const [start = '', end = ''] = JSON.stringify(body).split('Hello');
      return `${start}${'x'.repeat(bytes - start.length - end.length)}${end}`;
    };
    const most = padded(limits.messagesBodyBytes);
    expect(Buffer.byteLength(most)).toBe(limits.messagesBodyBytes);
    // This is the provider's own answer, so it received every byte.
    expect(await raw({ body: most })).toMatchObject({
      status: 400,
      text: expect.stringContaining('prompt is too long'),
    });
    const more = padded(limits.messagesBodyBytes + 1);
    const announced = await raw({ body: more });
    expect(announced).toMatchObject({ status: 413 });
    expect(JSON.parse(announced.text)).toMatchObject({ error: { type: 'request_too_large' } });
    const chunked = await raw({ body: more, headers: { 'transfer-encoding': 'chunked' } });
    expect(chunked).toMatchObject({ status: 413 });
  });

  it('the Messages endpoint cancels the call at the provider as soon as the client leaves', async () => {
    claude.on(any, { blocks: [text('never ending '.repeat(1000))], pace: { chunksPerSecond: 5 } });
    const leave = new AbortController();
    const stream = sdk.messages.stream(body, { signal: leave.signal });
    await new Promise((heard) => stream.once('text', heard));
    leave.abort();
    await stream.finalMessage().catch(() => {});
    const call = await claude.received(1);
    await call.done;
    expect(call.hungUp).toBeDefined();
  });

  it('the Messages endpoint does not make a cut answer look complete', async () => {
    claude.on(any, { blocks: 'a long answer '.repeat(100), wire: { cut: { afterEvents: 6 } } });
    const answer = await raw({ body: JSON.stringify({ ...body, stream: true }) });
    expect(answer).toMatchObject({ status: 200, cut: true });
    expect(answer.text).not.toContain('message_stop');
  });

  it('the Messages endpoint ends a silent call, before and after its first byte', { timeout: 20_000 }, async () => {
    claude.on(any, { blocks: 'late', wire: { headersDelayMs: idleMs * 60 } }, { times: 1 });
    const silent = await raw({ body: JSON.stringify(body) });
    expect(silent.status).toBe(504);
    expect(JSON.parse(silent.text)).toMatchObject({ error: { type: 'timeout_error' } });
    claude.on(any, { blocks: 'half of it', wire: { stall: { afterEvents: 4 } } }, { times: 1 });
    expect(await raw({ body: JSON.stringify({ ...body, stream: true }) })).toMatchObject({ status: 200, cut: true });
  });

  it('the Messages endpoint reports that the provider is unavailable', async () => {
    await using away = await TestServer.start({ claudeUrl: 'http://127.0.0.1:9' });
    const answer = await raw({ origin: away.origin, secret: away.discovery.secret, body: JSON.stringify(body) });
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { type: 'api_error' } });
  });

  it('the Messages endpoint reads from the provider no faster than the client reads', { timeout: 60_000 }, async () => {
    // Far more than the buffers of two connections can hold.
    const bytes = 200_000_000;
    claude.on(any, { raw: Buffer.alloc(bytes, 'x'), wire: { contentType: 'application/json', chunkBytes: 100_000 } });
    const socket = connect(server.discovery.port, '127.0.0.1');
    // The server may end it with a reset.
    socket.on('error', () => {});
    const sent = JSON.stringify(body);
    socket.write(
      `POST /llm/v1/messages HTTP/1.1\r\nHost: 127.0.0.1:${server.discovery.port}\r\nx-api-key: ${server.discovery.secret}\r\nAnthropic-Version: 2023-06-01\r\nContent-Type: application/json\r\nContent-Length: ${sent.length}\r\n\r\n${sent}`,
    );
    await once(socket, 'readable');
    socket.pause();
    const call = await claude.received(1);
    await expect.poll(() => call.status, { timeout: 5_000 }).toBe(200);
    // The server's silence limit ends it. Until then it must not have read everything.
    await call.done;
    expect(call.hungUp?.bytesSent ?? bytes).toBeLessThan(bytes / 2);
    socket.destroy();
  });
});
