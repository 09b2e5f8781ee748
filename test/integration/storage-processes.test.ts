import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';

const program = fileURLToPath(new URL('../support/append-loop.ts', import.meta.url));
const storage = new URL('../../server/src/storage/', import.meta.url).href;
let folder: string;
let file: string;
const children = new Set<ChildProcess>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'devlm-processes-'));
  file = join(folder, 'devlm.db');
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a process that appends. Returns it with the events that it has acknowledged so far. */
function startAppending(count: number) {
  const child = spawn(process.execPath, ['--no-warnings', program, file, 'c', String(count)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const acknowledged: string[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => acknowledged.push(line));
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const closed = once(child, 'close').then(([code, signal]) => ({ code, signal, errors }));
  return { child, acknowledged, closed };
}

async function readTexts(): Promise<string[]> {
  const store = await openSqlite({ file, version: '0.1.0' });
  const log = await store.events.read('c', 0, 1_000_000);
  expect(log.map((event) => event.seq)).toEqual(log.map((_, i) => i + 1));
  expect((await store.conversations.get('c'))?.lastSeq).toBe(log.length);
  await store.maintain();
  await store.close();
  return log.flatMap((event) => (event.type === 'block.delta' ? [event.text] : []));
}

test('a process killed while it appends loses no acknowledged events', async () => {
  const all: string[] = [];
  for (let round = 0; round < 6; round++) {
    const { child, acknowledged, closed } = startAppending(1_000_000);
    const enough = 20 + round * 37;
    while (acknowledged.length < enough) {
      if (child.exitCode !== null) throw new Error((await closed).errors);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    child.kill('SIGKILL');
    expect((await closed).signal).toBe('SIGKILL');
    all.push(...acknowledged);
    const texts = await readTexts();
    const stored = new Set(texts);
    expect(stored.size).toBe(texts.length);
    expect(all.filter((text) => !stored.has(text))).toEqual([]);
    // Beyond those, at most the event of each round that was in progress.
    expect(texts.length - all.length).toBeLessThanOrEqual(round + 1);
  }
});

test('processes that open one new file at once and append to one conversation all succeed', async () => {
  const runs = [startAppending(150), startAppending(150), startAppending(150)];
  for (const { closed } of runs) expect(await closed).toEqual({ code: 0, signal: null, errors: '' });
  const texts = await readTexts();
  expect(texts.toSorted()).toEqual(runs.flatMap(({ acknowledged }) => acknowledged).toSorted());
  expect(texts).toHaveLength(450);
});

test('a full disk is reported, and stored data is kept', async () => {
  const { closed: first } = startAppending(100);
  expect(await first).toMatchObject({ code: 0 });
  // A limit on the size of files, in blocks of 512 bytes or 1 KB, simulates a full disk.
  const child = spawn(
    'sh',
    ['-c', `ulimit -f 1000; exec "$0" --no-warnings "$1" "$2" c 1000000`, process.execPath, program, file],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  children.add(child);
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  expect(errors).toMatch(/ProblemError: .*(Cannot read or write|disk is full|disk or quota is full)/);
  expect((await readTexts()).length).toBeGreaterThan(100);
});

test('the embedded store never loads pg', async () => {
  const script = `
    const { openSqlite } = await import('${storage}sqlite/sqlite.ts');
    const { openPostgres } = await import('${storage}postgres/postgres.ts');
    const { createRequire } = await import('node:module');
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).filter((path) => /node_modules.pg./.test(path));
    const store = await openSqlite({ file: process.argv[1], version: '0.1.0' });
    await store.close();
    const before = loaded().length;
    await openPostgres({ url: 'postgresql://127.0.0.1:1/x', version: '0.1.0' }).catch(() => undefined);
    console.log(before, loaded().length > 0);
  `;
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  await once(child, 'close');
  expect(output.trim()).toBe('0 true');
});
