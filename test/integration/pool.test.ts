import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import type { Answer } from '../support/claude/answer.ts';
import { badKey, creditTooLow, hangUp, httpError, overloaded, rateLimited } from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import type { Claude } from '../support/claude/server.ts';
import { PoolServer } from '../support/pool.ts';
import { newConversation, Reader, send } from '../support/server.ts';

const idleMs = 2_000;
const body = {
  model: 'claude-sonnet-5-5',
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content: 'Hello' }],
};

function client({ server }: PoolServer): Anthropic {
  return new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
}

/** Returns the address of the instance that was called first, which is the one that fails. */
async function firstOf(pool: PoolServer): Promise<Claude> {
  const asked = pool.claudes.filter(({ messages }) => messages.length > 0);
  const [first] = asked.sort((a, b) => Number(a.messages[0]?.at) - Number(b.messages[0]?.at));
  if (!first) throw new Error('no instance was called');
  return first;
}

/** Fails at the instance that is called first, and answers at the others. */
function failOnce(pool: PoolServer, failure: Answer): void {
  let failed = false;
  const answer: Answer = () => {
    if (failed) return 'The answer.';
    failed = true;
    return typeof failure === 'function' ? expect.fail('not so') : failure;
  };
  for (const claude of pool.claudes) claude.on(any, answer);
}

describe('a pool of instances', { timeout: 180_000 }, () => {
  const failures: [string, Answer][] = [
    ['429', rateLimited(30)],
    ['529', overloaded()],
    ['500', httpError(500)],
    ['a key that is refused', badKey()],
    ['a connection that closes', hangUp()],
    ['a reset', hangUp('reset')],
    ['silence before the headers', { blocks: 'late', wire: { headersDelayMs: 60_000 } }],
    ['silence after the headers', { blocks: 'late', wire: { stall: { atByte: 0 } } }],
    ['silence after the first event', { blocks: 'late', wire: { stall: { afterEvents: 1 } } }],
    ['a cut before the first token', { blocks: 'late', wire: { cut: { afterEvents: 1 } } }],
    ['an error inside the stream', { blocks: 'late', wire: { error: { afterEvents: 1, type: 'overloaded_error' } } }],
  ];
  it('the pool retries a call that fails before its first token at another instance, unnoticed by the client', async () => {
    for (const [what, failure] of failures) {
      await using pool = await PoolServer.start(2, { env: { DEVLM_STREAM_IDLE_MS: String(idleMs) } });
      failOnce(pool, failure);
      const stream = client(pool).messages.stream(body);
      const message = await stream.finalMessage().catch((error: unknown) => expect.fail(`${what}: ${error}`));
      expect(message.content, what).toMatchObject([{ type: 'text', text: 'The answer.' }]);
      expect(pool.counts, what).toEqual([1, 1]);
    }
  });

  it('the pool retries a call of a chat turn at another instance without a visible retry', async () => {
    const silent: Answer = { blocks: 'late', wire: { headersDelayMs: 60_000 } };
    for (const failure of [rateLimited(30), overloaded(), hangUp('reset'), silent]) {
      await using pool = await PoolServer.start(2, { env: { DEVLM_STREAM_IDLE_MS: '2000' } });
      failOnce(pool, failure);
      const conversationId = await newConversation(pool.server);
      using reader = new Reader(() => pool.server, conversationId);
      const turn = await reader.ended(await send(pool.server, conversationId, 'hello'));
      expect(turn.status).toBe('completed');
      expect(reader.events.map(({ type }) => type)).not.toContain('step.retrying');
      expect(pool.counts).toEqual([1, 1]);
    }
  });

  it('a turn whose call fails after its first token is visibly retried, and each call is billed once', async () => {
    await using pool = await PoolServer.start(2, { env: { DEVLM_RETRY_BASE_MS: '10' } });
    failOnce(pool, { blocks: 'half an answer '.repeat(20), wire: { cut: { afterEvents: 6 } } });
    const conversationId = await newConversation(pool.server);
    using reader = new Reader(() => pool.server, conversationId);
    const turn = await reader.ended(await send(pool.server, conversationId, 'hello'));
    expect(turn).toMatchObject({ status: 'completed', steps: [{ status: 'abandoned' }, { status: 'ended' }] });
    const spent = await pool.server.client.call('usage.today', { query: {} });
    const inputs = turn.steps.map((step) => step.usage?.inputTokens ?? 0);
    expect(spent.inputTokens).toBe(inputs.reduce((sum, one) => sum + one, 0));
  });

  it('an answer of the Messages endpoint that was cut off stays cut off, and its cost is recorded', async () => {
    await using pool = await PoolServer.start(2);
    failOnce(pool, { blocks: 'half an answer '.repeat(20), wire: { cut: { afterEvents: 6 } } });
    await expect(client(pool).messages.stream(body).finalMessage()).rejects.toThrow();
    expect(pool.counts.reduce((sum, one) => sum + one)).toBe(1);
    const today = () => pool.server.client.call('usage.today', { query: {} });
    await expect.poll(async () => (await today()).inputTokens, { timeout: 5_000 }).toBeGreaterThan(0);
  });

  it('the pool does not retry a call that would fail at every instance', async () => {
    await using pool = await PoolServer.start(3);
    for (const claude of pool.claudes) claude.on(any, httpError(400, { message: 'no' }));
    await expect(client(pool).messages.create(body)).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    for (const claude of pool.claudes) claude.on(any, creditTooLow());
    expect(pool.counts.reduce((sum, one) => sum + one)).toBe(1);
  });

  it('the pool keeps a conversation at the instance that has its prompt cached', async () => {
    await using pool = await PoolServer.start(4);
    const sdk = client(pool);
    const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Remember me' }];
    for (let call = 0; call < 12; call++) {
      const answer = await sdk.messages.create({ ...body, messages });
      messages.push({ role: 'assistant', content: answer.content }, { role: 'user', content: `and ${call}` });
    }
    expect([...pool.counts].sort((a, b) => a - b)).toEqual([0, 0, 0, 12]);
    pool.reset();
    for (const claude of pool.claudes) claude.on(any, { blocks: 'slowly', pace: { startDelayMs: 200 } });
    const others = Array.from({ length: 12 }, (_, index) =>
      sdk.messages.create({ ...body, messages: [{ role: 'user', content: `Conversation ${index}` }] }),
    );
    await Promise.all(others);
    expect(Math.min(...pool.counts)).toBeGreaterThan(0);
  });

  it('the pool says when to retry if all instances are down', async () => {
    await using pool = await PoolServer.start(2);
    const sdk = client(pool);
    for (const claude of pool.claudes) claude.on(any, rateLimited(30));
    await expect(sdk.messages.create(body)).rejects.toMatchObject({ status: 429 });
    const limited: unknown = await sdk.messages.create(body).catch((error: unknown) => error);
    if (!(limited instanceof Anthropic.RateLimitError)) throw limited;
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(20);
    // It was not sent, because an instance is not called before its retry time.
    expect(pool.counts).toEqual([1, 1]);

    await using broken = await PoolServer.start(2);
    for (const claude of broken.claudes) claude.on(any, overloaded());
    const statuses: unknown[] = [];
    for (let call = 0; call < 6; call++) {
      const error: unknown = await client(broken)
        .messages.create(body)
        .catch((caught: unknown) => caught);
      if (!(error instanceof Anthropic.APIError)) throw error;
      expect(error.headers?.get('retry-after')).toMatch(/^[1-9]\d*$/);
      statuses.push(error.status);
    }
    expect(statuses).toEqual(statuses.map(() => 529));
  });

  it('the pool reports that no instance can be reached', async () => {
    await using pool = await PoolServer.start(2, { instance: () => ({ baseUrl: 'http://127.0.0.1:9' }) });
    const error: unknown = await client(pool)
      .messages.create(body)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ status: 503, error: { error: { type: 'api_error' } } });
  });

  it('the pool uses an instance again after it has recovered', async () => {
    await using pool = await PoolServer.start(2, { instance: (index) => (index === 0 ? {} : { weight: 0.01 }) });
    const sdk = client(pool);
    for (const claude of pool.claudes) claude.on(any, hangUp(), { times: 3 });
    for (let call = 0; call < 3; call++) await sdk.messages.create(body).catch(() => undefined);
    await expect
      .poll(
        () =>
          sdk.messages.create(body).then(
            ({ stop_reason }) => stop_reason,
            () => null,
          ),
        { timeout: 20_000 },
      )
      .toBe('end_turn');
  });

  it('the pool calls the models of an alias in order, skipping those that are not available', async () => {
    await using pool = await PoolServer.start(2, {
      instance: (index) => ({ models: [index === 0 ? 'claude-haiku-4-5*' : 'claude-sonnet-*'] }),
    });
    const sdk = client(pool);
    const sent =
      '{"messages": [{"role":"user","content":"\\ud800 {\\"model\\":\\"x\\"}"}],\n "max_tokens":9, "model" :"fast" }';
    const raw = await fetch(`${pool.server.origin}/llm/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': pool.server.discovery.secret, 'anthropic-version': '2023-06-01' },
      body: sent,
    });
    expect(raw.status).toBe(200);
    expect(pool.claude(0).messages[0]?.body).toEqual({ ...JSON.parse(sent), model: 'claude-haiku-4-5' });
    pool.claude(0).on(any, overloaded());
    expect((await sdk.messages.create({ ...body, model: 'fast' })).model).toBe('claude-sonnet-5-5');
    await expect(sdk.messages.create({ ...body, model: 'claude-opus-5-5' })).rejects.toBeInstanceOf(
      Anthropic.NotFoundError,
    );
    const conversationId = await newConversation(pool.server);
    using reader = new Reader(() => pool.server, conversationId);
    const turnId = await send(pool.server, conversationId, 'hello', { model: 'fast' });
    expect(await reader.ended(turnId)).toMatchObject({ status: 'completed', steps: [{ model: 'claude-sonnet-5-5' }] });
  });

  it('the pool lists the models of all instances, and the aliases for them', async () => {
    await using pool = await PoolServer.start(2, {
      instance: (index) => ({ models: [index === 0 ? 'claude-haiku-4-5*' : 'claude-sonnet-*'] }),
      config: { aliases: { none: ['claude-none'] } },
    });
    const sdk = client(pool);
    const ids: string[] = [];
    for await (const { id } of sdk.models.list({ limit: 1 })) ids.push(id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.some((id) => id.startsWith('claude-haiku-4-5'))).toBe(true);
    expect(ids).toEqual(expect.arrayContaining(['claude-sonnet-5-5', 'fast', 'smart']));
    expect(ids.filter((id) => id === 'none' || id.includes('opus'))).toEqual([]);
    expect(await sdk.models.retrieve('smart')).toMatchObject({ type: 'model', id: 'smart' });
    for (const id of ['none', 'claude-none', '__proto__'])
      await expect(sdk.models.retrieve(id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    for (const claude of pool.claudes) claude.on({ path: '/v1/models' }, httpError(500));
    expect((await sdk.models.list()).data.length).toBe(ids.length);
  });

  it('calls of users go before background calls, which still make progress', async () => {
    await using pool = await PoolServer.start(2, { instance: () => ({ concurrency: 2 }) });
    for (const claude of pool.claudes) claude.on(any, { blocks: 'slowly', pace: { startDelayMs: 150 } });
    const sdk = client(pool);
    const background = { headers: { 'x-devlm-priority': 'background' } };
    const done: string[] = [];
    const batch = Array.from({ length: 30 }, () =>
      sdk.messages.create(body, background).then(() => done.push('batch')),
    );
    await expect.poll(() => pool.counts.reduce((sum, one) => sum + one)).toBeGreaterThan(1);
    const persons = Array.from({ length: 6 }, () => sdk.messages.create(body).then(() => done.push('person')));
    await Promise.all(persons);
    expect(done.filter((one) => one === 'batch').length).toBeLessThan(20);
    await Promise.all(batch);
  });

  it('the pool refuses a call at once if too many wait, and forgets callers that have left', async () => {
    await using pool = await PoolServer.start(1, { instance: () => ({ concurrency: 1 }) });
    pool.claude(0).on(any, { blocks: 'late', pace: { startDelayMs: 2_000 } });
    const sdk = client(pool);
    const leave = new AbortController();
    const first = sdk.messages.create(body);
    await pool.claude(0).received(1);
    const left = sdk.messages.create(body, { signal: leave.signal });
    leave.abort();
    await expect(left).rejects.toThrow();
    await first;
    await sdk.messages.create(body);
    expect(pool.counts).toEqual([2]);
  });

  it('the pool handles an address that disappears and returns under load', async () => {
    await using pool = await PoolServer.start(1);
    const sdk = client(pool);
    const gone: Server = createServer((_request, response) => response.destroy());
    gone.listen(0, '127.0.0.1');
    await once(gone, 'listening');
    gone.close();
    const answers = await Promise.all(Array.from({ length: 20 }, () => sdk.messages.create(body)));
    expect(answers.every(({ stop_reason }) => stop_reason === 'end_turn')).toBe(true);
    expect(await firstOf(pool)).toBe(pool.claude(0));
  });
});
