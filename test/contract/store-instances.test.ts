import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { StoredInstance } from '../../server/src/storage/ports/instances.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { Clock, makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

const instance = (id: string, more: Partial<StoredInstance> = {}): StoredInstance => ({
  id,
  apiKey: 'sk-ant-0123456789',
  provider: 'anthropic',
  models: [],
  modelIds: {},
  weight: 1,
  concurrency: 256,
  draining: false,
  ...more,
});

describe.each(storeKinds)('instances in the store on %s', (kind) => {
  let stores: StoreMaker;
  let store: Store;
  beforeAll(async () => {
    stores = await makeStores(kind);
  });
  afterAll(() => stores[Symbol.asyncDispose]());
  beforeEach(async () => {
    store = await stores.fresh(new Clock().now);
  });

  test('instances are stored as they were last saved', async () => {
    expect(await store.instances.list()).toEqual([]);
    const full = instance('b', { baseUrl: 'https://claude.example', models: ['claude-*', '日本'], weight: 0.5 });
    await store.instances.save(full);
    await store.instances.save(instance('a'));
    await store.instances.save(instance('a', { apiKey: 'sk-ant-new', draining: true }));
    expect(await store.instances.list()).toEqual([instance('a', { apiKey: 'sk-ant-new', draining: true }), full]);
  });

  test('an instance is removed once', async () => {
    await store.instances.save(instance('a'));
    expect(await store.instances.remove("a' or 'a' = 'a")).toBe(false);
    expect(await store.instances.remove('a')).toBe(true);
    expect(await store.instances.remove('a')).toBe(false);
    expect(await store.instances.list()).toEqual([]);
  });
});
