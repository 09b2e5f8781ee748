import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrations } from '../../server/src/storage/migrations/migrations.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { openPostgres } from '../../server/src/storage/postgres/postgres.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { contentsOf, fixtures, loadPostgres, loadSqlite } from '../support/storage-fixture.ts';
import { events as e } from '../support/stores.ts';

const folder = mkdtempSync(join(tmpdir(), 'devlm-fixtures-'));
let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres({ sync: false });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** The store of a released version goes on under this one. */
async function goesOn(store: Store, contents: string): Promise<void> {
  try {
    // Later versions know more of some things.
    expect(await contentsOf(store)).toMatchObject(JSON.parse(contents));
    expect(await store.conversations.get('one')).toMatchObject({ userId: 'local' });
    const [stored] = await store.events.append('one', [e.turn('new', 't2', 'Something new')]);
    expect(await store.events.read('one', (stored?.seq ?? 0) - 1, 10)).toEqual([stored]);
    expect((await store.conversations.list({ search: 'something', limit: 10 })).items.map((item) => item.id)).toEqual([
      'one',
    ]);
    await store.events.append('branch', e.answer('open', 'the rest of the elephant').slice(-1));
    await store.conversations.setDeleted('one', true);
    expect(await store.conversations.purgeDeleted(new Date(Date.now() + 60_000))).toBe(2);
    expect((await store.conversations.list({ search: 'something', limit: 10 })).items).toEqual([]);
  } finally {
    await store.close();
  }
}

const versions = readdirSync(fixtures);

test('there is a fixture of the first release', () => {
  expect(versions).toContain('v0.1.0');
});

describe.each(versions)('a store of %s', (version) => {
  const read = (name: string) => readFileSync(new URL(`${version}/${name}`, fixtures), 'utf8');

  test('is migrated and read back from SQLite', async () => {
    const file = join(folder, `${version}.db`);
    loadSqlite(read('sqlite.sql'), file);
    await goesOn(await openSqlite({ file, version: '99.0.0' }), read('contents.json'));
  });

  test('is migrated and read back from PostgreSQL', async () => {
    const url = await server.createDatabase();
    await loadPostgres(read('postgres.sql'), url);
    await goesOn(await openPostgres({ url, version: '99.0.0' }), read('contents.json'));
  });
});

test('migrations are numbered from 1 without a gap', () => {
  expect(migrations.map((migration) => migration.version)).toEqual(migrations.map((_, i) => i + 1));
});
