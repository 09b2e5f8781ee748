import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LedgerCall } from '../../server/src/storage/ports/ledger.ts';
import { makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

const call = (inputTokens: number, more: Partial<LedgerCall> = {}): LedgerCall => ({
  at: Date.now(),
  userId: 'u',
  projectId: null,
  conversationId: null,
  turnId: null,
  purpose: 'api',
  model: 'm',
  instance: 'i',
  usage: { inputTokens, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0 },
  costUsd: 0.5,
  countedUsd: 0.5,
  latencyMs: 1,
  firstTokenMs: 1,
  outcome: 'answered',
  ...more,
});

describe.each(storeKinds)('calls in the ledger on %s', (kind) => {
  let stores: StoreMaker;
  beforeAll(async () => {
    stores = await makeStores(kind);
  });
  afterAll(() => stores[Symbol.asyncDispose]());

  test('all calls are written to the ledger, however many end at once', async () => {
    const store = await stores.fresh();
    await Promise.all(Array.from({ length: 1_200 }, () => store.ledger.add(call(10))));
    expect(await store.ledger.usageSince(new Date(0))).toMatchObject({ inputTokens: 12_000, outputTokens: 1_200 });
  });

  test('a call that cannot be written does not affect the others', async () => {
    const store = await stores.fresh();
    const broken = call(Number.NaN, { latencyMs: 2 ** 40, at: Number.NaN });
    const results = await Promise.allSettled([call(10), broken, call(20)].map((one) => store.ledger.add(one)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((await store.ledger.usageSince(new Date(0))).inputTokens).toBe(30);
  });

  test('calls are written before the store is closed', async () => {
    const place = await stores.place();
    const store = await stores.open(place);
    const written = store.ledger.add(call(7));
    await store.close();
    await written;
    const again = await stores.open(place);
    expect((await again.ledger.usageSince(new Date(0))).inputTokens).toBe(7);
    await again.close();
  });
});
