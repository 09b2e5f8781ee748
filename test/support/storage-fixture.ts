import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { openPostgres } from '../../server/src/storage/postgres/postgres.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';
import { type PostgresServer, startPostgres, withClient } from './postgres.ts';
import { Clock, events as e } from './stores.ts';

/*
 * Small stores that released versions wrote, as text, with their contents. Before a release that changes the tables:
 * `node test/support/storage-fixture.ts VERSION`.
 */

/** Folder of the recorded stores. They are never changed. */
export const fixtures = new URL('../integration/fixtures/storage/', import.meta.url);

const image = Uint8Array.from([137, 80, 78, 71, 0, 255]);
const searches = ['zebra', 'réponse', '数据库', 'gelöscht', 'nothing'];

/** Stores an item of every kind. */
async function fill(store: Store, clock: Clock): Promise<void> {
  const hash = await store.blobs.put({ mediaType: 'image/png', data: image });
  await store.conversations.create({ id: 'one', title: 'Zebras and \0 \ud800 "quotes"', projectId: 'project' });
  clock.advance(1_000);
  await store.events.append('one', [e.image('t1', hash), ...e.answer('t1', "Voilà la réponse: it's 数据库 🎉", 0.125)]);
  clock.advance(1_000);
  await store.events.append('one', [e.turn('t2', 't1', 'First try'), ...e.answer('t2', 'One', null)]);
  await store.events.append('one', [e.turn('t2b', 't1', 'Second try'), ...e.answer('t2b', 'Two', 0.5)]);
  await store.events.append('one', [{ type: 'head.moved', turnId: 't2' }]);
  clock.advance(1_000);
  await store.conversations.branch({ conversationId: 'one', turnId: 't2' }, 'branch');
  await store.events.append('branch', [{ type: 'conversation.renamed', title: 'Zweig', by: 'person' }]);
  await store.events.append('branch', [e.turn('open', 't2'), e.started('open', 2), e.delta('open', 'Half an ans')]);
  await store.conversations.create({ id: 'deleted', title: 'Gelöscht', projectId: null });
  await store.conversations.setDeleted('deleted', true);
  await store.conversations.create({ id: 'empty', title: '', projectId: null });
}

/** Returns everything that a store reports about the items of `fill`. */
export async function contentsOf(store: Store): Promise<unknown> {
  const conversations: Record<string, unknown> = {};
  for (const id of ['one', 'branch', 'deleted', 'empty']) {
    const log = await store.events.read(id, 0, 10_000);
    const turnIds = log.flatMap((event) => (event.type === 'turn.created' ? [event.turnId] : []));
    conversations[id] = {
      summary: await store.conversations.get(id),
      events: log,
      turns: await Promise.all(turnIds.map((turnId) => store.turns.get(id, turnId))),
      branches: await Promise.all(turnIds.map((turnId) => store.turns.branchOf(id, turnId, 100))),
      newest: await Promise.all(turnIds.map((turnId) => store.turns.newestBelow(id, turnId))),
    };
  }
  const found: Record<string, unknown> = {};
  for (const search of searches) found[search] = await store.conversations.list({ search, limit: 10 });
  const [first] = await store.events.read('one', 1, 1);
  const attachment = first?.type === 'turn.created' ? first.attachments[0] : undefined;
  const blob = attachment?.kind === 'image' ? await store.blobs.get(attachment.blob) : null;
  return JSON.parse(
    JSON.stringify({
      conversations,
      list: await store.conversations.list({ limit: 10 }),
      found,
      open: await store.turns.open(),
      usage: await store.ledger.usageSince(new Date(0)),
      blob: blob && { mediaType: blob.mediaType, data: Buffer.from(blob.data).toString('hex') },
    }),
  );
}

/** Returns a database as SQL text, including the word index. */
function dumpSqlite(file: string): string {
  using database = new DatabaseSync(file, { readOnly: true });
  const [application] = database.prepare('pragma application_id').all();
  const tables = database.prepare("select name, type from pragma_table_list where schema = 'main'").all();
  const made = database.prepare('select type, name, tbl_name, sql from sqlite_schema where sql is not null').all();
  const shadows = new Set(tables.flatMap((table) => (table['type'] === 'shadow' ? [table['name']] : [])));
  const lines = [`pragma application_id = ${application?.['application_id']};`];
  const last: string[] = [];
  for (const { type, name, sql } of made) {
    const columns = database.prepare('select name from pragma_table_info(?)').all(name ?? '');
    const kind = tables.find((table) => table['name'] === name)?.['type'];
    if (type === 'trigger') last.push(`${sql};`);
    else if (!shadows.has(name ?? '')) lines.push(`${sql};`);
    if (type !== 'table' || kind === 'virtual') continue;
    if (shadows.has(name ?? '')) last.push(`delete from "${name}";`);
    const quoted = columns.map((column) => `quote("${column['name']}")`).join(` || ', ' || `);
    for (const row of database.prepare(`select ${quoted} as row from "${name}"`).all()) {
      (shadows.has(name ?? '') ? last : lines).push(`insert into "${name}" values (${row['row']});`);
    }
  }
  return `${[...lines, ...last].join('\n')}\n`;
}

/** Creates a SQLite database from its text. */
export function loadSqlite(text: string, file: string): void {
  // Shadow tables are written unchanged.
  using database = new DatabaseSync(file, { defensive: false, enableForeignKeyConstraints: false });
  database.exec(`begin; ${text} commit;`);
}

function dumpPostgres(server: PostgresServer, url: string): string {
  const options = ['--inserts', '--no-owner', '--no-privileges', '--no-comments', url];
  const text = execFileSync(join(server.bin, 'pg_dump'), options, { encoding: 'utf8' });
  // Skip psql's own commands, comments and blank lines.
  return text.replace(/^(\\.*|--.*)?\n/gm, '');
}

/** Fills a PostgreSQL database from its text. */
export async function loadPostgres(text: string, url: string): Promise<void> {
  await withClient(url, (client) => client.query(text));
}

async function writeFixture(version: string): Promise<void> {
  const target = new URL(`v${version}/`, fixtures);
  mkdirSync(target, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'devlm-fixture-'));
  try {
    const file = join(folder, 'devlm.db');
    const clock = new Clock();
    const sqlite = await openSqlite({ file, version, now: clock.now });
    await fill(sqlite, clock);
    writeFileSync(new URL('contents.json', target), `${JSON.stringify(await contentsOf(sqlite), null, 1)}\n`);
    await sqlite.close();
    writeFileSync(new URL('sqlite.sql', target), dumpSqlite(file));

    await using server = await startPostgres({ sync: false });
    const url = await server.createDatabase();
    const again = new Clock();
    const postgres = await openPostgres({ url, version, now: again.now });
    await fill(postgres, again);
    await postgres.close();
    writeFileSync(new URL('postgres.sql', target), dumpPostgres(server, url));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const [version] = process.argv.slice(2);
  if (version === undefined) throw new Error('Which version? node test/support/storage-fixture.ts 0.1.0');
  await writeFixture(version);
}
