import { setImmediate } from 'node:timers/promises';
import type { Budget } from '@devlm/protocol/budgets.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BudgetRequest } from '../../server/src/storage/ports/budgets.ts';
import type { LedgerCall } from '../../server/src/storage/ports/ledger.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { Clock, events, makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

const usage = { inputTokens: 100, outputTokens: 20, cacheReadTokens: 7, cacheWriteTokens: 3, thinkingTokens: 5 };
const hour = 3_600_000;

describe.each(storeKinds)('ledger and budgets in the store on %s', (kind) => {
  const clock = new Clock();
  let stores: StoreMaker;
  let store: Store;
  beforeAll(async () => {
    stores = await makeStores(kind);
  });
  afterAll(() => stores[Symbol.asyncDispose]());
  beforeEach(async () => {
    store = await stores.fresh(clock.now);
  });

  const call = (more: Partial<LedgerCall> = {}): LedgerCall => ({
    at: clock.time,
    userId: 'ann',
    projectId: null,
    conversationId: null,
    turnId: null,
    purpose: 'api',
    model: 'claude-sonnet-5-5',
    instance: 'own',
    usage,
    costUsd: 0.25,
    countedUsd: 0.25,
    latencyMs: 10,
    firstTokenMs: 5,
    outcome: 'answered',
    ...more,
  });
  let nth = 0;
  const asking = (more: Partial<BudgetRequest> = {}): BudgetRequest => ({
    id: `reservation-${++nth}`,
    node: 'node',
    userId: 'ann',
    projectId: null,
    conversationId: null,
    turnId: null,
    amountUsd: 1,
    until: new Date(clock.time + hour),
    exemptBudgetIds: new Set(),
    warns: true,
    since: ({ period }) => (period === 'turn' ? null : new Date(clock.time - hour)),
    ...more,
  });
  const budget = (more: Partial<Budget> = {}): Budget => ({
    id: 'day',
    scope: 'user',
    subject: null,
    period: 'day',
    limitUsd: 2,
    action: 'stop',
    ...more,
  });

  test('a usage report has one row per group and the total', async () => {
    await store.conversations.create({ id: 'c1', title: 'Ünïcode "Title"', projectId: 'p1' });
    await store.events.append('c1', [events.turn('t1'), ...events.answer('t1', 'Yes.', 0.5)]);
    await store.ledger.add(call({ userId: 'bob', at: clock.time - 48 * hour, costUsd: null, countedUsd: 9 }));
    await store.ledger.add(call({ model: null }));
    const span = {
      from: new Date(clock.time - 72 * hour),
      to: new Date(clock.time + 1),
      offset: 0,
      userId: null,
      askedBy: 'local',
    };
    const { rows, total } = await store.ledger.report({ ...span, group: 'conversation' });
    // A call without a price counts at the highest price, and is shown first.
    expect(rows.map(({ key, title, calls }) => [key, title, calls])).toEqual([
      [null, null, 2],
      ['c1', 'Ünïcode "Title"', 1],
    ]);
    // A report never has the titles of another user's conversations.
    const foreign = await store.ledger.report({ ...span, group: 'conversation', askedBy: 'bob' });
    expect(foreign.rows.map(({ key, title }) => [key, title])).toEqual([
      [null, null],
      ['c1', null],
    ]);
    expect(total).toEqual({
      inputTokens: 210,
      outputTokens: 45,
      cacheReadTokens: 14,
      cacheWriteTokens: 6,
      thinkingTokens: 10,
      costUsd: 0.75,
      unpricedSteps: 1,
      calls: 3,
    });
    const keys = async (group: 'day' | 'model' | 'user' | 'project', userId: string | null = null) =>
      (await store.ledger.report({ ...span, group, userId })).rows.map(({ key }) => key);
    expect(await keys('day')).toEqual(['2025-12-30', '2026-01-01']);
    expect(await keys('model')).toEqual(['claude-sonnet-5-5', 'model', null]);
    expect(await keys('user')).toEqual(['bob', 'local', 'ann']);
    expect(await keys('project')).toEqual([null, 'p1']);
    expect(await keys('user', "ann' or 'a' = 'a")).toEqual([]);
    expect((await store.ledger.report({ ...span, group: 'day', offset: -840 })).rows.map(({ key }) => key)).toEqual([
      '2025-12-29',
      '2025-12-31',
    ]);
  });

  test('the ledger records a step with all its details', async () => {
    await store.conversations.create({ id: 'c1', title: '', projectId: null });
    const ids = { turnId: 't1', stepId: 's1' };
    const problem = { code: 'cut', status: 502, title: 'Cut', detail: 'Cut.' };
    const none = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };
    await store.events.append('c1', [
      events.turn('t1'),
      events.started('t1'),
      { type: 'step.abandoned', ...ids, problem, usage, costUsd: 0.5, model: 'a', instance: 'own', latencyMs: 4 },
      { type: 'step.ended', ...ids, stopReason: 'end_turn', usage, costUsd: null, model: 'b', countedUsd: 3 },
      // A question to the user is not a call.
      { type: 'step.ended', ...ids, stopReason: 'end_turn', usage: none, costUsd: 0, model: '' },
      events.ended('t1'),
    ]);
    expect(await store.ledger.turnCosts('local', new Date(clock.time), 10, 't2')).toEqual([3.5]);
    expect(await store.ledger.turnCosts('local', new Date(clock.time), 10, 't1')).toEqual([]);
    expect(await store.ledger.turnCosts('local', new Date(clock.time + 1), 10, 't2')).toEqual([]);
    expect(await store.ledger.turnCosts('ann', new Date(0), 10, 't2')).toEqual([]);
    const span = { from: new Date(0), to: new Date(clock.time + 1), offset: 0, userId: null, askedBy: 'local' };
    const { rows } = await store.ledger.report({ ...span, group: 'model' });
    expect(rows.map(({ key, calls, thinkingTokens }) => [key, calls, thinkingTokens])).toEqual([
      ['b', 1, 5],
      ['a', 1, 5],
    ]);
  });

  test('budgets are stored as they were last set', async () => {
    await store.budgets.save(budget());
    await store.budgets.save(budget({ limitUsd: 5, action: 'ask' }));
    await store.budgets.save(budget({ id: 'a', scope: 'turn', period: 'turn' }));
    expect(await store.budgets.list()).toEqual([
      budget({ id: 'a', scope: 'turn', period: 'turn' }),
      budget({ limitUsd: 5, action: 'ask' }),
    ]);
    expect(await store.budgets.remove('day')).toEqual(budget({ limitUsd: 5, action: 'ask' }));
    expect(await store.budgets.remove('day')).toBeNull();
  });

  test('spent and reserved amounts count towards the budgets that apply to the spender', async () => {
    await store.budgets.save(budget());
    await store.ledger.add(call({ countedUsd: 0.5 }));
    await store.ledger.add(call({ countedUsd: 100, at: clock.time - 2 * hour }));
    const first = asking();
    expect(await store.budgets.reserve(first)).toEqual({ admitted: true, blockingBudgets: [], warnings: [] });
    const refused = {
      admitted: false,
      blockingBudgets: [{ budget: budget(), spentUsd: 1.5, limitUsd: 2 }],
      warnings: [],
    };
    expect(await store.budgets.reserve(asking())).toEqual(refused);
    expect(await store.budgets.reserve(asking({ userId: 'bob' }))).toMatchObject({ admitted: true });
    await store.budgets.release(first.id);
    expect(await store.budgets.reserve(asking())).toMatchObject({ admitted: true });
  });

  test('a reservation expires unless it is renewed', async () => {
    await store.budgets.save(budget({ limitUsd: 1 }));
    await store.budgets.reserve(asking({ until: new Date(clock.time + 1_000) }));
    clock.advance(900);
    await store.budgets.renew('another', new Date(clock.time + hour));
    await store.budgets.renew('node', new Date(clock.time + 1_000));
    clock.advance(900);
    expect(await store.budgets.reserve(asking())).toMatchObject({ admitted: false });
    clock.advance(200);
    expect(await store.budgets.reserve(asking())).toMatchObject({ admitted: true });
  });

  test('each scope of a budget counts only its own calls', async () => {
    await store.ledger.add(call({ projectId: 'p', conversationId: 'c', turnId: 't', countedUsd: 1.5 }));
    const scopes: [Partial<Budget>, Partial<BudgetRequest>, Partial<BudgetRequest>][] = [
      [{ scope: 'team' }, { userId: 'bob' }, { amountUsd: 0.25 }],
      [{ scope: 'project' }, { projectId: 'p' }, { projectId: 'q' }],
      [{ scope: 'project', subject: 'q' }, { projectId: 'q', amountUsd: 3 }, { projectId: 'p' }],
      [{ scope: 'user', subject: 'ann' }, {}, { userId: 'bob', amountUsd: 100 }],
      [
        { scope: 'turn', period: 'turn' },
        { conversationId: 'c', turnId: 't' },
        { conversationId: 'd', turnId: 't' },
      ],
    ];
    for (const [terms, over, under] of scopes) {
      await store.budgets.save(budget(terms));
      expect(await store.budgets.reserve(asking(over)), JSON.stringify(terms)).toMatchObject({ admitted: false });
      const fits = asking(under);
      expect(await store.budgets.reserve(fits), JSON.stringify(terms)).toMatchObject({ admitted: true });
      await store.budgets.release(fits.id);
    }
  });

  test('a budget warns once in a period and admits the call', async () => {
    await store.budgets.save(budget({ action: 'warn', limitUsd: 0.5 }));
    const silent = await store.budgets.reserve(asking({ warns: false }));
    expect(silent).toEqual({ admitted: true, blockingBudgets: [], warnings: [] });
    const since = () => new Date(clock.time);
    expect((await store.budgets.reserve(asking({ since }))).warnings).toHaveLength(1);
    expect((await store.budgets.reserve(asking({ since }))).warnings).toHaveLength(0);
    expect((await store.budgets.reserve(asking({ since, userId: 'bob' }))).warnings).toHaveLength(1);
    clock.advance(1);
    expect((await store.budgets.reserve(asking({ since: () => new Date(clock.time) }))).warnings).toHaveLength(1);
  });

  test('a budget can be exceeded by consent, or raised for its period', async () => {
    await store.budgets.save(budget({ action: 'ask', limitUsd: 0.5 }));
    const since = () => new Date(clock.time - 5);
    expect(await store.budgets.reserve(asking({ since }))).toMatchObject({ admitted: false });
    const passing = asking({ since, exemptBudgetIds: new Set(['day']) });
    expect(await store.budgets.reserve(passing)).toMatchObject({ admitted: true });
    await store.budgets.release(passing.id);
    for (const userId of ['ann', 'ann', 'bob']) {
      await store.budgets.raise(budget(), { ...asking(), userId, since, usd: 0.5 });
    }
    const raised = asking({ since });
    expect(await store.budgets.reserve(raised)).toMatchObject({ admitted: true });
    await store.budgets.release(raised.id);
    expect(await store.budgets.reserve(asking({ since, amountUsd: 1.6 }))).toMatchObject({
      admitted: false,
      blockingBudgets: [{ limitUsd: 1.5 }],
    });
    expect(await store.budgets.reserve(asking({ since: () => new Date(clock.time) }))).toMatchObject({
      admitted: false,
    });
  });

  test('of a hundred simultaneous calls no more are admitted than the budget allows', async () => {
    await store.budgets.save(budget({ limitUsd: 10 }));
    const decisions = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const one = asking({ since: () => new Date(0) });
        const { admitted } = await store.budgets.reserve(one);
        if (!admitted) return false;
        // Each call costs slightly more than its reservation.
        await store.ledger.add(call({ countedUsd: 1.1 }));
        await store.budgets.release(one.id);
        return true;
      }),
    );
    const count = decisions.filter(Boolean).length;
    expect(count).toBeGreaterThanOrEqual(8);
    expect(count).toBeLessThanOrEqual(10);
    const span = {
      from: new Date(0),
      to: new Date(clock.time + 1),
      group: 'user',
      offset: 0,
      userId: null,
      askedBy: 'local',
    } as const;
    expect((await store.ledger.report(span)).total.calls).toBe(count);
  });

  test('a call that ends during a decision is counted as reserved or as spent', async () => {
    await store.budgets.save(budget({ limitUsd: 10 }));
    const since = () => new Date(0);
    // Adding these up takes some milliseconds, in which the other call ends.
    await Promise.all(Array.from({ length: 20_000 }, () => store.ledger.add(call({ countedUsd: 0 }))));
    for (let spent = 0; spent < 9; spent++) {
      const first = asking({ since });
      expect((await store.budgets.reserve(first)).admitted).toBe(true);
      let ended = false;
      const ending = store.ledger
        .add(call({ countedUsd: 1 }))
        .then(() => store.budgets.release(first.id))
        .finally(() => {
          ended = true;
        });
      // Together with the first call it exceeds the budget, whether that one has ended or not.
      while (!ended) {
        const { admitted } = await store.budgets.reserve(asking({ since, amountUsd: 9.5 - spent }));
        expect(admitted).toBe(false);
        await setImmediate();
      }
      await ending;
    }
  });
});
