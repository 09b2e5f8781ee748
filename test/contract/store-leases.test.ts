import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Lease } from '../../server/src/storage/ports/leases.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { events as e, makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

const long = 600_000;

describe.each(storeKinds)('leases in the store on %s', (kind) => {
  let stores: StoreMaker;
  let store: Store;
  beforeAll(async () => {
    stores = await makeStores(kind);
  });
  afterAll(() => stores[Symbol.asyncDispose]());
  beforeEach(async () => {
    store = await stores.fresh();
    await store.conversations.create({ id: 'one', title: '', projectId: null });
    await store.events.append('one', [e.turn('t1')]);
  });

  async function take(node: string, forMs = long): Promise<Lease> {
    const lease = await store.leases.take('one', node, forMs);
    if (!lease) throw new Error(`${node} did not get it`);
    return lease;
  }

  test('a lease is granted to one of many nodes that request it at once', async () => {
    const nodes = Array.from({ length: 10 }, (_, index) => `node ${index}`);
    const taken = await Promise.all(nodes.map((node) => store.leases.take('one', node, long)));
    expect(taken.filter((lease) => lease !== null)).toHaveLength(1);
    expect(await store.leases.holder('one')).toBe(nodes[taken.findIndex((lease) => lease !== null)]);
  });

  test('a lease is free again once it is released, and not before', async () => {
    const lease = await take('a');
    expect(await store.leases.take('one', 'b', long)).toBeNull();
    await store.leases.release(lease);
    expect(await store.leases.holder('one')).toBeNull();
    await take('b');
    await store.leases.release(lease);
    expect(await store.leases.holder('one')).toBe('b');
  });

  test('a lease expires if the node does not renew it', async () => {
    const lease = await take('a', 200);
    expect(await store.leases.renew([lease], 'a', long)).toEqual([lease]);
    expect(await store.leases.renew([lease], 'a', 1)).toEqual([lease]);
    await expect.poll(() => store.leases.take('one', 'b', long)).not.toBeNull();
    expect(await store.leases.renew([lease], 'a', long)).toEqual([]);
    expect(await store.leases.holder('one')).toBe('b');
  });

  test('only the node that lost a lease can no longer append', async () => {
    const lost = await take('a', 1);
    await expect.poll(() => store.leases.take('one', 'b', long)).not.toBeNull();
    await expect(store.events.append('one', [e.started('t1')], { lease: lost })).rejects.toMatchObject({
      problem: { code: 'lease_lost' },
    });
    expect((await store.events.read('one', 0, 10)).map(({ type }) => type)).toEqual([
      'conversation.created',
      'turn.created',
    ]);
    // A message of a user needs no lease.
    await store.events.append('one', [e.turn('t2', 't1')]);
    await expect(store.events.append('none', [e.started('t1')], { lease: lost })).rejects.toMatchObject({
      problem: { code: 'not_found' },
    });
  });

  test('a lease taken again by its node ends the earlier lease', async () => {
    const before = await take('a');
    const now = await take('a');
    await store.events.append('one', [e.started('t1')], { lease: now });
    await expect(store.events.append('one', [e.ended('t1')], { lease: before })).rejects.toMatchObject({
      problem: { code: 'lease_lost' },
    });
    await store.leases.release(now);
    await expect(store.events.append('one', [e.ended('t1')], { lease: now })).rejects.toMatchObject({
      problem: { code: 'lease_lost' },
    });
  });

  test('the store lists the conversations that wait for a node', async () => {
    await store.conversations.create({ id: 'two', title: '', projectId: null });
    await store.events.append('two', [e.turn('t1')]);
    await store.conversations.create({ id: 'idle', title: '', projectId: null });
    const free = async (node: string, limit = 10) =>
      (await store.leases.freeTurns(node, limit)).map(({ conversationId }) => conversationId);
    expect((await free('a')).toSorted()).toEqual(['one', 'two']);
    expect(await free('a', 1)).toHaveLength(1);
    await take('b');
    expect(await free('a')).toEqual(['two']);
    expect((await free('b')).toSorted()).toEqual(['one', 'two']);
    expect(await store.leases.freeTurns('b', 10)).toContainEqual(
      expect.objectContaining({ conversationId: 'one', turnId: 't1', projectId: null, held: true }),
    );
    await store.events.append('two', [e.ended('t1')]);
    expect(await free('a')).toEqual([]);
  });

  test('no lease is granted for a conversation that does not exist', async () => {
    expect(await store.leases.take('none', 'a', long)).toBeNull();
    expect(await store.leases.take("' or 1 = 1", 'a', long)).toBeNull();
    expect(await store.leases.holder('none')).toBeNull();
    expect(await store.leases.renew([], 'a', long)).toEqual([]);
  });

  test('the store returns the last sequence numbers of many conversations', async () => {
    expect(await store.events.lastSeqs(['one', 'none'])).toEqual(new Map([['one', 2]]));
    expect(await store.turns.open('one')).toMatchObject([{ turnId: 't1' }]);
    expect(await store.turns.open('none')).toEqual([]);
  });
});
