import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import Anthropic from '@anthropic-ai/sdk';
import { Budget, type BudgetTerms, UsageReport } from '@devlm/protocol/budgets.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { PauseOption } from '@devlm/protocol/tools.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { sendBudgets } from '../../extension/src/connection/budgets.ts';
import { pausesOf } from '../../server/src/agent/pause.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';
import { text, toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { newConversation, Reader, send, serverCommand, TestServer } from '../support/server.ts';

const plan = (words: string) => toolUse('update_plan', { items: [{ text: words, status: 'open' }] });
/** Returns the number of output tokens that cost an amount in US dollars at the price of the used model. */
const costing = (usd: number) => ({ output_tokens: usd * 100_000 });

describe('budgets', { timeout: 120_000 }, () => {
  let claude: Claude;
  let server: TestServer;
  let sdk: Anthropic;
  beforeAll(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'off'] });
    sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
  });
  afterEach(async () => {
    claude.reset();
    for (const { id } of (await server.client.call('budgets.list', {})).items)
      await server.client.call('budgets.remove', { params: { budgetId: id } });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  const set = (terms: Partial<BudgetTerms>, budgetId = 'test') =>
    server.client.call('budgets.set', {
      params: { budgetId },
      body: { scope: 'user', subject: null, period: 'day', limitUsd: 0.001, action: 'stop', ...terms },
    });
  const spentToday = async () => (await server.client.call('usage.today', { query: {} })).costUsd;
  const messageBody = {
    model: 'claude-sonnet-5-5',
    max_tokens: 500,
    messages: [{ role: 'user' as const, content: 'x' }],
  };

  /** Runs a turn whose pauses are answered by the id of an option or, as by a client without ids, by a text. */
  async function turn(
    answers: readonly (PauseOption | { readonly text: string })[] = [],
    projectId: string | null = null,
  ): Promise<TurnState> {
    const conversationId = await newConversation(server, projectId);
    using reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'Go.');
    for (const [index, given] of answers.entries()) {
      await reader.until(({ turns }) => pausesOf(turns[turnId]).length > index);
      const [callId = ''] = Object.keys(pausesOf(reader.state.turns[turnId])[index]?.step.calls ?? {});
      const params = { conversationId, turnId, callId };
      const body = typeof given === 'string' ? { text: '', option: given } : given;
      await server.client.call('asks.answer', { params, body: { kind: 'question', ...body } });
    }
    return await reader.ended(turnId);
  }

  it('a spent budget stops a turn before its first call', async () => {
    await set({});
    const ended = await turn();
    expect(ended).toMatchObject({ status: 'failed', problem: { code: 'budget_exceeded', status: 402 } });
    expect(ended.problem?.detail).toMatch(/budget test of \$0\.001 for one user today.*resets on .*devlm budget/);
    expect(claude.messages).toHaveLength(0);
    await set({ limitUsd: 1_000 });
    expect(await turn()).toMatchObject({ status: 'completed' });
  });

  it('a budget stops a turn between two calls once the calls have used up the limit', async () => {
    await set({ scope: 'turn', period: 'turn', limitUsd: 2 });
    claude.on(any, { blocks: 'never' });
    claude.on(any, { blocks: [plan('b')], usage: costing(1.5) }, { times: 1 });
    claude.on(any, { blocks: [plan('a')], usage: costing(1) }, { times: 1 });
    expect(await turn()).toMatchObject({ status: 'failed', problem: { code: 'budget_exceeded' } });
    expect(claude.messages).toHaveLength(2);
    // Another turn has its own budget.
    expect(await turn()).toMatchObject({ status: 'completed' });
  });

  it('the budget of a project stops only that project', async () => {
    await set({ scope: 'project', subject: 'p1' });
    expect(await turn([], 'p1')).toMatchObject({ status: 'failed' });
    expect(await turn([], 'p2')).toMatchObject({ status: 'completed' });
  });

  it('a budget asks once, and the user lets the answer continue', async () => {
    await set({ action: 'ask' });
    claude.on(any, 'done');
    claude.on(any, [plan('a')], { times: 1 });
    const ended = await turn(['continue']);
    expect(ended.status).toBe('completed');
    expect(pausesOf(ended)).toHaveLength(1);
    expect(claude.messages).toHaveLength(2);
    expect(await turn(['stop'])).toMatchObject({ status: 'failed', problem: { code: 'paused' } });
    expect(await turn([{ text: 'Well, maybe.' }])).toMatchObject({ status: 'failed', problem: { code: 'paused' } });
    expect(claude.messages).toHaveLength(2);
  });

  it('a budget asks, and the user raises the limit for the day', async () => {
    await set({ action: 'ask', limitUsd: (await spentToday()) + 0.01 });
    expect(await turn(['raise'])).toMatchObject({ status: 'completed' });
    const after = await turn();
    expect(after.status).toBe('completed');
    expect(pausesOf(after)).toHaveLength(0);
  });

  it('a client that knows no ids answers the question of a budget with the label of an option', async () => {
    await set({ action: 'ask', limitUsd: (await spentToday()) + 0.01 });
    expect(await turn([{ text: 'Continue' }])).toMatchObject({ status: 'completed' });
    const ended = await turn([{ text: 'Raise the limit for today' }]);
    expect(ended.status).toBe('completed');
    expect(pausesOf(ended)).toMatchObject([{ topic: { kind: 'budget', budgetId: 'test' }, answer: 'raise' }]);
    expect(pausesOf(await turn())).toHaveLength(0);
  });

  it('an option that the question of a budget does not have is refused', async () => {
    await set({ action: 'ask', scope: 'turn', period: 'turn', limitUsd: 0.001 });
    await expect(turn(['raise'])).rejects.toMatchObject({ problem: { code: 'conflict' } });
  });

  it('a budget question of version 0.1.0 can be answered after the update', async () => {
    await set({ action: 'ask' });
    const conversationId = await newConversation(server);
    await server.kill();
    const [turnId, stepId] = ['old-turn', 'old-step'];
    const params = { conversationId, turnId, callId: `budget:test ${stepId}` };
    const options = ['Go on with this answer', 'Raise it for today', 'Stop'];
    const store = await openSqlite({ file: join(server.dataDir, 'devlm.db'), version: '0.1.0' });
    await store.events.append(conversationId, [
      { type: 'turn.created', turnId, parent: null, text: 'Go.', attachments: [], model: null, thinking: false },
      { type: 'turn.started', turnId, attempt: 1 },
      { type: 'step.started', turnId, stepId, model: '', purpose: 'pause' },
      { type: 'ask.opened', turnId, stepId, callId: params.callId, ask: { kind: 'question', question: '?', options } },
    ]);
    await store.close();
    await server.start();
    sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
    using reader = new Reader(() => server, conversationId);
    await reader.until(({ turns }) => pausesOf(turns[turnId]).length === 1);
    await server.client.call('asks.answer', { params, body: { kind: 'question', text: 'Go on with this answer' } });
    await server.client.call('server.credential', { body: {} });
    const ended = await reader.ended(turnId);
    expect(ended.status).toBe('completed');
    expect(pausesOf(ended)).toHaveLength(1);
  });

  it('the question of a budget survives a restart of the server', async () => {
    await set({ action: 'ask' });
    const conversationId = await newConversation(server);
    using reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'Go.');
    await reader.until(({ turns }) => pausesOf(turns[turnId]).length === 1);
    for (let restarts = 0; restarts < 4; restarts++) {
      await server.kill();
      await server.start();
    }
    sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
    const [callId = ''] = Object.keys(pausesOf(reader.state.turns[turnId])[0]?.step.calls ?? {});
    const params = { conversationId, turnId, callId };
    await expect
      .poll(() =>
        server.client.call('asks.answer', { params, body: { kind: 'question', text: 'Continue' } }).then(() => true),
      )
      .toBe(true);
    await server.client.call('server.credential', { body: {} });
    const ended = await reader.ended(turnId, 60_000);
    expect(ended.status).toBe('completed');
    expect(pausesOf(ended)).toHaveLength(1);
  });

  it('a warning budget warns once in a period and stops nothing', async () => {
    await set({ action: 'warn' });
    const first = await turn();
    expect(first).toMatchObject({ status: 'completed', warnings: [{ budgetId: 'test', period: 'day', step: 0 }] });
    expect((await turn()).warnings).toBeUndefined();
  });

  it.each(['stop', 'ask'] as const)(
    'a spent budget with the action %s refuses a client of the Messages endpoint',
    async (action) => {
      await set({ action });
      await expect(sdk.messages.create(messageBody)).rejects.toMatchObject({
        status: 402,
        error: {
          type: 'error',
          error: { type: 'billing_error', message: expect.stringContaining('$0.001 for one user today') },
        },
      });
      expect(claude.messages).toHaveLength(0);
      // Counting tokens and listing models cost nothing.
      expect(await sdk.messages.countTokens({ model: messageBody.model, messages: messageBody.messages })).toBeTruthy();
      await set({ action: 'warn' });
      expect((await sdk.messages.create(messageBody)).stop_reason).toBe('end_turn');
    },
  );

  it('simultaneous clients exceed a budget by at most one call each', async () => {
    claude.on(any, { blocks: 'ok', usage: costing(0.1), pace: { startDelayMs: 50 } });
    const before = await spentToday();
    await set({ limitUsd: before + 1 });
    const results = await Promise.allSettled(Array.from({ length: 60 }, () => sdk.messages.create(messageBody)));
    const answered = results.filter(({ status }) => status === 'fulfilled').length;
    // Each call is estimated at about 4 cents, and costs 10.
    expect(answered).toBeGreaterThanOrEqual(8);
    expect(answered).toBeLessThanOrEqual(25);
    await expect.poll(spentToday).toBeGreaterThan(before + answered * 0.1 - 0.001);
    await expect(sdk.messages.create(messageBody)).rejects.toMatchObject({ status: 402 });
  });

  it('budgets are created and removed with the settings of the editor', async () => {
    const list = async () => (await server.client.call('budgets.list', {})).items;
    await set({ scope: 'team', limitUsd: 100 }, 'of-the-admin');
    await sendBudgets(server.client, { perDay: 5, perAnswer: 0 });
    await sendBudgets(server.client, { perDay: 6, perAnswer: 0.5 });
    expect(await list()).toMatchObject([
      { id: 'of-the-admin' },
      { id: 'settings-answer', scope: 'turn', period: 'turn', limitUsd: 0.5, action: 'ask' },
      { id: 'settings-day', scope: 'user', period: 'day', limitUsd: 6, action: 'ask' },
    ]);
    await sendBudgets(server.client, { perDay: 0, perAnswer: 0 });
    expect((await list()).map(({ id }) => id)).toEqual(['of-the-admin']);
  });

  it('budgets and usage are kept per user, and a member sees only their own usage', async () => {
    const bob = await server.client.call('users.add', { body: { name: 'bob' } });
    const made = { name: 'test', scopes: ['llm' as const, 'backend' as const], days: 1, user: 'bob' };
    const { token } = await server.client.call('tokens.create', { body: made });
    const client = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: token, maxRetries: 0 });
    expect(await turn()).toMatchObject({ status: 'completed' });
    await client.messages.create(messageBody);
    const get = (path: string) => fetch(`${server.origin}${path}`, { headers: { authorization: `Bearer ${token}` } });
    const own = async () => UsageReport.parse(await (await get('/backend/usage?group=user')).json());
    await expect.poll(async () => (await own()).rows).toMatchObject([{ key: bob.id, calls: 1 }]);
    expect((await get('/admin/budgets')).status).toBe(403);
    const all = await server.client.call('usage.report', { query: { group: 'user' } });
    expect(all.rows.map(({ key }) => key).sort()).toEqual([bob.id, 'local'].sort());
    const mine = await server.client.call('usage.report', { query: { group: 'user', of: 'me' } });
    expect(mine.rows.map(({ key }) => key)).toEqual(['local']);
    await set({ subject: bob.id });
    await expect(client.messages.create(messageBody)).rejects.toMatchObject({ status: 402 });
    expect((await sdk.messages.create(messageBody)).stop_reason).toBe('end_turn');
  });

  it('budgets with contradictory terms are refused', async () => {
    const put = async (id: string, terms: Partial<BudgetTerms>) => {
      const sent = { scope: 'user', period: 'day', limitUsd: 1, action: 'stop', ...terms };
      const { status } = await fetch(`${server.origin}/admin/budgets/${id}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${server.discovery.secret}`, 'content-type': 'application/json' },
        body: JSON.stringify(sent),
      });
      return status;
    };
    for (const terms of [
      { scope: 'turn' },
      { period: 'turn' },
      { scope: 'team', subject: 'x' },
      { limitUsd: 0 },
      { limitUsd: -1 },
      { limitUsd: 1e12 },
    ] as const)
      expect(await put('x', terms), JSON.stringify(terms)).toBe(422);
    expect(await put('..%2Fx', {})).toBe(422);
    expect((await server.client.call('budgets.list', {})).items).toEqual([]);
  });

  it('the command line manages budgets and usage with and without a running server', async () => {
    const devlm = async (...args: string[]) => {
      const child = spawn(process.execPath, [...serverCommand(), ...args, '--data-dir', server.dataDir], {
        env: { PATH: process.env['PATH'] },
      });
      const [[code], out, err] = await Promise.all([
        once(child, 'exit'),
        readText(child.stdout),
        readText(child.stderr),
      ]);
      return { code, out, err };
    };
    const json = async <T>(schema: z.ZodType<T>, ...args: string[]) => {
      const { code, out, err } = await devlm(...args, '--json');
      expect({ code, err }).toEqual({ code: 0, err: '' });
      return schema.parse(JSON.parse(out));
    };
    const made = { id: 'mine', scope: 'user', subject: null, period: 'week', limitUsd: 3.5, action: 'warn' };
    const how = ['budget', 'set', 'mine', '--limit', '3.5', '--period', 'week', '--action', 'warn'];
    expect(await json(Budget, ...how)).toEqual(made);
    await sdk.messages.create(messageBody);
    const report = await json(UsageReport, 'usage', '--by', 'model');
    expect(report.rows[0]).toMatchObject({ key: 'claude-sonnet-5-5' });
    expect((await devlm('usage')).out).toMatch(/^\d{4}-\d\d-\d\d {2}\$.*\ntotal {2}\$/);
    expect((await devlm('usage', '--csv')).out.split('\r\n')[0]).toMatch(/^day,title,calls,input_tokens/);
    await server.kill();
    expect(await json(z.array(Budget), 'budget', 'list')).toEqual([made]);
    expect((await json(UsageReport, 'usage', '--by', 'model')).total).toEqual(report.total);
    expect(await json(Budget, 'budget', 'remove', 'mine')).toEqual(made);
    expect(await devlm('budget', 'remove', 'mine')).toMatchObject({
      code: 1,
      err: expect.stringContaining('does not exist'),
    });
    await server.start();
    sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
  });

  it('the CSV report of usage contains no formulas that a spreadsheet would run', async () => {
    const conversationId = await newConversation(server);
    const params = { conversationId };
    await server.client.call('conversations.rename', { params, body: { title: '=HYPERLINK("http://x"),\n1' } });
    using reader = new Reader(() => server, conversationId);
    claude.on(any, [text('ok')]);
    await reader.ended(await send(server, conversationId, 'Hello'));
    const get = (query: string, accept: string) =>
      fetch(`${server.origin}/backend/usage?group=conversation${query}`, {
        headers: { authorization: `Bearer ${server.discovery.secret}`, accept },
      });
    const answer = await get('', 'text/csv');
    expect(answer.headers.get('content-type')).toContain('text/csv');
    const csv = await answer.text();
    expect(csv).toContain(`${conversationId},"'=HYPERLINK(""http://x""),\n1",1,`);
    expect(await (await get('&format=csv', 'application/json')).text()).toBe(csv);
    const report = UsageReport.parse(await (await get('&format=json', 'text/csv')).json());
    expect(report.rows.find(({ key }) => key === conversationId)).toMatchObject({ calls: 1 });
    expect((await get('&from=2026-02-30', '*/*')).status).toBe(422);
    expect((await get('&from=2026-02-02&to=2026-01-01', '*/*')).status).toBe(422);
  });
});
