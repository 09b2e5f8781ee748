import { setImmediate, setTimeout } from 'node:timers/promises';
import { addTurns, answerText, emptyConversation, shownPath } from '@devlm/protocol/reducer.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { Clock, events as e, makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

const problem = (code: string) => expect.objectContaining({ problem: expect.objectContaining({ code }) });

/*
 *  a ─ b ─ d ─ f
 *    └ c ─ e      b, c: siblings; h, i: beginnings of their own beside a
 *  h
 *  i
 */
const tree: [string, string | null][] = [
  ['a', null],
  ['b', 'a'],
  ['c', 'a'],
  ['d', 'b'],
  ['e', 'c'],
  ['h', null],
  ['f', 'd'],
  ['i', null],
];

describe.each(storeKinds)('the tree of turns on %s', (kind) => {
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
    for (const id of ['c', 'noise']) {
      await store.conversations.create({ id, title: `Title of ${id}`, projectId: 'p' });
      for (const [turn, parent] of tree)
        await store.events.append(id, [e.turn(turn, parent), ...e.answer(turn, `A ${turn}`)]);
    }
  });

  const ids = async (turnId: string, limit: number) => {
    const { turns, older } = await store.turns.branchOf('c', turnId, limit);
    return { ids: turns.map((turn) => turn.turnId).join(''), older };
  };

  test('a branch consists of the turn and its ancestors, oldest first', async () => {
    expect(await ids('f', 10)).toEqual({ ids: 'abdf', older: null });
    expect(await ids('f', 4)).toEqual({ ids: 'abdf', older: null });
    expect(await ids('f', 3)).toEqual({ ids: 'bdf', older: 'a' });
    expect(await ids('f', 1)).toEqual({ ids: 'f', older: 'd' });
    expect(await ids('a', Number.MAX_SAFE_INTEGER)).toEqual({ ids: 'a', older: null });
    await expect(store.turns.branchOf('c', 'nobody', 10)).rejects.toEqual(problem('not_found'));
    await expect(store.turns.branchOf('nobody', 'a', 10)).rejects.toEqual(problem('not_found'));
  });

  test('review decisions after the end of a turn are kept with it, and so are the versions that they name', async () => {
    const [hash, other] = await Promise.all(
      ['one', 'two'].map((text) => store.blobs.put({ mediaType: 'text/plain', data: Buffer.from(text) })),
    );
    const mark = { path: 'a.txt', base: hash ?? null, now: hash ?? null, verdict: 'reject' as const };
    const previous = [{ turnId: 'b', files: [{ ...mark, now: other ?? null, verdict: null }] }];
    const review = {
      id: 'r',
      verdict: 'reject' as const,
      changes: [],
      marks: [{ turnId: 'b', files: [mark] }],
      previous,
    };
    await store.events.append('c', [
      { type: 'review.started', turnId: 'b', review },
      { type: 'review.marked', turnId: 'b', reviewId: 'r', files: [mark] },
      { type: 'review.ended', turnId: 'b', reviewId: 'r', done: true },
    ]);
    const { turns } = await store.turns.branchOf('c', 'f', 10);
    const last = turns.map(({ turnId, events }) => [turnId, events.at(-1)?.type]);
    expect(last).toEqual(['a', 'b', 'd', 'f'].map((id) => [id, id === 'b' ? 'review.ended' : 'turn.ended']));
    expect(addTurns(emptyConversation('c'), turns).turns['b']?.marks).toEqual({ 'a.txt': mark });
    await expect(store.events.append('c', [e.delta('b', 'late')])).rejects.toEqual(problem('conflict'));
    await store.events.append('c', [e.turn('open', 'f')]);
    const early = [{ type: 'review.ended' as const, turnId: 'open', reviewId: 'r', done: true }];
    await expect(store.events.append('c', early)).rejects.toEqual(problem('conflict'));
    clock.advance(40 * 86_400_000);
    await store.maintain();
    expect(await store.blobs.get(other ?? '')).not.toBeNull();
    const copy = await store.conversations.branch({ conversationId: 'c', turnId: 'd' }, 'copy');
    expect(copy.turns).toBe(3);
    const copied = await store.turns.branchOf('copy', 'd', 10);
    expect(addTurns(emptyConversation('copy'), copied.turns).turns['b']?.marks).toEqual({ 'a.txt': mark });
  });

  test('each turn has its siblings, oldest first', async () => {
    const { turns } = await store.turns.branchOf('c', 'e', 10);
    expect(turns.map((turn) => turn.siblings.join(''))).toEqual(['ahi', 'bc', 'e']);
  });

  test('each turn has its own events, whatever was written in between', async () => {
    await store.events.append('c', [e.turn('x', 'f'), e.turn('y', 'x'), e.started('x')]);
    await store.events.append('c', [{ type: 'head.moved', turnId: 'x' }, e.delta('x', '1'), e.delta('y', 'early')]);
    await store.events.append('c', [e.delta('x', '2'), e.turn('z', 'y'), e.ended('y'), e.delta('x', '3')]);
    const log = await store.events.read('c', 0, 1_000);
    const { turns } = await store.turns.branchOf('c', 'z', 10);
    expect(turns.map((turn) => turn.turnId).join('')).toBe('abdfxyz');
    for (const turn of turns) {
      const own = log.filter(
        (event) => event.type !== 'head.moved' && 'turnId' in event && event.turnId === turn.turnId,
      );
      expect(turn.events).toEqual(own);
    }
    const path = shownPath(addTurns(emptyConversation('c'), turns), 'z').turns;
    expect(path.map((turn) => turn.status)).toEqual([...Array(4).fill('completed'), 'running', 'completed', 'queued']);
  });

  test('the newest descendant of a turn is found', async () => {
    const below = (turnId: string) => store.turns.newestBelow('c', turnId);
    expect(await Promise.all(['a', 'b', 'c', 'd', 'f', 'h'].map(below))).toEqual(['e', 'f', 'e', 'f', 'f', 'h']);
    await store.events.append('c', [e.turn('z', 'b')]);
    expect(await below('b')).toBe('z');
    expect(await below('a')).toBe('e');
    await expect(below('nobody')).rejects.toEqual(problem('not_found'));
  });

  test('the state of a turn follows it from its message to its end', async () => {
    const row = { conversationId: 'c', turnId: 'x', parent: 'f', createdSeq: 74 };
    await store.events.append('c', [e.turn('x', 'f')]);
    expect(await store.turns.get('c', 'x')).toEqual({ ...row, status: 'queued', attempts: 0 });
    await store.events.append('c', [e.started('x')]);
    await store.events.append('c', [e.started('x', 2)]);
    expect(await store.turns.get('c', 'x')).toEqual({ ...row, status: 'running', attempts: 2 });
    await store.events.append('c', [e.ended('x')]);
    expect(await store.turns.get('c', 'x')).toEqual({ ...row, status: 'ended', attempts: 2 });
    expect(await store.turns.get('c', 'nobody')).toBeNull();
    expect(await store.turns.get('nobody', 'x')).toBeNull();
  });

  test('the open turns are listed, oldest first', async () => {
    expect(await store.turns.open()).toEqual([]);
    await store.events.append('noise', [e.turn('late', 'f')]);
    clock.advance(-60_000);
    await store.events.append('c', [e.turn('x', 'f'), e.turn('y', 'x'), e.started('x')]);
    clock.advance(30_000);
    await store.events.append('c', [e.turn('z', 'y'), e.ended('y')]);
    expect(await store.turns.open()).toMatchObject([
      { conversationId: 'c', turnId: 'x', status: 'running', attempts: 1 },
      { conversationId: 'c', turnId: 'z', status: 'queued' },
      { conversationId: 'noise', turnId: 'late', status: 'queued' },
    ]);
  });

  describe('a branch', () => {
    test('a copied branch is a separate conversation with the same past', async () => {
      clock.advance(1_000);
      const spent = await store.ledger.usageSince(new Date(0));
      const summary = await store.conversations.branch({ conversationId: 'c', turnId: 'd' }, 'copy');
      expect(summary).toMatchObject({
        id: 'copy',
        title: 'Title of c',
        projectId: 'p',
        turns: 3,
        busy: false,
        createdAt: clock.now().toISOString(),
        updatedAt: clock.now().toISOString(),
      });
      expect(await store.conversations.copiedFrom('copy')).toBe('c');
      for (const other of ['c', 'none', '']) expect(await store.conversations.copiedFrom(other)).toBeNull();
      const log = await store.events.read('copy', 0, 1_000);
      expect(log.map((event) => event.seq)).toEqual(log.map((_, i) => i + 1));
      expect(log[0]).toMatchObject({
        type: 'conversation.created',
        title: 'Title of c',
        branchOf: { conversationId: 'c', turnId: 'd' },
      });
      expect(await store.conversations.get('copy')).toMatchObject({ head: 'd', lastSeq: log.length });
      const [copied, original] = await Promise.all(
        ['copy', 'c'].map(async (id) => {
          const { turns } = await store.turns.branchOf(id, 'd', 10);
          return shownPath(addTurns(emptyConversation(id), turns), 'd').turns.map((turn) => ({
            ...turn,
            siblings: [],
          }));
        }),
      );
      expect(copied).toEqual(original);
      expect(copied?.map(answerText)).toEqual(['A a', 'A b', 'A d']);
      // Nothing is counted as spent twice.
      expect(await store.ledger.usageSince(new Date(0))).toEqual(spent);
      expect((await store.conversations.list({ search: 'A d', limit: 10 })).items.map((item) => item.id)).toContain(
        'copy',
      );
      // Both conversations continue independently.
      await store.events.append('copy', [e.turn('x', 'd')]);
      expect(await store.turns.get('c', 'x')).toBeNull();
    });

    test('a copied branch ends a turn that is still running', async () => {
      await store.events.append('c', [e.turn('x', 'f'), e.started('x'), e.delta('x', 'half'), e.turn('y', 'x')]);
      expect(await store.conversations.branch({ conversationId: 'c', turnId: 'y' }, 'copy')).toMatchObject({
        turns: 6,
        busy: false,
      });
      const log = await store.events.read('copy', 0, 1_000);
      expect(log.filter((event) => event.type === 'turn.ended' && event.outcome === 'stopped')).toMatchObject([
        { turnId: 'x' },
        { turnId: 'y' },
      ]);
      expect(await store.turns.get('c', 'x')).toMatchObject({ status: 'running' });
      await store.events.append('c', [e.delta('x', 'on')]);
    });

    test('a branch is copied consistently even while its turn ends', async () => {
      for (let round = 0; round < 15; round++) {
        const turnId = `x${round}`;
        await store.events.append('c', [e.turn(turnId, 'f'), e.started(turnId), e.delta(turnId, 'A')]);
        let over = false;
        const ending = setTimeout(round / 3)
          .then(() => store.events.append('c', [e.ended(turnId)]))
          .finally(() => {
            over = true;
          });
        for (let nth = 0; !over; nth++) {
          const id = `copy-${round}-${nth}`;
          expect(await store.conversations.branch({ conversationId: 'c', turnId }, id)).toMatchObject({ busy: false });
          await setImmediate();
        }
        await ending;
      }
    });

    test('a branch is copied once, and does not replace another conversation', async () => {
      const from = { conversationId: 'c', turnId: 'b' };
      const made = await store.conversations.branch(from, 'copy');
      expect(await store.conversations.branch(from, 'copy')).toEqual(made);
      await expect(store.conversations.branch({ ...from, turnId: 'a' }, 'copy')).rejects.toEqual(problem('conflict'));
      await expect(store.conversations.branch(from, 'noise')).rejects.toEqual(problem('conflict'));
      await expect(store.conversations.branch({ ...from, turnId: 'nobody' }, 'other')).rejects.toEqual(
        problem('not_found'),
      );
      expect(await store.conversations.get('other')).toBeNull();
    });
  });
});
