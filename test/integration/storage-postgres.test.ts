import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Migration } from '../../server/src/storage/migrations/migration.ts';
import { migrations } from '../../server/src/storage/migrations/migrations.ts';
import { openPostgres } from '../../server/src/storage/postgres/postgres.ts';
import { type PostgresServer, startPostgres, withClient } from '../support/postgres.ts';
import { events as e } from '../support/stores.ts';

let server: PostgresServer;
const open = (url: string) => openPostgres({ url, version: '0.1.0' });

beforeAll(async () => {
  server = await startPostgres({ sync: false });
});
afterAll(() => server[Symbol.asyncDispose]());

async function problemOf(work: Promise<unknown>): Promise<ProblemError['problem']> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProblemError)) throw new Error('no problem', { cause: error });
  return error.problem;
}

test('a PostgreSQL database of a newer version is left alone, and the error names that version', async () => {
  const url = await server.createDatabase();
  await (await open(url)).close();
  const version = (migrations.at(-1)?.version ?? 0) + 1;
  await withClient(url, (client) =>
    client.query("insert into schema_versions values ($1, 'future', '9.8.7', 0)", [version]),
  );
  const { code, detail } = await problemOf(open(url));
  expect(code).toBe('store_newer');
  expect(detail).toContain('DevLM 9.8.7');
});

test('servers that start together on an empty database create the tables once', async () => {
  const url = await server.createDatabase();
  const stores = await Promise.all([open(url), open(url), open(url), open(url)]);
  const [one, two] = stores;
  await one?.conversations.create({ id: 'c', title: '', projectId: null });
  await one?.events.append('c', [e.turn('t')]);
  const appends = Array.from({ length: 200 }, (_, i) => stores[i % 4]?.events.append('c', [e.delta('t', String(i))]));
  await Promise.all(appends);
  const log = (await two?.events.read('c', 0, 1_000)) ?? [];
  expect(log.map((event) => event.seq)).toEqual(Array.from({ length: 202 }, (_, i) => i + 1));
  for (const store of stores) await store.close();
});

test('a migration that fails changes nothing', async () => {
  const url = await server.createDatabase();
  const failing: Migration = {
    version: (migrations.at(-1)?.version ?? 0) + 1,
    name: 'fails',
    async up(db) {
      await db.schema.dropTable('events').execute();
      await db.schema.dropTable('no_such_table').execute();
    },
  };
  const all = [...migrations, failing];
  await expect(openPostgres({ url, version: '0.2.0', migrations: all })).rejects.toThrow('no_such_table');
  const store = await open(url);
  await store.conversations.create({ id: 'c', title: '', projectId: null });
  expect(await store.events.read('c', 0, 10)).toHaveLength(1);
  await store.close();
});

test.each([
  ['no server', 'postgresql://me:secret@127.0.0.1:1/devlm', '127.0.0.1:1/devlm'],
  ['no host', 'postgresql://me:secret@no-such-host.invalid/devlm', 'no-such-host.invalid/devlm'],
  ['no address', 'nonsense', 'configured address'],
])('%s is reported without the password', async (_what, url, named) => {
  const { code, detail } = await problemOf(open(url));
  expect(code).toBe('store_unavailable');
  expect(detail).toContain(named);
  expect(detail).not.toContain('secret');
});

test('a database that is missing or not in UTF-8 is reported', async () => {
  const url = new URL(await server.createDatabase());
  await withClient(url.href, (client) =>
    client.query("create database ascii encoding 'SQL_ASCII' locale 'C' template template0"),
  );
  url.pathname = '/ascii';
  expect(await problemOf(open(url.href))).toMatchObject({ code: 'store_unavailable', detail: /UTF8/ });
  url.pathname = '/missing';
  expect(await problemOf(open(url.href))).toMatchObject({ code: 'store_unavailable', detail: /missing/ });
});

test('the PostgreSQL store survives the loss of all its connections, and keeps all acknowledged data', async () => {
  const url = await server.createDatabase();
  const store = await open(url);
  await store.conversations.create({ id: 'c', title: '', projectId: null });
  await store.events.append('c', [e.turn('t')]);
  const acknowledged = new Set<string>();
  let refused = 0;
  for (let round = 0; round < 5; round++) {
    const work = Array.from({ length: 40 }, async (_, i) => {
      const text = `${round}.${i}`;
      try {
        await store.events.append('c', [e.delta('t', text)]);
        acknowledged.add(text);
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        expect(error.problem.code).toBe('store_unavailable');
        refused++;
      }
    });
    if (round % 2 === 0) await server.cutConnections(url);
    await Promise.all(work);
  }
  await server.cutConnections(url);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await store.events.append('c', [e.delta('t', 'after')]);
  const log = await store.events.read('c', 0, 1_000);
  expect(log.map((event) => event.seq)).toEqual(log.map((_, i) => i + 1));
  const texts = new Set(log.flatMap((event) => (event.type === 'block.delta' ? [event.text] : [])));
  for (const text of acknowledged) expect(texts.has(text)).toBe(true);
  expect(refused).toBeGreaterThan(0);
  await store.close();
});

test('a lock that is held too long is reported as busy', async () => {
  const url = await server.createDatabase();
  const store = await open(`${url}&options=${encodeURIComponent('-c lock_timeout=100')}`);
  await store.conversations.create({ id: 'c', title: '', projectId: null });
  await withClient(url, async (client) => {
    await client.query('begin; select * from conversations for update');
    expect((await problemOf(store.events.append('c', [e.turn('t')]))).code).toBe('store_busy');
    await client.query('rollback');
  });
  expect(await store.events.append('c', [e.turn('t')])).toMatchObject([{ seq: 2 }]);
  await store.close();
});

test('a node that stalls in the middle of a transaction loses its locks', {
  timeout: 60_000,
}, async () => {
  const url = await server.createDatabase();
  const store = await open(url);
  const program = fileURLToPath(new URL('../support/append-loop.ts', import.meta.url));
  const node = spawn(process.execPath, [program, url, 'c', '1000000'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await once(node.stdout, 'data');
    node.stdout.resume();
    await withClient(url, async (client) => {
      const held = () =>
        client.query('select * from conversations for update nowait').then(
          () => false,
          () => true,
        );
      const quiet = async () => {
        const { rows } = await client.query("select from pg_stat_activity where state = 'idle in transaction'");
        return rows.length > 0;
      };
      for (;;) {
        node.kill('SIGSTOP');
        await sleep(20);
        if ((await quiet()) && (await held())) break;
        node.kill('SIGCONT');
        await sleep(Math.random() * 5);
      }
    });
    const [event] = await store.events.append('c', [e.turn('of-another-node')]);
    const log = await store.events.read('c', 0, 1_000_000);
    expect(log.at(-1)).toEqual(event);
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1));
  } finally {
    node.kill('SIGKILL');
  }
  await store.close();
});
