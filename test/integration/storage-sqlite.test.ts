import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Migration } from '../../server/src/storage/migrations/migration.ts';
import { migrations } from '../../server/src/storage/migrations/migrations.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';
import { Clock, events as e } from '../support/stores.ts';

let root: string;
let file: string;
let clock: Clock;
const open = (more: Partial<Parameters<typeof openSqlite>[0]> = {}) =>
  openSqlite({ file, version: '0.1.0', now: clock.now, ...more });
const backups = () => readdirSync(join(dirname(file), 'backups')).sort();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'devlm-sqlite-'));
  file = join(root, 'data', 'devlm.db');
  clock = new Clock();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function problemOf(work: Promise<unknown>): Promise<ProblemError['problem']> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProblemError)) throw new Error('no problem', { cause: error });
  return error.problem;
}

/** Creates a closed store whose content fills many pages. */
async function fill(text = 'Words'): Promise<void> {
  const store = await open();
  await store.conversations.create({ id: 'c', title: 'Kept', projectId: null });
  await store.events.append('c', [
    e.turn('t'),
    ...Array.from({ length: 2_000 }, (_, i) => e.delta('t', `${text} ${i}`)),
  ]);
  await store.close();
}

async function titles(store: Store): Promise<string[]> {
  return (await store.conversations.list({ limit: 10 })).items.map((item) => item.title);
}

test('the files of the SQLite store are accessible only to their owner', async () => {
  const store = await open();
  await store.conversations.create({ id: 'c', title: '', projectId: null });
  await store.maintain();
  expect(statSync(dirname(file)).mode & 0o777).toBe(0o700);
  for (const path of [file, `${file}-wal`, join(dirname(file), 'backups', 'devlm-2026-01-01.db')]) {
    expect(statSync(path).mode & 0o777).toBe(0o600);
  }
  await store.close();
  expect(readdirSync(dirname(file)).sort()).toEqual(['backups', 'devlm.db']);
});

describe('a damaged SQLite file', () => {
  test('a SQLite file of a newer version is left alone, and the error names that version', async () => {
    await fill();
    const database = new DatabaseSync(file);
    database.exec("insert into schema_versions values (1000, 'future', '9.8.7', 0)");
    database.close();
    const before = readFileSync(file);
    const problem = await problemOf(open());
    expect(problem).toMatchObject({ code: 'store_newer', status: 409 });
    expect(problem.detail).toContain('DevLM 9.8.7');
    expect(problem.detail).toContain('Update DevLM');
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test.each([
    ['text', Buffer.from('This is no database. '.repeat(1_000))],
    ['zeros', Buffer.alloc(8_192)],
    ['a header alone', Buffer.from('SQLite format 3\0')],
    ['a broken header', Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(8_000, 0xff)])],
  ])('%s is left unchanged and reported', async (_what, bytes) => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    const problem = await problemOf(open());
    expect(problem.code).toBe('store_damaged');
    expect(problem.detail).toContain(file);
    expect(problem.detail).toContain('there is no valid backup');
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  test('the database of another program is left alone', async () => {
    mkdirSync(dirname(file), { recursive: true });
    const other = new DatabaseSync(file);
    other.exec('create table conversations (id); insert into conversations values (1)');
    other.close();
    const before = readFileSync(file);
    const problem = await problemOf(open());
    expect(problem).toMatchObject({ code: 'store_damaged' });
    expect(problem.detail).toContain('not a DevLM database');
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test.each([
    ['overwritten', () => writeFileSync(file, 'garbage '.repeat(10_000))],
    ['emptied', () => truncateSync(file, 0)],
  ])('%s is restored from the backup that the problem names', async (_how, damage) => {
    await fill();
    const store = await open();
    await store.maintain();
    clock.advance(86_400_000);
    await store.maintain();
    await store.close();
    // The newest backup is damaged as well, so the one before it has to be named.
    const folder = join(dirname(file), 'backups');
    writeFileSync(join(folder, 'devlm-2026-01-02.db'), 'garbage');
    damage();
    const { code, detail } = await problemOf(open());
    expect(code).toBe('store_damaged');
    const backup = join(folder, 'devlm-2026-01-01.db');
    expect(detail).toContain(backup);

    renameSync(file, join(root, 'aside.db'));
    copyFileSync(backup, file);
    const restored = await open();
    expect(await titles(restored)).toEqual(['Kept']);
    expect(await restored.events.read('c', 0, 10_000)).toHaveLength(2_002);
    await restored.close();
  });

  test('damage in the middle of a SQLite file is reported by reads, and the file is not backed up', async () => {
    await fill('A text that is long enough to fill many pages of the file with events');
    const first = await open();
    await first.maintain();
    await first.close();
    const { size } = statSync(file);
    const descriptor = openSync(file, 'r+');
    // Beyond the tables of an empty store.
    for (let at = 262_144; at < size - 4_096; at += 8_192)
      writeSync(descriptor, Buffer.alloc(4_096, 0x5a), 0, 4_096, at);
    closeSync(descriptor);
    const store = await open();
    const reading = await problemOf(store.events.read('c', 0, 10_000));
    expect(reading.code).toBe('store_damaged');
    expect(reading.detail).toContain('devlm-2026-01-01.db');
    clock.advance(86_400_000);
    expect((await problemOf(store.maintain())).code).toBe('store_damaged');
    expect(backups()).toEqual(['devlm-2026-01-01.db']);
    await store.close();
  });

  test('a SQLite file that cannot be opened is named in the error', async () => {
    mkdirSync(file, { recursive: true });
    expect(await problemOf(open())).toMatchObject({ code: 'store_unavailable', detail: expect.stringContaining(file) });
    writeFileSync(join(root, 'plain'), '');
    const below = join(root, 'plain', 'devlm.db');
    expect((await problemOf(open({ file: below }))).code).toBe('store_unavailable');
  });
});

test('a SQLite store that another process has locked is reported as busy, and works once it is free', async () => {
  await fill();
  const store = await open();
  const other = new DatabaseSync(file);
  other.exec('begin immediate');
  expect((await problemOf(store.events.append('c', [e.delta('t', 'x')]))).code).toBe('store_busy');
  expect(await store.events.read('c', 2_002, 10)).toEqual([]);
  other.exec('rollback');
  other.close();
  expect(await store.events.append('c', [e.delta('t', 'x')])).toMatchObject([{ seq: 2_003 }]);
  await store.close();
});

describe('the daily backup', () => {
  test('the backup is made once a day, and three backups are kept', async () => {
    const store = await open();
    await store.conversations.create({ id: 'day-1', title: '1', projectId: null });
    await Promise.all([store.maintain(), store.maintain()]);
    const first = join(dirname(file), 'backups', 'devlm-2026-01-01.db');
    utimesSync(first, 1, 1);
    await store.conversations.create({ id: 'later', title: 'later', projectId: null });
    clock.advance(3_600_000);
    await store.maintain();
    expect(statSync(first).mtimeMs).toBe(1_000);
    for (let day = 2; day <= 5; day++) {
      clock.advance(86_400_000);
      await store.conversations.create({ id: `day-${day}`, title: String(day), projectId: null });
      await store.maintain();
    }
    expect(backups()).toEqual(['devlm-2026-01-03.db', 'devlm-2026-01-04.db', 'devlm-2026-01-05.db']);
    await store.close();
  });

  test('a backup made during writes contains all data', async () => {
    const store = await open();
    await store.conversations.create({ id: 'c', title: 'Elephants', projectId: null });
    await store.events.append('c', [e.turn('t')]);
    const upkeep = store.maintain();
    for (let i = 0; i < 500; i++) {
      await store.events.append('c', [e.delta('t', String(i))]);
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await upkeep;
    await store.close();
    const restored = await open({ file: join(dirname(file), 'backups', 'devlm-2026-01-01.db') });
    const log = await restored.events.read('c', 0, 1_000);
    expect(log.length).toBeGreaterThanOrEqual(2);
    expect(log.map((event) => event.seq)).toEqual(log.map((_, i) => i + 1));
    expect((await restored.conversations.get('c'))?.lastSeq).toBe(log.length);
    expect((await restored.conversations.list({ search: 'eleph', limit: 10 })).items).toHaveLength(1);
    await restored.events.append('c', [e.delta('t', 'goes on')]);
    await restored.close();
  });

  test('an interrupted backup leaves no partial file', async () => {
    await fill();
    const folder = join(dirname(file), 'backups');
    mkdirSync(folder);
    writeFileSync(join(folder, 'devlm-2025-12-31.db.123.tmp'), 'half a backup');
    writeFileSync(join(folder, 'notes.txt'), 'not ours');
    const store = await open();
    await store.maintain();
    expect(backups()).toEqual(['devlm-2026-01-01.db', 'notes.txt']);
    await store.close();
  });

  test('a failed backup is reported, and the store continues to work', async () => {
    await fill();
    writeFileSync(join(dirname(file), 'backups'), 'a file in the way');
    const store = await open();
    expect((await problemOf(store.maintain())).code).toBe('store_unavailable');
    expect(await titles(store)).toEqual(['Kept']);
    await store.close();
  });
});

describe('a migration', () => {
  const add: Migration = {
    version: (migrations.at(-1)?.version ?? 0) + 1,
    name: 'add',
    async up(db) {
      await db.schema.alterTable('conversations').addColumn('colour', 'text').execute();
    },
  };

  test('a migration keeps all data, runs once, and makes a backup first', async () => {
    await fill();
    const options = { version: '0.2.0', migrations: [...migrations, add] };
    for (let i = 0; i < 2; i++) {
      const store = await open(options);
      expect(await titles(store)).toEqual(['Kept']);
      await store.close();
    }
    const { code, detail } = await problemOf(open());
    expect(code).toBe('store_newer');
    expect(detail).toContain('0.2.0');
    const old = await open({ file: join(dirname(file), 'backups', `devlm-before-v${add.version}.db`) });
    expect(await titles(old)).toEqual(['Kept']);
    await old.close();
  });

  test('a migration that fails changes nothing', async () => {
    await fill();
    const failing: Migration = {
      ...add,
      async up(db, kind) {
        await add.up(db, kind);
        await sql`insert into no_such_table values (1)`.execute(db);
      },
    };
    await expect(open({ migrations: [...migrations, failing] })).rejects.toThrow('no_such_table');
    const store = await open();
    expect(await titles(store)).toEqual(['Kept']);
    await store.close();
    const repaired = await open({ migrations: [...migrations, add] });
    expect(await titles(repaired)).toEqual(['Kept']);
    await repaired.close();
  });
});
