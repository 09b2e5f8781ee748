import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answerText } from '@devlm/protocol/reducer.ts';
import { ServerNotice } from '@devlm/protocol/views.ts';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { onlyDeep, share } from '../support/deep.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

const words = 'one two three ';
const slowly = (times: number, chunksPerSecond = 30) => ({
  blocks: words.repeat(times),
  pace: { chunkChars: words.length, chunksPerSecond },
});

/**
 * Real servers, each in its own process, that share a database and, in half of the tests, a Redis. Behavior that does
 * not depend on Redis is tested without it; a deep run tests it with Redis too.
 */
describe.each(['PostgreSQL alone', 'PostgreSQL and Redis'] as const)('nodes on %s', { timeout: 180_000 }, (on) => {
  const withRedis = on === 'PostgreSQL and Redis';
  let claude: Claude;
  let postgres: PostgresServer;
  let redis: RedisServer | undefined;
  let url: string;
  let folder: string;
  let one: TestServer;
  let two: TestServer;

  const start = () =>
    TestServer.start({
      claudeUrl: claude.url,
      team: true,
      env: {
        DEVLM_DATABASE_URL: url,
        DEVLM_DATA_KEY: Buffer.alloc(32, 7).toString('base64'),
        DEVLM_LIMIT_USER: '1000,1000',
        DEVLM_LIMIT_GLOBAL: '1000,1000',
        ...(redis ? { DEVLM_REDIS_URL: redis.url } : {}),
      },
    });
  beforeAll(async () => {
    claude = await startClaude();
    postgres = await startPostgres({ sync: false });
    if (withRedis) redis = await startRedis();
    folder = mkdtempSync(join(tmpdir(), 'devlm-nodes-'));
    url = await postgres.createDatabase();
    [one, two] = await Promise.all([start(), start()]);
  }, 120_000);
  afterEach(() => claude.reset());
  afterAll(async () => {
    await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()]);
    await redis?.[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  /** Checks that every event arrived once, in order. */
  const expectWhole = (reader: Reader) =>
    expect(reader.events.map(({ seq }) => seq)).toEqual(reader.events.map((_, index) => index + 1));

  test('a node shows a turn that runs on another node', async () => {
    claude.on(any, slowly(90));
    const conversationId = await newConversation(one);
    using reader = new Reader(() => two, conversationId);
    const turnId = await send(one, conversationId, 'Count.');
    // Several updates arrived during the answer, not only one at its end.
    let seen = 0;
    for (const part of [10, 30, 60])
      await reader.until(({ turns }) => {
        const turn = turns[turnId];
        const length = turn ? answerText(turn).length : 0;
        if (turn?.status === 'running' && length >= part * words.length) seen = part;
        return seen >= part || turn?.status === 'completed';
      });
    expect(seen).toBe(60);
    expect(answerText(await reader.ended(turnId))).toBe(words.repeat(90));
    expectWhole(reader);
    expect(claude.messages).toHaveLength(1);
  });

  const whateverCarriesMessages = () => {
    test('a node stops a turn of another node, and its cost is kept', async () => {
      claude.on(any, slowly(3_000));
      const conversationId = await newConversation(one);
      using reader = new Reader(() => one, conversationId);
      const turnId = await send(one, conversationId, 'Count for long.');
      await reader.until(({ turns }) => (turns[turnId]?.steps[0]?.blocks[0]?.text.length ?? 0) > 50);
      const from = performance.now();
      await two.client.call('turns.stop', { params: { conversationId, turnId } });
      const turn = await reader.ended(turnId);
      expect(turn.status).toBe('stopped');
      // Five seconds allow for a busy machine; the promised maximum is two.
      expect(performance.now() - from).toBeLessThan(5_000);
      expect(turn.steps[0]?.costUsd).toBeGreaterThan(0);
      expectWhole(reader);
    });

    test('a question of one node can be answered through another', async () => {
      claude.on(any, 'Blue it is.');
      claude.on(any, toolUse('ask_user', { question: 'Which colour?', options: ['red', 'blue'] }), { times: 1 });
      using window = new EditorWindow(() => one, folder);
      await window.attach();
      const conversationId = await newConversation(two, 'project');
      using reader = new Reader(() => two, conversationId);
      // The message arrives at one node, and runs on the node that has the window.
      const turnId = await send(two, conversationId, 'Paint.');
      const callOf = (state: Reader['state']) =>
        Object.entries(state.turns[turnId]?.steps[0]?.calls ?? {}).find(([, call]) => call.ask);
      const [callId = ''] = callOf(await reader.until((state) => callOf(state) !== undefined)) ?? [];
      await two.client.call('asks.answer', {
        params: { conversationId, turnId, callId },
        body: { kind: 'question', text: 'blue' },
      });
      const turn = await reader.ended(turnId);
      expect(answerText(turn)).toBe('Blue it is.');
      expectWhole(reader);
    });

    test('messages of a conversation run in order, whichever nodes receive them', async () => {
      claude.on(any, slowly(15));
      const conversationId = await newConversation(one);
      using reader = new Reader(() => two, conversationId);
      const turns: string[] = [];
      for (const [index, node] of [one, two, one, two].entries())
        turns.push(await send(node, conversationId, `Message ${index}`, { parent: turns.at(-1) ?? null }));
      for (const turnId of turns) expect((await reader.ended(turnId)).status).toBe('completed');
      const moments = reader.events.flatMap((event) =>
        (event.type === 'turn.started' || event.type === 'turn.ended') && 'turnId' in event ? [event.turnId] : [],
      );
      expect(moments).toEqual(turns.flatMap((turnId) => [turnId, turnId]));
      expect(claude.messages).toHaveLength(turns.length);
      expectWhole(reader);
    });

    test('a node that starts does not touch the turns of another node', async () => {
      claude.on(any, slowly(150));
      const conversationId = await newConversation(one);
      using reader = new Reader(() => one, conversationId);
      const turnId = await send(one, conversationId, 'Count.');
      await reader.until(({ turns }) => (turns[turnId]?.steps[0]?.blocks[0]?.text.length ?? 0) > 50);
      await using three = await start();
      expect((await three.client.call('server.info', {})).busyTurns).toBe(0);
      const turn = await reader.ended(turnId);
      expect(turn.steps.map(({ status }) => status)).toEqual(['ended']);
      expect(claude.messages).toHaveLength(1);
      expectWhole(reader);
    });
  };
  if (withRedis) onlyDeep(whateverCarriesMessages);
  else whateverCarriesMessages();

  const signals = ['SIGKILL', 'SIGTERM'] as const;
  test.for(withRedis ? share(signals.toReversed(), 2) : share(signals, 2))(
    'a node resumes the turn of a node that ends by %s',
    async (signal) => {
      claude.on(any, slowly(120));
      const dying = await start();
      try {
        const conversationId = await newConversation(dying);
        using reader = new Reader(() => two, conversationId);
        const turnId = await send(dying, conversationId, 'Count.');
        // Until it has taken the conversation, the other node might take it.
        await reader.until(({ turns }) => turns[turnId]?.status === 'running');
        const next = await send(two, conversationId, 'And again.', { parent: turnId });
        await reader.until(({ turns }) => (turns[turnId]?.steps[0]?.blocks[0]?.text.length ?? 0) > 50);
        await dying.kill(signal);
        const from = performance.now();
        const turn = await reader.ended(turnId, 60_000);
        if (signal === 'SIGTERM') expect(performance.now() - from).toBeLessThan(14_000);
        expect(turn.status).toBe('completed');
        expect(turn.steps.map(({ status }) => status)).toEqual(['abandoned', 'ended']);
        expect(answerText(turn)).toBe(words.repeat(120));
        expect((await reader.ended(next)).status).toBe('completed');
        // One call for the step of the dead node, and one for each of the two answers.
        expect(claude.messages).toHaveLength(3);
        expectWhole(reader);
        const ended = reader.events.filter(({ type }) => type === 'turn.ended');
        expect(ended).toHaveLength(2);
        // Each call is billed once: the ledger matches the log.
        const spent = reader.events.flatMap((event) => ('costUsd' in event && event.costUsd ? [event.costUsd] : []));
        const { conversation } = await one.client.call('conversations.get', { params: { conversationId }, query: {} });
        expect(conversation.costUsd).toBeCloseTo(
          spent.reduce((sum, usd) => sum + usd, 0),
          8,
        );
      } finally {
        await dying[Symbol.asyncDispose]();
      }
    },
  );

  const heldUp = () =>
    test('a node that was suspended for longer than its lease writes nothing any more', async () => {
      claude.on(any, slowly(60));
      const held = await start();
      try {
        const conversationId = await newConversation(held);
        using reader = new Reader(() => two, conversationId);
        const turnId = await send(held, conversationId, 'Count.');
        await reader.until(({ turns }) => (turns[turnId]?.steps[0]?.blocks[0]?.text.length ?? 0) > 50);
        process.kill(held.discovery.pid, 'SIGSTOP');
        const turn = await reader.ended(turnId, 60_000);
        process.kill(held.discovery.pid, 'SIGCONT');
        await expect
          .poll(async () => (await held.client.call('server.info', {})).busyTurns, { timeout: 30_000 })
          .toBe(0);
        expect(answerText(turn)).toBe(words.repeat(60));
        const { lastSeq } = await one.client.call('conversations.get', { params: { conversationId }, query: {} });
        expect(reader.events.at(-1)?.seq).toBe(lastSeq);
        expectWhole(reader);
      } finally {
        await held[Symbol.asyncDispose]();
      }
    });
  onlyDeep(heldUp);

  if (!withRedis) return;

  test('windows on another node are notified of changed conversations and of costs', async () => {
    claude.on(any, 'Hello.');
    const told: ServerNotice[] = [];
    const window = new AbortController();
    const response = await fetch(`${two.origin}/backend/events`, {
      headers: { authorization: `Bearer ${two.discovery.secret}` },
      signal: window.signal,
    });
    const messages = response.body?.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    const following = (async () => {
      for await (const { data } of messages ?? []) told.push(ServerNotice.parse(JSON.parse(data)));
    })().catch(() => undefined);
    const conversationId = await newConversation(one);
    using reader = new Reader(() => two, conversationId);
    await reader.ended(await send(one, conversationId, 'Hi'));
    const heard = () => new Set(told.filter(({ type }) => type !== 'hello').map(({ type }) => type));
    if (redis)
      await expect.poll(heard, { timeout: 20_000 }).toEqual(new Set(['usage.changed', 'conversation.changed']));
    window.abort();
    await following;
  });

  test('nodes continue without Redis, more slowly, and use it again when it is back', async () => {
    claude.on(any, slowly(150));
    const conversationId = await newConversation(one);
    using reader = new Reader(() => two, conversationId);
    const turnId = await send(one, conversationId, 'Count.');
    await reader.until(({ turns }) => (turns[turnId]?.steps[0]?.blocks[0]?.text.length ?? 0) > 50);
    await redis?.kill();
    expect(answerText(await reader.ended(turnId))).toBe(words.repeat(150));
    claude.reset();
    claude.on(any, slowly(3_000));
    const long = await send(one, conversationId, 'Count for long.', { parent: turnId });
    await reader.until(({ turns }) => (turns[long]?.steps[0]?.blocks[0]?.text.length ?? 0) > 50);
    await two.client.call('turns.stop', { params: { conversationId, turnId: long } });
    expect((await reader.ended(long)).status).toBe('stopped');
    await redis?.start();
    const listeners = () => Number(redis?.cli('pubsub', 'numsub', 'devlm:nodes').split('\n').at(-1));
    await expect.poll(listeners, { timeout: 30_000 }).toBe(2);
    expectWhole(reader);
  });
});
