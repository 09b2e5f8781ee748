import Anthropic, { RateLimitError } from '@anthropic-ai/sdk';
import { Problem } from '@devlm/protocol/problem.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { newConversation, Reader, send as sendMessage, TestServer } from '../support/server.ts';

/** Limits of a team server. */
const teamLimits = { DEVLM_LIMIT_ADDRESS: '10,5', DEVLM_LIMIT_USER: '10,5', DEVLM_LIMIT_GLOBAL: '100,10' };
/** Adds a token in more than a hundred seconds, so that used tokens stay used during a test. */
const generous = '1000,1000';

interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly secret?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function send(server: TestServer, { path = '/backend/info', method = 'GET', secret, headers }: Sent = {}) {
  const response = await fetch(`${server.origin}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${secret ?? server.discovery.secret}`,
      'anthropic-version': '2023-06-01',
      ...headers,
    },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function statuses(server: TestServer, count: number, sent: (index: number) => Sent): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => send(server, sent(index))));
  return answers.map(({ status }) => status);
}

const countOf = (all: readonly number[], status: number) => all.filter((one) => one === status).length;

describe('the limits of a team', () => {
  let claude: Claude;
  beforeAll(async () => {
    claude = await startClaude();
  });
  afterAll(() => claude?.[Symbol.asyncDispose]());
  const start = (env: Readonly<Record<string, string>> = {}) =>
    TestServer.start({ claudeUrl: claude.url, env: { ...teamLimits, ...env } });

  test('a rate limit lets a burst of a user through, then the rate, and says when to retry', async () => {
    await using server = await start();
    const from = performance.now();
    const answers = await Promise.all(Array.from({ length: 200 }, () => send(server)));
    const seconds = (performance.now() - from) / 1000;
    const passed = answers.filter(({ status }) => status === 200);
    expect(passed.length).toBeGreaterThanOrEqual(5);
    expect(passed.length).toBeLessThanOrEqual(5 + Math.ceil(10 * seconds));
    expect(passed[0]?.headers.get('ratelimit-policy')).toBe('"api";q=10;w=1;burst=5');
    const refused = answers.find(({ status }) => status === 429);
    expect(Problem.parse(JSON.parse(refused?.text ?? ''))).toMatchObject({ code: 'rate_limited', status: 429 });
    expect(refused?.headers.get('retry-after')).toBe('1');
    expect(refused?.headers.get('ratelimit')).toMatch(/^"api";r=\d;t=1$/);
    // A client that retries when told to is admitted.
    await expect.poll(async () => (await send(server)).status, { interval: 200, timeout: 10_000 }).toBe(200);
  });

  test('a rate limit refuses in the format of the Messages API, and its SDK waits and retries', async () => {
    await using server = await start();
    const options = { baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 };
    const ask = (sdk: Anthropic) =>
      sdk.models.list().then(
        () => null,
        (error: unknown) => error,
      );
    const errors = await Promise.all(Array.from({ length: 100 }, () => ask(new Anthropic(options))));
    expect(errors.filter((error) => error === null).length).toBeGreaterThanOrEqual(5);
    const refused = errors.find((error) => error instanceof RateLimitError);
    expect(refused?.error).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
    expect(refused?.headers.get('retry-after')).toBe('1');
    expect(refused?.headers.get('ratelimit-policy')).toBe('"llm";q=10;w=1;burst=5');
    expect(await ask(new Anthropic({ ...options, maxRetries: 5 }))).toBeNull();
  });

  test('rate limits are separate for each kind of route, with streams and health routes unaffected by the others', async () => {
    await using server = await start({ DEVLM_LIMIT_USER: '1,2' });
    expect(countOf(await statuses(server, 50, () => ({})), 429)).toBeGreaterThan(40);
    expect((await send(server, { path: '/llm/v1/models' })).status).toBe(200);
    expect((await send(server, { path: '/execute/none' })).status).toBe(404);
    expect(await statuses(server, 100, () => ({ path: '/healthz', secret: 'none' }))).toEqual(Array(100).fill(200));
    const streams = await Promise.all(
      Array.from({ length: 50 }, () =>
        fetch(`${server.origin}/backend/events`, {
          headers: { authorization: `Bearer ${server.discovery.secret}`, accept: 'text/event-stream' },
        }),
      ),
    );
    expect(streams.map(({ status }) => status)).toEqual(Array(50).fill(200));
    for (const stream of streams) await stream.body?.cancel();
  });

  test('a rate limit recognizes a stream by its route, not by the Accept header', async () => {
    await using server = await start({ DEVLM_LIMIT_USER: '1,2' });
    const disguised = { path: '/backend/conversations?search=a', headers: { accept: 'text/event-stream' } };
    expect(countOf(await statuses(server, 100, () => disguised), 429)).toBeGreaterThan(80);
    const near = { path: '/backend/editorial', method: 'POST' };
    expect(countOf(await statuses(server, 50, () => near), 429)).toBeGreaterThan(40);
  });

  test('rate limits also count requests for missing paths and disallowed methods', async () => {
    await using server = await start({ DEVLM_LIMIT_USER: '1,2' });
    const strange = ['/', '/backend/none', '/backend/info/../../x', '/admin', '/llm/none'];
    const answers = await statuses(server, 100, (index) => ({ path: strange[index % strange.length] ?? '/' }));
    expect(countOf(answers, 429)).toBeGreaterThan(80);
    expect(countOf(await statuses(server, 50, () => ({ method: 'DELETE' })), 429)).toBeGreaterThan(40);
  });

  test('the global rate limit counts all users together', async () => {
    await using server = await start({ DEVLM_LIMIT_USER: generous, DEVLM_LIMIT_GLOBAL: '1,10' });
    const answers = await statuses(server, 200, (index) => (index % 2 ? {} : { path: '/llm/v1/models' }));
    expect(countOf(answers, 200)).toBeGreaterThanOrEqual(10);
    expect(countOf(answers, 429)).toBeGreaterThan(150);
  });

  test('an editor waits and retries after a rate limit, and its streams continue', async () => {
    await using server = await start();
    const conversationId = await newConversation(server);
    using reader = new Reader(() => server, conversationId);
    const turnId = await sendMessage(server, conversationId, 'Hello');
    // All requests of a window that opens, several times.
    const answers = await Promise.all(Array.from({ length: 30 }, () => server.client.call('server.info', {})));
    expect(new Set(answers.map(({ pid }) => pid))).toEqual(new Set([server.discovery.pid]));
    expect(await reader.ended(turnId)).toMatchObject({ status: 'completed' });
  });

  describe('rate limits of unauthenticated clients', () => {
    const wrong = (index: number): Sent => ({ secret: `wrong-${index}` });

    test('unauthenticated requests count for their address, not for authenticated users behind it', async () => {
      await using server = await start({
        DEVLM_LIMIT_ADDRESS: '1,5',
        DEVLM_LIMIT_USER: generous,
        DEVLM_LIMIT_GLOBAL: generous,
      });
      const [strangers, own] = await Promise.all([
        statuses(server, 200, wrong),
        statuses(server, 200, () => ({ headers: { 'x-forwarded-for': '192.0.2.1' } })),
      ]);
      expect(countOf(strangers, 401)).toBeGreaterThanOrEqual(5);
      expect(countOf(strangers, 401) + countOf(strangers, 429)).toBe(200);
      expect(countOf(strangers, 429)).toBeGreaterThan(150);
      expect(own).toEqual(Array(200).fill(200));
      // The same applies on the other path, in its own format.
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => send(server, { path: '/llm/v1/messages', method: 'POST', secret: 'wrong' })),
      );
      const refused = answers.find(({ status }) => status === 429);
      expect(JSON.parse(refused?.text ?? '')).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
    });

    test('X-Forwarded-For is ignored unless it comes from a trusted proxy', async () => {
      await using server = await start({ DEVLM_LIMIT_ADDRESS: '1,5', DEVLM_TRUSTED_PROXIES: '10.0.0.0/8' });
      const answers = await statuses(server, 200, (index) => ({
        secret: 'wrong',
        headers: {
          'x-forwarded-for': `203.0.113.${index}`,
          'x-real-ip': `203.0.113.${index}`,
          forwarded: `for=203.0.113.${index}`,
        },
      }));
      expect(countOf(answers, 429)).toBeGreaterThan(150);
    });

    test('of X-Forwarded-For only the part that a trusted proxy added is used', async () => {
      await using server = await start({ DEVLM_LIMIT_ADDRESS: '1,1', DEVLM_TRUSTED_PROXIES: 'loopback,10.0.0.0/8' });
      const from = (forwarded: string) =>
        send(server, { secret: 'wrong', headers: { 'x-forwarded-for': forwarded } }).then(({ status }) => status);
      expect(await Promise.all([from('203.0.113.1'), from('203.0.113.2')])).toEqual([401, 401]);
      const spoofed = await Promise.all(
        Array.from({ length: 50 }, (_, index) => from(`198.51.100.${index}, 203.0.113.3, 10.1.2.3`)),
      );
      expect(countOf(spoofed, 429)).toBeGreaterThan(40);
      // An invalid address counts as that of the proxy.
      const garbage = await Promise.all(Array.from({ length: 50 }, (_, index) => from(`unknown-${index}`)));
      expect(countOf(garbage, 429)).toBeGreaterThan(40);
    });

    test('an IPv6 /64 counts as one address, and so does an IPv4 address in any notation', async () => {
      await using server = await start({ DEVLM_LIMIT_ADDRESS: '1,1', DEVLM_TRUSTED_PROXIES: 'loopback' });
      const from = (forwarded: string) =>
        send(server, { secret: 'wrong', headers: { 'x-forwarded-for': forwarded } }).then(({ status }) => status);
      const hex = (index: number) => (index * 0x01010101).toString(16).padStart(8, '0');
      const rotated = await Promise.all(
        Array.from({ length: 100 }, (_, i) => from(`2001:db8:1:2:${hex(i).slice(0, 4)}:${hex(i).slice(4)}::${i + 1}`)),
      );
      expect(countOf(rotated, 429)).toBeGreaterThan(90);
      expect(await from('2001:db8:1:3::1')).toBe(401);
      expect(await from('192.0.2.7')).toBe(401);
      expect(await from('::ffff:192.0.2.7')).toBe(429);
      expect(await from('::ffff:c000:207')).toBe(429);
    });
  });
});

test('an embedded server lets all simultaneous requests of an editor through', async () => {
  await using server = await TestServer.start();
  expect(await statuses(server, 400, () => ({}))).toEqual(Array(400).fill(200));
});
