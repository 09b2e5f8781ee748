import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Compaction, contextTokens } from '@devlm/protocol/compaction.ts';
import { answerText } from '@devlm/protocol/reducer.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type Answer, toolUse } from '../support/claude/answer.ts';
import { creditTooLow, httpError, promptTooLong } from '../support/claude/faults.ts';
import { model } from '../support/claude/models.ts';
import { MessagesRequest } from '../support/claude/request.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { promptTokens } from '../support/claude/tokens.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

const window = 30_000;
const id = 'claude-small-1';
const models = [
  model({
    id,
    name: 'Small',
    created: '2026-01-01',
    line: 'sonnet',
    input: window,
    output: 32_000,
    cacheMinTokens: 64,
  }),
];
const asksForSummary = 'Write only the summary. Do not call any tools.';
const summary = 'The person wants a bird book. The secret word is PLOVER.';

/** Returns about 2,000 tokens of words that say which message they belong to. */
const longText = (about: string) => `${about}: ${`${about} lorem ipsum dolor sit amet `.repeat(8_000)}`.slice(0, 8_000);

const Prompt = z.looseObject({ messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })) });
const compactionsOf = (turn: TurnState): Compaction[] => turn.steps.flatMap(({ compaction }) => compaction ?? []);

describe('a conversation that outgrows the model', { timeout: 90_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let editor: EditorWindow;
  let folder: string;

  beforeAll(async () => {
    claude = await startClaude({ models });
    server = await TestServer.start({
      claudeUrl: claude.url,
      args: ['--sandbox', 'off'],
      env: { DEVLM_MODEL: id, DEVLM_RETRY_BASE_MS: '5', DEVLM_STREAM_IDLE_MS: '400' },
    });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    claude.reset();
    folder = mkdtempSync(join(tmpdir(), 'devlm-compaction-'));
    editor = new EditorWindow(() => server, folder);
    await editor.attach();
  });
  afterEach(() => {
    editor[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  /** Sends messages one after the other, and returns their turns. */
  const talk = async (reader: Reader, texts: readonly string[]) => {
    const turns: TurnState[] = [];
    for (const text of texts) {
      const turnId = await send(server, reader.state.id, text, { parent: reader.state.head });
      turns.push(await reader.ended(turnId, 30_000));
    }
    return turns;
  };
  const birds = [
    'auk',
    'bittern',
    'crane',
    'dunlin',
    'eider',
    'finch',
    'grebe',
    'heron',
    'ibis',
    'jay',
    'knot',
    'loon',
  ];
  const begin = async (projectId: string | null = null) =>
    new Reader(() => server, await newConversation(server, projectId));
  const prompts = () => claude.messages.map(({ body }) => ({ body: Prompt.parse(body), text: JSON.stringify(body) }));

  it('a compacted conversation continues with the summary in its prompt and an unchanged log', async () => {
    claude.on(any, 'Noted.');
    claude.on(asksForSummary, summary);
    using reader = await begin();
    const turns = await talk(reader, birds.map(longText));
    expect(turns.map(({ status }) => status)).toEqual(birds.map(() => 'completed'));
    expect(turns.map(answerText)).toEqual(birds.map(() => 'Noted.'));

    const made = turns.flatMap(compactionsOf);
    expect(made.length).toBeGreaterThan(0);
    for (const { tokensBefore, context } of made) {
      expect(tokensBefore).toBeGreaterThan(window * 0.7);
      expect(contextTokens(context)).toBeLessThan(window * 0.55);
    }
    for (const { body } of claude.messages) expect(promptTokens(MessagesRequest.parse(body))).toBeLessThan(window);
    const last = prompts().at(-1);
    expect(last?.text).toContain('PLOVER');
    expect(last?.text).toContain('loon: loon lorem');
    expect(last?.text).toContain('knot: knot lorem');
    expect(last?.text).not.toContain('auk: auk lorem');

    // Readers of the conversation still find every word.
    using fresh = new Reader(() => server, reader.state.id);
    const state = await fresh.until(({ lastSeq }) => lastSeq === reader.state.lastSeq);
    expect(Object.values(state.turns).map(({ text }) => text)).toEqual(birds.map(longText));
    expect(state).toEqual(reader.state);
    // The summary has a cost, which is counted.
    const steps = turns.flatMap(({ steps }) => steps).filter(({ purpose }) => purpose);
    expect(steps.every(({ usage }) => (usage?.outputTokens ?? 0) > 0)).toBe(true);
  });

  it('a long turn is compacted between two steps, and its prompt cache stays valid', async () => {
    for (const bird of birds) editor.write(`${bird}.txt`, longText(bird));
    claude.on(any, 'All read.');
    for (const bird of birds.toReversed()) claude.on(any, toolUse('file_read', { path: `${bird}.txt` }), { times: 1 });
    claude.on(asksForSummary, summary);
    using reader = await begin('project');
    const [turn] = await talk(reader, ['Read all the birds.']);
    expect(turn?.status).toBe('completed');
    expect(turn && answerText(turn)).toBe('All read.');
    expect(turn && compactionsOf(turn).length).toBeGreaterThan(0);
    const last = prompts().at(-1);
    expect(last?.text).toContain('PLOVER');
    expect(last?.text).toContain('Read all the birds.');
    expect(last?.text).not.toContain('auk lorem');

    // Each step reads from the cache what the previous one wrote. Right after a compaction that is only the system
    // prompt and the tools.
    const steps = (turn?.steps ?? []).filter(({ status }) => status === 'ended');
    const counts = steps.map(({ usage, purpose, compaction }) => {
      const { inputTokens = 0, cacheReadTokens = 0, cacheWriteTokens = 0 } = usage ?? {};
      return { purpose, compaction, read: cacheReadTokens, total: inputTokens + cacheReadTokens + cacheWriteTokens };
    });
    for (const [index, { purpose, read, total }] of counts.entries()) {
      const before = counts[index - 1];
      if (purpose) expect(read / total).toBeGreaterThan(0.9);
      else if (before?.compaction) expect(read).toBeGreaterThan(1_000);
      else if (before) expect(read).toBeGreaterThanOrEqual(before.total);
    }
  });

  it('an interrupted compaction is repeated after a restart, and the prompt begins the same from then on', async () => {
    const own = await TestServer.start({
      claudeUrl: claude.url,
      args: ['--sandbox', 'off'],
      env: { DEVLM_MODEL: id, DEVLM_IDLE_EXIT_MS: '0' },
    });
    try {
      claude.on(any, 'Noted.');
      const conversationId = await newConversation(own);
      using reader = new Reader(() => own, conversationId);
      let stalled = 0;
      claude.on(asksForSummary, () => {
        stalled += 1;
        return stalled === 1 ? { blocks: summary, wire: { stall: { afterEvents: 4 } } } : { blocks: summary };
      });
      let turnId = '';
      for (const bird of birds) {
        turnId = await send(own, conversationId, longText(bird), { parent: reader.state.head });
        const sent = turnId;
        await reader.until(({ turns }) => {
          const turn = turns[sent];
          return (
            turn?.status === 'completed' ||
            (turn?.steps.some(({ blocks, purpose }) => purpose && blocks.length > 0) ?? false)
          );
        }, 30_000);
        if (stalled > 0) break;
      }
      expect(stalled).toBe(1);
      await own.kill();
      await own.start();
      await own.client.call('server.credential', { body: {} });
      const turn = await reader.ended(turnId, 60_000);
      expect(turn.status).toBe('completed');
      expect(answerText(turn)).toBe('Noted.');
      expect(turn.steps.map(({ purpose, status }) => [purpose, status])).toEqual([
        ['compaction', 'abandoned'],
        ['compaction', 'ended'],
        [undefined, 'ended'],
      ]);
      const before = prompts().at(-1)?.body.messages ?? [];
      await own.kill();
      await own.start();
      await own.client.call('server.credential', { body: {} });
      const next = await send(own, conversationId, 'And now?', { parent: turnId });
      await reader.ended(next, 30_000);
      const after = prompts().at(-1)?.body.messages ?? [];
      const bare = (messages: unknown) =>
        JSON.stringify(messages, (name, value: unknown) => (name === 'cache_control' ? undefined : value));
      expect(bare(after.slice(0, before.length))).toBe(bare(before));
    } finally {
      await own[Symbol.asyncDispose]();
    }
  });

  it.each([
    ['refuses', httpError(400, { message: 'no' })],
    ['is silent', { blocks: summary, wire: { stall: { afterEvents: 3 } } }],
    ['breaks off each time', { blocks: summary, wire: { cut: { afterEvents: 4 } } }],
    ['is cut at its greatest length', { blocks: summary, stopReason: 'max_tokens' }],
    ['says nothing', { blocks: [], stopReason: 'end_turn' }],
    ['calls a tool instead', { blocks: [toolUse('file_read', { path: 'a.txt' })] }],
  ] as [string, Answer][])('a turn continues with old results cut if the summary %s', async (_, answer) => {
    for (const bird of birds) editor.write(`${bird}.txt`, longText(bird));
    claude.on(any, 'All read.');
    for (const bird of birds.toReversed()) claude.on(any, toolUse('file_read', { path: `${bird}.txt` }), { times: 1 });
    claude.on(asksForSummary, answer);
    using reader = await begin('project');
    const [turn] = await talk(reader, ['Read all the birds.']);
    expect(turn?.status).toBe('completed');
    const made = turn ? compactionsOf(turn) : [];
    expect(made.length).toBeGreaterThan(0);
    expect(made.every(({ textChars }) => textChars !== null)).toBe(true);
    const last = prompts().at(-1);
    expect(last?.text).toContain('Omitted to save space');
    expect(last?.text).not.toContain('PLOVER');
    // The results that the model has just read are complete.
    expect(last?.text).toContain(longText('loon').slice(-200));
    for (const { body } of claude.messages) expect(promptTokens(MessagesRequest.parse(body))).toBeLessThan(window);
  });

  it('a conversation is compacted once if the provider rejects the prompt as too long', async () => {
    claude.on(any, 'Noted.');
    claude.on(asksForSummary, summary);
    using reader = await begin();
    await talk(reader, birds.slice(0, 5).map(longText));
    claude.on('What now?', promptTooLong(), { times: 1 });
    const [turn] = await talk(reader, ['What now?']);
    expect(turn?.status).toBe('completed');
    expect(turn?.steps.map(({ purpose, status }) => [purpose, status])).toEqual([
      [undefined, 'abandoned'],
      ['compaction', 'ended'],
      [undefined, 'ended'],
    ]);
    expect(prompts().at(-1)?.text).toContain('PLOVER');

    claude.on('Once more', promptTooLong());
    const [again] = await talk(reader, ['Once more']);
    expect(again?.status).toBe('failed');
    expect(again?.problem?.code).toBe('too_long');
  });

  it('the results of a single step are cut if they are too large by themselves', async () => {
    for (const bird of birds) editor.write(`${bird}.txt`, `${longText(bird)}\n`.repeat(4));
    const reads = birds.map((bird) => toolUse('file_read', { path: `${bird}.txt` }));
    claude.on(any, 'All read.');
    claude.on('Read all at once', reads, { times: 1 });
    using reader = await begin('project');
    const [turn] = await talk(reader, ['Read all at once']);
    expect(turn?.status).toBe('completed');
    for (const { body } of claude.messages) expect(promptTokens(MessagesRequest.parse(body))).toBeLessThan(window);
    expect(prompts().at(-1)?.text).toContain('Omitted to save space');
  });

  it('attachments that are too large for the model are cut', async () => {
    claude.on(any, 'Read.');
    using reader = await begin();
    const attachments = birds.map((bird) => ({ kind: 'file' as const, path: bird, text: longText(bird).repeat(2) }));
    const turnId = await send(server, reader.state.id, 'Read these', { attachments });
    const turn = await reader.ended(turnId, 30_000);
    expect(turn.status).toBe('completed');
    expect(turn.attachments).toEqual(attachments);
    expect(prompts().at(-1)?.text).toContain('Omitted to save space');
    expect(prompts().at(-1)?.text).toContain('Read these');
  });

  it('nothing is cut while the provider cannot answer anyway, and the turn continues when it can', async () => {
    claude.on(any, 'Noted.');
    claude.on(asksForSummary, summary);
    claude.on(asksForSummary, creditTooLow(), { times: 1 });
    using reader = await begin();
    const turns = await talk(reader, [...birds, 'merlin', 'noddy'].map(longText));
    const failed = turns.filter(({ status }) => status !== 'completed');
    expect(failed.map(({ problem }) => problem?.code)).toEqual(['no_credit']);
    expect(failed.flatMap(compactionsOf)).toEqual([]);
    const made = turns.flatMap(compactionsOf);
    expect(made.map(({ textChars }) => textChars)).toEqual(made.map(() => null));
    expect(made.length).toBeGreaterThan(0);
  });

  it('a conversation is unchanged if the user stops the summary', async () => {
    claude.on(any, 'Noted.');
    using reader = await begin();
    await talk(reader, ['My first message', 'My second message']);
    claude.on(asksForSummary, { blocks: summary, wire: { stall: { afterEvents: 4, pingEveryMs: 50 } } });
    const turnId = await send(server, reader.state.id, '/compact', { parent: reader.state.head, compact: true });
    await reader.until(({ turns }) => turns[turnId]?.steps.some(({ blocks }) => blocks.length > 0) ?? false);
    await server.client.call('turns.stop', { params: { conversationId: reader.state.id, turnId } });
    expect(await reader.ended(turnId)).toMatchObject({ status: 'stopped', steps: [{ stopReason: 'stopped' }] });
    await talk(reader, ['My third message']);
    expect(prompts().at(-1)?.text).toMatch(/My first message.*My second message.*My third message/);
    expect(prompts().at(-1)?.text).not.toMatch(/PLOVER|compact"/);
  });

  it('a conversation is summarized when the user asks for it', async () => {
    claude.on(any, 'Noted.');
    claude.on(asksForSummary, summary);
    using reader = await begin();
    await talk(reader, ['My first message', 'My second message']);
    const turnId = await send(server, reader.state.id, '/compact', { parent: reader.state.head, compact: true });
    const turn = await reader.ended(turnId);
    expect(turn.status).toBe('completed');
    expect(answerText(turn)).toBe('');
    expect(compactionsOf(turn)).toEqual([expect.objectContaining({ textChars: null })]);
    await talk(reader, ['My third message']);
    const { text, body } = prompts().at(-1) ?? { text: '', body: { messages: [] } };
    expect(text).toContain('PLOVER');
    expect(text).toContain('My third message');
    expect(text).not.toMatch(/My first|My second|\/compact/);
    expect(body.messages).toHaveLength(1);

    // Another branch is not affected.
    const first = Object.values(reader.state.turns).find((each) => each.text === 'My second message');
    const sibling = await send(server, reader.state.id, 'My other message', { parent: first?.id ?? null });
    await reader.ended(sibling);
    expect(prompts().at(-1)?.text).toContain('My first message');
    expect(prompts().at(-1)?.text).not.toContain('PLOVER');

    // A copy of the conversation has the summary.
    const copy = await server.client.call('conversations.branch', {
      params: { conversationId: reader.state.id },
      body: { id: crypto.randomUUID(), turnId },
    });
    using copied = new Reader(() => server, copy.id);
    await copied.until(({ head }) => head === turnId);
    await talk(copied, ['My copied message']);
    expect(prompts().at(-1)?.text).toContain('PLOVER');
    expect(prompts().at(-1)?.text).not.toContain('My first message');
  });

  it('an empty conversation reports that there is nothing to summarize', async () => {
    using reader = await begin();
    const turnId = await send(server, reader.state.id, '/compact', { compact: true });
    const turn = await reader.ended(turnId);
    expect(turn.problem?.code).toBe('nothing_to_compact');
    expect(claude.messages).toHaveLength(0);
  });
});
