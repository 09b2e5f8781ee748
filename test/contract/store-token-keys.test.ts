import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deriveKey } from '../../server/src/data-key.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import type { TokenKey } from '../../server/src/storage/ports/token-keys.ts';
import { openPostgres } from '../../server/src/storage/postgres/postgres.ts';
import { maxTokenKeys } from '../../server/src/storage/sql/token-keys.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';
import { Clock, makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

const key = (kid: string): TokenKey => ({ kid, privateKey: `-----BEGIN PRIVATE KEY----- of ${kid}` });
const kids = (keys: readonly TokenKey[]) => keys.map(({ kid }) => kid);
const damaged = { problem: { code: 'token_keys_damaged', detail: expect.stringContaining('rotate-key --forget') } };

describe.each(storeKinds)('the keys of tokens in the store on %s', (kind) => {
  let stores: StoreMaker;
  let place: string;
  let store: Store;
  const opened: Store[] = [];
  /** Opens the same store as another server would; null for a server without the data key. */
  const open = async (dataKey?: Uint8Array | null) => {
    const how = { version: '0.1.0', key: dataKey ?? undefined };
    const other =
      dataKey === undefined
        ? await stores.open(place, new Clock().now)
        : await (kind === 'sqlite' ? openSqlite({ file: place, ...how }) : openPostgres({ url: place, ...how }));
    opened.push(other);
    return other;
  };
  /** Opens four servers on the store. A SQLite file allows only one. */
  const servers = () => Promise.all(Array.from({ length: 4 }, () => (kind === 'sqlite' ? store : open())));
  const foreign = deriveKey(new Uint8Array(32).fill(1), 'store');

  beforeAll(async () => {
    stores = await makeStores(kind);
  });
  afterAll(async () => {
    for (const one of opened) await one.close();
    await stores[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    place = await stores.place();
    store = await open();
  });

  test('token keys are listed newest first on every server', async () => {
    expect(await store.tokenKeys.list()).toEqual([]);
    expect(await store.tokenKeys.add(key('a'), null)).toEqual([key('a')]);
    expect(await store.tokenKeys.add(key('b'), 'a')).toEqual([key('b'), key('a')]);
    expect(await (await open()).tokenKeys.list()).toEqual([key('b'), key('a')]);
  });

  test('only one of several simultaneous additions of a token key succeeds', async () => {
    const all = await servers();
    const first = await Promise.all(all.map((one, i) => one.tokenKeys.add(key(`first-${i}`), null)));
    expect(first[0]).toHaveLength(1);
    for (const seen of first) expect(seen).toEqual(first[0]);
    const after = first[0]?.[0]?.kid ?? '';
    const second = await Promise.all(all.map((one, i) => one.tokenKeys.add(key(`second-${i}`), after)));
    expect(second[0]).toHaveLength(2);
    for (const seen of second) expect(seen).toEqual(second[0]);
    expect(await store.tokenKeys.add(key('late'), null)).toEqual(second[0]);
    expect(await store.tokenKeys.add(key('late'), 'unknown')).toEqual(second[0]);
  });

  test('the number of token keys is bounded', async () => {
    let last: string | null = null;
    for (let i = 0; i < maxTokenKeys + 3; i++) {
      await store.tokenKeys.add(key(`k${i}`), last);
      last = `k${i}`;
    }
    const left = kids(await store.tokenKeys.list());
    expect(left).toHaveLength(maxTokenKeys);
    expect([left[0], left.at(-1)]).toEqual([`k${maxTokenKeys + 2}`, 'k3']);
  });

  test('token keys are migrated once, in their order, behind the existing ones', async () => {
    expect(kids(await store.tokenKeys.takeOver([key('b'), key('a')]))).toEqual(['b', 'a']);
    expect(kids(await store.tokenKeys.add(key('c'), 'b'))).toEqual(['c', 'b', 'a']);
    expect(kids(await store.tokenKeys.takeOver([key('b'), key('a')]))).toEqual(['c', 'b', 'a']);
    expect(kids(await store.tokenKeys.takeOver([key('z'), key('b'), key('y')]))).toEqual(['c', 'b', 'a', 'z', 'y']);
    expect(await (await open()).tokenKeys.list()).toEqual(['c', 'b', 'a', 'z', 'y'].map(key));
    const files = [[key('one'), key('a')], [key('two')], [key('one'), key('three')], []];
    await Promise.all((await servers()).map((one, i) => one.tokenKeys.takeOver(files[i] ?? [])));
    expect(kids(await store.tokenKeys.list()).toSorted()).toEqual(
      ['a', 'b', 'c', 'one', 'three', 'two', 'y', 'z'].toSorted(),
    );
  });

  test('token keys cannot be read without their data key, and none is added then', async () => {
    await store.tokenKeys.add(key('a'), null);
    for (const dataKey of [foreign, null]) {
      const other = await open(dataKey);
      await expect(other.tokenKeys.list()).rejects.toMatchObject(damaged);
      await expect(other.tokenKeys.add(key('b'), 'a')).rejects.toMatchObject(damaged);
      await expect(other.tokenKeys.add(key('b'), null)).rejects.toMatchObject(damaged);
      await expect(other.tokenKeys.takeOver([key('b')])).rejects.toMatchObject(damaged);
    }
    expect(await store.tokenKeys.list()).toEqual([key('a')]);
  });

  test('token keys are always stored encrypted', async () => {
    const keyless = await open(null);
    for (const write of [
      () => keyless.tokenKeys.add(key('a'), null),
      () => keyless.tokenKeys.takeOver([key('a')]),
      () => keyless.tokenKeys.startOver(key('a')),
    ])
      await expect(write()).rejects.toMatchObject(damaged);
    expect(await store.tokenKeys.list()).toEqual([]);
  });

  test('token keys are removed with all tokens, even by a server that cannot read them', async () => {
    const token = (id: string) => ({
      id,
      userId: 'local',
      name: id,
      scopes: ['llm' as const],
      createdAt: new Date().toISOString(),
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
      revokedAt: null,
    });
    await store.tokenKeys.takeOver([key('a'), key('b')]);
    await store.tokens.add(token('before'));
    await store.tokens.add(token('earlier'));
    const revoked = await store.tokens.revoke('earlier');
    const other = await open(foreign);
    expect(await other.tokenKeys.startOver(key('c'))).toEqual([key('c')]);
    await other.tokens.add(token('after'));
    const tokens = new Map((await other.tokens.list()).map(({ id, revokedAt }) => [id, revokedAt]));
    expect(tokens.get('before')).not.toBeNull();
    expect(tokens.get('earlier')).toBe(revoked?.revokedAt);
    expect(tokens.get('after')).toBeNull();
    await expect(store.tokenKeys.list()).rejects.toMatchObject(damaged);
    expect(await store.tokenKeys.startOver(key('d'))).toEqual([key('d')]);
  });
});
