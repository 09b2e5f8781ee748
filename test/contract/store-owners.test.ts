import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { events as e, makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

describe.each(storeKinds)('owners on %s', (kind) => {
  let stores: StoreMaker;
  let store: Store;
  beforeAll(async () => {
    stores = await makeStores(kind);
  });
  afterAll(() => stores?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    store = await stores.fresh();
  });

  const conversation = (id: string, userId?: string) =>
    store.conversations.create({ id, title: `Zebras of ${userId}`, projectId: null, ...(userId ? { userId } : {}) });
  const idsOf = async (userId: string | undefined, search?: string) =>
    (await store.conversations.list({ userId, search, limit: 10 })).items.map(({ id }) => id).sort();

  test('a conversation and its copy belong to the user who created them', async () => {
    await conversation('a', 'ann');
    await conversation('b', 'bob');
    await conversation('l');
    await store.events.append('a', [e.turn('t'), ...e.answer('t', 'Stripes', 0.25)]);
    await store.conversations.branch({ conversationId: 'a', turnId: 't' }, 'copy');
    expect(
      await Promise.all(['a', 'b', 'l', 'copy', 'none'].map((id) => store.owners.ownerOf('conversation', id))),
    ).toEqual(['ann', 'bob', 'local', 'ann', null]);
    expect(await idsOf('ann')).toEqual(['a', 'copy']);
    expect(await idsOf('bob')).toEqual(['b']);
    expect(await idsOf('bob', 'stripes')).toEqual([]);
    expect(await idsOf('ann', 'stripes')).toEqual(['a', 'copy']);
    expect(await idsOf(undefined)).toEqual(['a', 'b', 'copy', 'l']);
    await store.conversations.setDeleted('a', true);
    expect(await store.owners.ownerOf('conversation', 'a')).toBe('ann');
    expect(await store.ledger.usageSince(new Date(0), 'ann')).toMatchObject({ costUsd: 0.25 });
    expect(await store.ledger.usageSince(new Date(0), 'bob')).toMatchObject({ costUsd: 0 });
  });

  test('an id of another user cannot be taken over', async () => {
    await conversation('a', 'ann');
    await expect(conversation('a', 'bob')).rejects.toMatchObject({ problem: { code: 'conflict' } });
    expect(await conversation('a', 'ann')).toMatchObject({ id: 'a', title: 'Zebras of ann' });
    expect(await idsOf('bob')).toEqual([]);
  });

  test('a blob is found only through the own conversations of a user', async () => {
    const hash = await store.blobs.put({ mediaType: 'image/png', data: Uint8Array.of(1, 2, 3) });
    expect(await store.blobs.get(hash, 'ann')).toBeNull();
    await conversation('a', 'ann');
    await store.events.append('a', [e.image('t', hash)]);
    expect(await store.blobs.get(hash, 'ann')).toMatchObject({ mediaType: 'image/png' });
    expect(await store.blobs.get(hash, 'bob')).toBeNull();
    expect(await store.blobs.get(hash)).not.toBeNull();
  });

  test('a project belongs to the user whose window or folder came first', async () => {
    const both = await Promise.all([store.owners.claimProject('p', 'ann'), store.owners.claimProject('p', 'bob')]);
    expect(new Set(both).size).toBe(1);
    expect(await store.owners.ownerOf('project', 'p')).toBe(both[0]);
    expect(await store.owners.ownerOf('project', 'q')).toBeNull();
  });

  test('users have unique names, and stay disabled', async () => {
    const user = (id: string, name: string) =>
      ({ id, name, email: null, role: 'member', createdAt: '2026-01-01T00:00:00.000Z', disabledAt: null }) as const;
    await store.users.add(user('1', 'ann'));
    await expect(store.users.add(user('2', 'ann'))).rejects.toMatchObject({ problem: { code: 'conflict' } });
    expect((await store.users.list()).map(({ name, role }) => [name, role])).toEqual([
      ['ann', 'member'],
      ['local', 'admin'],
    ]);
    const disabled = await store.users.disable('1');
    expect(disabled?.disabledAt).not.toBeNull();
    expect(await store.users.disable('1')).toEqual(disabled);
    expect(await store.users.disable('3')).toBeNull();
  });
});
