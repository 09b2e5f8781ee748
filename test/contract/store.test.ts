import { Event } from '@devlm/protocol/events.ts';
import { ConversationSummary } from '@devlm/protocol/views.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { Clock, events as e, makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

const problem = (code: string) => expect.objectContaining({ problem: expect.objectContaining({ code }) });
const badIds = ['nobody', '', '\0', "' or 1=1 --", '\ud800', 'x'.repeat(100_000), '日本'];

describe.each(storeKinds)('the store on %s', (kind) => {
  let stores: StoreMaker;
  let store: Store;
  let clock: Clock;

  beforeAll(async () => {
    stores = await makeStores(kind);
  });
  afterAll(() => stores[Symbol.asyncDispose]());
  beforeEach(async () => {
    clock = new Clock();
    store = await stores.fresh(clock.now);
  });

  const create = (id: string, title = '', projectId: string | null = null) =>
    store.conversations.create({ id, title, projectId });

  test('the store reports its kind', () => {
    expect(store.kind).toBe(kind);
  });

  describe('a conversation', () => {
    test('a conversation begins with its first event', async () => {
      const summary = await create('c', 'Title', 'p');
      expect(ConversationSummary.parse(summary)).toEqual({
        id: 'c',
        title: 'Title',
        projectId: 'p',
        createdAt: '2026-01-01T00:00:00.000Z',
        updatedAt: '2026-01-01T00:00:00.000Z',
        deletedAt: null,
        turns: 0,
        busy: false,
        costUsd: 0,
      });
      expect(await store.events.read('c', 0, 10)).toEqual([
        {
          seq: 1,
          at: '2026-01-01T00:00:00.000Z',
          type: 'conversation.created',
          title: 'Title',
          projectId: 'p',
          branchOf: null,
        },
      ]);
      expect(await store.conversations.get('c')).toEqual({ ...summary, head: null, lastSeq: 1, userId: 'local' });
    });

    test('a conversation is created once, however often it is requested', async () => {
      await create('c', 'First');
      await store.events.append('c', [e.turn('t')]);
      const made = await Promise.all([create('c', 'Second'), create('c', 'Third'), create('d'), create('d')]);
      expect(made.map((summary) => summary.title)).toEqual(['First', 'First', '', '']);
      expect((await store.conversations.get('c'))?.lastSeq).toBe(2);
      expect(await store.events.read('d', 0, 10)).toHaveLength(1);
    });

    test('a conversation is a projection of its events', async () => {
      await create('c', 'Old');
      await store.events.append('c', [
        e.turn('t1'),
        ...e.answer('t1', 'Yes', 0.5),
        { type: 'conversation.renamed', title: 'New', by: 'person' },
        e.turn('t2', 't1'),
      ]);
      expect(await store.conversations.get('c')).toMatchObject({
        title: 'New',
        head: 't2',
        turns: 2,
        busy: true,
        costUsd: 0.5,
        lastSeq: 12,
      });
      await store.events.append('c', [e.ended('t2'), { type: 'head.moved', turnId: 't1' }]);
      expect(await store.conversations.get('c')).toMatchObject({ head: 't1', busy: false, lastSeq: 14 });
      await store.events.append('c', [{ type: 'head.moved', turnId: null }]);
      expect(await store.conversations.get('c')).toMatchObject({ head: null });
    });

    test('a conversation that does not exist is null, has no events, and cannot be changed', async () => {
      for (const id of badIds) {
        expect(await store.conversations.get(id)).toBeNull();
        expect(await store.events.read(id, 0, 10)).toEqual([]);
        expect(await store.turns.get(id, id)).toBeNull();
        await expect(store.events.append(id, [e.turn('t')])).rejects.toEqual(problem('not_found'));
        await expect(store.conversations.setDeleted(id, true)).rejects.toEqual(problem('not_found'));
        await expect(store.turns.branchOf(id, id, 1)).rejects.toEqual(problem('not_found'));
        await expect(store.turns.newestBelow(id, id)).rejects.toEqual(problem('not_found'));
        await expect(store.conversations.branch({ conversationId: id, turnId: id }, 'b')).rejects.toEqual(
          problem('not_found'),
        );
        expect(await store.blobs.get(id)).toBeNull();
      }
      expect((await store.conversations.list({ limit: 10 })).items).toEqual([]);
    });

    test('a conversation is deleted and restored', async () => {
      await create('c');
      await store.conversations.setDeleted('c', true);
      clock.advance(1_000);
      await store.conversations.setDeleted('c', true);
      expect(await store.conversations.get('c')).toMatchObject({ deletedAt: '2026-01-01T00:00:00.000Z' });
      expect((await store.conversations.list({ limit: 10 })).items).toEqual([]);
      await store.conversations.setDeleted('c', false);
      expect(await store.conversations.get('c')).toMatchObject({ deletedAt: null });
      expect((await store.conversations.list({ limit: 10 })).items).toHaveLength(1);
    });

    test('a conversation is purged only when it has been deleted for long enough', async () => {
      for (const id of ['kept', 'recent', 'old']) {
        await create(id, `Title of ${id}`);
        await store.events.append(id, [e.turn('t'), ...e.answer('t', 'Words', 1)]);
      }
      await store.conversations.setDeleted('old', true);
      clock.advance(10_000);
      await store.conversations.setDeleted('recent', true);
      expect(await store.conversations.purgeDeleted(new Date(clock.time - 5_000))).toBe(1);
      expect(await store.conversations.purgeDeleted(new Date(clock.time - 5_000))).toBe(0);
      expect(await store.conversations.get('old')).toBeNull();
      expect(await store.events.read('old', 0, 10)).toEqual([]);
      expect(await store.conversations.get('recent')).not.toBeNull();
      expect(await store.conversations.get('kept')).not.toBeNull();
      await store.conversations.setDeleted('recent', false);
      const found = await store.conversations.list({ search: 'title', limit: 10 });
      expect(found.items.map((item) => item.id).sort()).toEqual(['kept', 'recent']);
      // The cost remains recorded, and the id can be used again.
      expect((await store.ledger.usageSince(new Date(0))).costUsd).toBe(3);
      expect(await create('old')).toMatchObject({ title: '' });
    });
  });

  describe('events', () => {
    test('events get contiguous numbers and are read back unchanged', async () => {
      await create('c');
      const bodies = [e.turn('t'), ...e.answer('t', 'The answer')];
      const stored = await store.events.append('c', bodies);
      expect(stored.map((event) => event.seq)).toEqual(bodies.map((_, i) => i + 2));
      for (const event of stored) Event.parse(event);
      expect(await store.events.read('c', 1, 100)).toEqual(stored);
      expect(await store.events.read('c', 3, 2)).toEqual(stored.slice(2, 4));
      expect(await store.events.read('c', 1_000, 2)).toEqual([]);
    });

    test('appending no events stores nothing', async () => {
      await create('c');
      expect(await store.events.append('c', [])).toEqual([]);
      expect((await store.conversations.get('c'))?.lastSeq).toBe(1);
    });

    test.each([
      ['an event of a missing turn', [e.delta('nobody', 'x')], 'not_found'],
      ['a turn with a missing parent', [e.turn('new', 'nobody')], 'not_found'],
      ['a missing head', [{ type: 'head.moved', turnId: 'nobody' } as const], 'not_found'],
      ['a turn id again', [e.turn('open')], 'conflict'],
      ['a turn id twice at once', [e.turn('new'), e.turn('new')], 'conflict'],
      ['an event of an ended turn', [e.delta('ended', 'late')], 'conflict'],
      ['a second end', [e.ended('ended')], 'conflict'],
      ['an end and more', [e.ended('open'), e.delta('open', 'late')], 'conflict'],
      [
        'a second beginning',
        [{ type: 'conversation.created', title: '', projectId: null, branchOf: null } as const],
        'conflict',
      ],
    ])('%s is refused, with all that came with it', async (_what, bad, code) => {
      await create('c');
      await store.events.append('c', [e.turn('open'), e.turn('ended', 'open'), ...e.answer('ended', 'Yes')]);
      const before = await store.conversations.get('c');
      const renamed = { type: 'conversation.renamed', title: 'Changed', by: 'person' } as const;
      await expect(store.events.append('c', [renamed, e.turn('other'), ...bad])).rejects.toEqual(problem(code));
      expect(await store.conversations.get('c')).toEqual(before);
      expect(await store.turns.get('c', 'other')).toBeNull();
      expect(await store.events.read('c', before?.lastSeq ?? 0, 10)).toEqual([]);
      expect(await store.events.append('c', [e.delta('open', 'on')])).toMatchObject([
        { seq: (before?.lastSeq ?? 0) + 1 },
      ]);
    });

    test('events preserve any text', async () => {
      await create('c');
      await store.events.append('c', [e.turn('t')]);
      let seq = 2;
      const text = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'grapheme' }),
        fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
        fc.constantFrom(
          '\0',
          'a\0b',
          '\ud800',
          '\udfff x \ud83d',
          '\u2028\ufeff',
          '\\u0000',
          "'; drop table events; --",
        ),
      );
      await fc.assert(
        fc.asyncProperty(text, async (value) => {
          const title = value.slice(0, 200);
          const bodies = [e.delta('t', value), { type: 'conversation.renamed', title, by: 'server' } as const];
          const stored = await store.events.append('c', bodies);
          expect(await store.events.read('c', seq, 10)).toEqual(stored);
          expect(stored).toMatchObject(bodies);
          expect((await store.conversations.get('c'))?.title).toBe(title);
          seq += 2;
        }),
        { numRuns: 150 },
      );
    });

    test('an event can be huge', async () => {
      await create('c');
      const text = '漢字 and words 🎉 \0 '.repeat(20_000);
      const [created, delta] = await store.events.append('c', [e.turn('t', null, text), e.delta('t', text.repeat(10))]);
      await store.events.append('c', [e.ended('t')]);
      expect((await store.events.read('c', 1, 2)).map((event) => JSON.stringify(event).length)).toEqual([
        JSON.stringify(created).length,
        JSON.stringify(delta).length,
      ]);
    });

    test('thousands of events can be appended at once', async () => {
      await create('c');
      const many = Array.from({ length: 5_000 }, (_, i) => e.turn(`t${i}`, i === 0 ? null : `t${i - 1}`));
      const stored = await store.events.append('c', many);
      expect(await store.events.read('c', 1, 10_000)).toEqual(stored);
      expect(await store.conversations.get('c')).toMatchObject({ turns: 5_000, lastSeq: 5_001, head: 't4999' });
      const { turns, older } = await store.turns.branchOf('c', 't4999', Number.MAX_SAFE_INTEGER);
      expect(turns.map((turn) => turn.turnId)).toEqual(many.map((_, i) => `t${i}`));
      expect(older).toBeNull();
      expect(await store.turns.newestBelow('c', 't0')).toBe('t4999');
    });
  });

  test('parallel appends are serialized', async () => {
    await create('a');
    await create('b');
    await Promise.all([store.events.append('a', [e.turn('t')]), store.events.append('b', [e.turn('t')])]);
    const work = Array.from({ length: 200 }, (_, i) => {
      const id = i % 2 === 0 ? 'a' : 'b';
      const bodies = Array.from({ length: (i % 3) + 1 }, (_each, k) => e.delta('t', `${i}.${k}`));
      return store.events.append(id, bodies).then((stored) => ({ id, stored }));
    });
    const done = await Promise.all(work);
    for (const id of ['a', 'b']) {
      const log = await store.events.read(id, 0, 1_000);
      expect(log.map((event) => event.seq)).toEqual(log.map((_, i) => i + 1));
      for (const { stored } of done.filter((each) => each.id === id)) {
        // The events of one append are contiguous.
        const [first] = stored;
        expect(log.slice((first?.seq ?? 0) - 1, (first?.seq ?? 0) - 1 + stored.length)).toEqual(stored);
      }
    }
  });

  test('of several equal turns only one is accepted', async () => {
    await create('c');
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => store.events.append('c', [e.turn('t')])));
    expect(tries.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
    for (const each of tries) if (each.status === 'rejected') expect(each.reason).toEqual(problem('conflict'));
    expect(await store.conversations.get('c')).toMatchObject({ turns: 1, lastSeq: 2 });
  });

  describe('blobs', () => {
    const bytes = (...values: number[]) => Uint8Array.from(values);

    test('blobs are addressed by their content', async () => {
      const data = Uint8Array.from({ length: 100_000 }, (_, i) => i % 256);
      const hash = await store.blobs.put({ mediaType: 'image/png', data });
      expect(hash).toMatch(/^[0-9a-f]{64}$/);
      expect(await store.blobs.put({ mediaType: 'image/gif', data })).toBe(hash);
      const back = await store.blobs.get(hash);
      expect(back?.mediaType).toBe('image/png');
      expect(Buffer.from(back?.data ?? []).equals(data)).toBe(true);
      const empty = await store.blobs.put({ mediaType: 'image/png', data: bytes() });
      expect((await store.blobs.get(empty))?.data).toHaveLength(0);
      expect(await store.blobs.get('0'.repeat(64))).toBeNull();
    });

    test('blobs are purged with the last conversation that refers to them', async () => {
      const shared = await store.blobs.put({ mediaType: 'image/png', data: bytes(1) });
      const own = await store.blobs.put({ mediaType: 'image/png', data: bytes(2) });
      for (const id of ['a', 'b']) {
        await create(id);
        await store.events.append(id, [e.image('t1', shared), e.image('t2', id === 'a' ? own : shared, 't1')]);
      }
      const branched = await store.conversations.branch({ conversationId: 'b', turnId: 't1' }, 'branch');
      expect(branched.turns).toBe(1);
      await store.conversations.setDeleted('a', true);
      await store.conversations.setDeleted('b', true);
      clock.advance(10_000);
      const fresh = await store.blobs.put({ mediaType: 'image/png', data: bytes(3) });
      expect(await store.conversations.purgeDeleted(new Date(clock.time - 1))).toBe(2);
      expect(await store.blobs.get(own)).toBeNull();
      expect(await store.blobs.get(shared)).not.toBeNull();
      // It was just stored, so the message that refers to it may be on its way.
      expect(await store.blobs.get(fresh)).not.toBeNull();
      await store.conversations.setDeleted('branch', true);
      clock.advance(1);
      expect(await store.conversations.purgeDeleted(new Date(clock.time))).toBe(1);
      expect(await store.blobs.get(shared)).toBeNull();
    });
  });

  test('the costs since a time are added up', async () => {
    expect(await store.ledger.usageSince(new Date(0))).toEqual({
      inputTokens: 0,
      outputTokens: 0,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      costUsd: 0,
      unpricedSteps: 0,
    });
    await create('c');
    const usage = { inputTokens: 1, outputTokens: 20, cacheReadTokens: 300, cacheWriteTokens: 4_000 };
    await store.events.append('c', [e.turn('t'), e.stepEnded('t', 0.25, usage)]);
    const noon = clock.advance(1_000);
    const gone = { code: 'x', status: 500, title: 'x', detail: 'x' };
    await store.events.append('c', [
      e.stepEnded('t', 0.5, usage),
      e.stepEnded('t', null, usage),
      { type: 'step.abandoned', turnId: 't', stepId: 's', problem: gone, usage, costUsd: 1 },
      { type: 'step.abandoned', turnId: 't', stepId: 's', problem: gone },
    ]);
    const since = await store.ledger.usageSince(noon);
    expect(since).toEqual({
      inputTokens: 3,
      outputTokens: 60,
      cacheReadTokens: 900,
      cacheWriteTokens: 12_000,
      costUsd: 1.5,
      unpricedSteps: 1,
    });
    expect((await store.ledger.usageSince(new Date(0))).costUsd).toBe(1.75);
    expect((await store.conversations.get('c'))?.costUsd).toBe(1.75);
    expect((await store.ledger.usageSince(clock.advance(1))).inputTokens).toBe(0);
  });

  test('the store keeps its data when it is closed, and refuses work while it is closed', async () => {
    const place = await stores.place();
    const first = await stores.open(place, clock.now);
    await first.conversations.create({ id: 'c', title: 'Kept', projectId: null });
    await first.events.append('c', [e.turn('t'), ...e.answer('t', 'Answer')]);
    const log = await first.events.read('c', 0, 100);
    await first.maintain();
    await first.close();
    await first.close();
    await expect(first.events.read('c', 0, 1)).rejects.toEqual(problem('store_unavailable'));
    await expect(first.events.append('c', [e.turn('u')])).rejects.toEqual(problem('store_unavailable'));
    const second = await stores.open(place, clock.now);
    expect(await second.events.read('c', 0, 100)).toEqual(log);
    expect((await second.conversations.list({ search: 'answer', limit: 1 })).items).toHaveLength(1);
    await second.close();
  });
});
