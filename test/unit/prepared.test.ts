import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteDialect,
  sql,
} from 'kysely';
import { describe, expect, test, vi } from 'vitest';
import { type Placeholders, prepared } from '../../server/src/storage/sql/prepared.ts';
import type { BlobTable, Database } from '../../server/src/storage/sql/schema.ts';

/** Opens a store in memory with only the table of blobs. */
function memory(): Kysely<Database> {
  const file = new DatabaseSync(':memory:');
  file.exec('create table blobs (hash text, media_type text, data blob, touched_at integer)');
  const database = {
    close: () => file.close(),
    prepare(text: string) {
      const statement = file.prepare(text);
      const inputs = (values: readonly unknown[]) => values as SQLInputValue[];
      return {
        reader: statement.columns().length > 0,
        all: (values: readonly unknown[]) => statement.all(...inputs(values)),
        run: (values: readonly unknown[]) => statement.run(...inputs(values)),
        iterate: (values: readonly unknown[]) => statement.iterate(...inputs(values)),
      };
    },
  };
  return new Kysely<Database>({ dialect: new SqliteDialect({ database }) });
}

const blob = (hash: string, touched_at = 1): BlobTable => ({
  hash,
  media_type: 'image/png',
  data: Uint8Array.from([1, 2]),
  touched_at,
});

const insert = prepared((db, { rows }: Placeholders<{ rows: BlobTable[] }>) => db.insertInto('blobs').values(rows));
const hashes = (found: readonly { hash: string }[]) => found.map(({ hash }) => hash);

describe('a prepared query', () => {
  test('a prepared query is built once, and runs with the values of each call', async () => {
    const db = memory();
    await insert(db, { rows: [blob('a', 1), blob('b', 2), blob('c', 3)] });
    const build = vi.fn((of: Parameters<Parameters<typeof prepared>[0]>[0], values: Placeholders<{ after: number }>) =>
      of.selectFrom('blobs').select('hash').where('touched_at', '>', values.after).orderBy('hash'),
    );
    const newer = prepared(build);
    expect(hashes(await newer(db, { after: 0 }))).toEqual(['a', 'b', 'c']);
    expect(hashes(await newer(db, { after: 2 }))).toEqual(['c']);
    expect(hashes(await newer(db, { after: 1 }))).toEqual(['b', 'c']);
    expect(build).toHaveBeenCalledOnce();
  });

  test('a prepared query accepts lists of any length, and rows with bytes', async () => {
    const db = memory();
    await insert(db, { rows: [blob('a')] });
    await insert(db, { rows: [blob('b'), blob('c')] });
    await insert(db, { rows: [blob('d'), blob('e')] });
    const among = prepared((of, values: Placeholders<{ hashes: string[] }>) =>
      of.selectFrom('blobs').selectAll().where('hash', 'in', values.hashes).orderBy('hash'),
    );
    expect(hashes(await among(db, { hashes: ['a', 'e'] }))).toEqual(['a', 'e']);
    expect(hashes(await among(db, { hashes: ['d', 'c'] }))).toEqual(['c', 'd']);
    expect(await among(db, { hashes: ['b'] })).toEqual([blob('b')]);
    // More lengths than are cached.
    for (let length = 1; length <= 50; length++)
      expect(hashes(await among(db, { hashes: [...Array.from({ length }, (_, i) => `${i}`), 'a'] }))).toEqual(['a']);
  });

  test('a prepared query distinguishes absent values from null, and supports a value in two places', async () => {
    const db = memory();
    await insert(db, { rows: [blob('a', 1), blob('b', 2)] });
    type Values = { hash?: string | undefined; shown: string | null };
    const find = prepared((of, { hash, shown }: Placeholders<Values>) =>
      of
        .selectFrom('blobs')
        .select(['hash', sql<string | null>`${shown}`.as('shown'), sql<string | null>`${shown}`.as('again')])
        .$if(hash !== undefined, (query) => (hash ? query.where('hash', '=', hash) : query))
        .orderBy('hash'),
    );
    expect(await find(db, { hash: 'b', shown: null })).toEqual([{ hash: 'b', shown: null, again: null }]);
    expect(await find(db, { hash: 'a', shown: 'x' })).toEqual([{ hash: 'a', shown: 'x', again: 'x' }]);
    expect(hashes(await find(db, { hash: undefined, shown: 'x' }))).toEqual(['a', 'b']);
    expect(hashes(await find(db, { shown: null }))).toEqual(['a', 'b']);
  });

  test('a prepared query never confuses values with literals of the query', async () => {
    const db = memory();
    const odd = `x'; drop table blobs; -- $1 ? "${'\0'}`;
    await insert(db, { rows: [blob(odd, 7), blob('b', 7)] });
    const find = prepared((of, { hash }: Placeholders<{ hash: string }>) =>
      of.selectFrom('blobs').select('touched_at').where('touched_at', '=', 7).where('hash', '=', hash).limit(5),
    );
    expect(await find(db, { hash: odd })).toEqual([{ touched_at: 7 }]);
    expect(await find(db, { hash: 'none' })).toEqual([]);
  });

  test('a prepared query runs in the given transaction, and again after a rollback', async () => {
    const db = memory();
    const all = prepared((of, _: Placeholders<object>) => of.selectFrom('blobs').select('hash'));
    const undone = db.transaction().execute(async (tx) => {
      await insert(tx, { rows: [blob('a')] });
      expect(hashes(await all(tx, {}))).toEqual(['a']);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await insert(db, { rows: [blob('b')] });
    expect(hashes(await all(db, {}))).toEqual(['b']);
  });

  test('a query is prepared separately for each store and its SQL dialect', async () => {
    const sent: { sql: string; parameters: readonly unknown[] }[] = [];
    const postgres = new Kysely<Database>({
      log: ({ query: { sql: text, parameters } }) => void sent.push({ sql: text, parameters }),
      dialect: {
        createAdapter: () => new PostgresAdapter(),
        createDriver: () => new DummyDriver(),
        createIntrospector: (db) => new PostgresIntrospector(db),
        createQueryCompiler: () => new PostgresQueryCompiler(),
      },
    });
    const one = memory();
    const two = memory();
    const find = prepared((of, { hash }: Placeholders<{ hash: string }>) =>
      of.selectFrom('blobs').select('hash').where('hash', '=', hash),
    );
    await insert(one, { rows: [blob('a')] });
    expect(hashes(await find(one, { hash: 'a' }))).toEqual(['a']);
    expect(hashes(await find(two, { hash: 'a' }))).toEqual([]);
    await find(postgres, { hash: 'a' });
    await find(postgres, { hash: 'b' });
    const text = 'select "hash" from "blobs" where "hash" = $1';
    expect(sent).toEqual([
      { sql: text, parameters: ['a'] },
      { sql: text, parameters: ['b'] },
    ]);
  });
});
