import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventLog } from '../server/src/storage/event-log.ts';
import type { NewEvent } from '../server/src/storage/ports/events.ts';
import type { Store } from '../server/src/storage/ports/store.ts';
import { openPostgres } from '../server/src/storage/postgres/postgres.ts';
import { openSqlite } from '../server/src/storage/sqlite/sqlite.ts';
import { startPostgres } from '../test/support/postgres.ts';

/*
 * Measures appends of one event each, every one on disk before the next, and reading back and parsing 10,000 events. The
 * peer does the minimum for the same durability: it appends a JSON line to a file and calls fsync. `delta_p50_ms` is an
 * append of streamed text, which SQLite commits without waiting for the disk, whereas the peer waits.
 */

const appends = 10_000;
const warmUp = 500;
const replays = 5;
const batch = 1_000;
const folder = mkdtempSync(join(tmpdir(), 'devlm-bench-'));

interface Figures {
  append_p50_ms: number;
  append_p99_ms: number;
  append_per_s: number;
  delta_p50_ms: number;
  replay_10000_ms: number;
}

/** Interface of a store in this benchmark. */
interface Subject {
  append(event: NewEvent): Promise<void>;
  replay(): Promise<number>;
}

const words = (i: number) => `Some words of the answer, ${i}. `;
const ids = { turnId: 'turn', stepId: 'step', index: 0 };

const ended = (i: number): NewEvent => ({ type: 'block.ended', ...ids, signature: words(i) });
const delta = (i: number): NewEvent => ({ type: 'block.delta', ...ids, text: words(i) });

async function subjectOf(store: Store): Promise<Subject> {
  const log = new EventLog(store);
  const id = 'bench';
  await store.conversations.create({ id, title: 'Bench', projectId: null });
  await log.append(id, [
    { type: 'turn.created', turnId: 'turn', parent: null, text: 'Hi', attachments: [], model: null, thinking: false },
    { type: 'turn.started', turnId: 'turn', attempt: 1 },
    { type: 'step.started', turnId: 'turn', stepId: 'step', model: 'model' },
    { type: 'block.started', turnId: 'turn', stepId: 'step', index: 0, kind: 'text' },
  ]);
  return {
    append: async (event) => {
      await log.append(id, [event]);
    },
    async replay() {
      let read = 0;
      for (let after = 0; read < appends; ) {
        const events = await store.events.read(id, after, batch);
        read += events.length;
        after = events.at(-1)?.seq ?? Number.POSITIVE_INFINITY;
      }
      return read;
    },
  };
}

function jsonLines(file: string): Subject & Disposable {
  const descriptor = openSync(file, 'a');
  let seq = 0;
  return {
    async append(event) {
      writeSync(descriptor, `${JSON.stringify({ seq: ++seq, at: new Date().toISOString(), ...event })}\n`);
      fsyncSync(descriptor);
    },
    replay: async () =>
      readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .slice(0, appends)
        .map((l) => JSON.parse(l)).length,
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Returns the durations of the appends in milliseconds, in ascending order. */
async function timesOf(subject: Subject, event: (i: number) => NewEvent): Promise<number[]> {
  for (let i = 0; i < warmUp; i++) await subject.append(event(i));
  const times: number[] = [];
  for (let i = 0; i < appends; i++) {
    const before = performance.now();
    await subject.append(event(i));
    times.push(performance.now() - before);
  }
  return times.sort((a, b) => a - b);
}

async function measure(subject: Subject): Promise<Figures> {
  const times = await timesOf(subject, ended);
  const deltas = await timesOf(subject, delta);
  const reads: number[] = [];
  for (let i = 0; i < replays; i++) {
    const before = performance.now();
    const read = await subject.replay();
    if (read < appends) throw new Error(`only ${read} events came back`);
    reads.push(performance.now() - before);
  }
  reads.sort((a, b) => a - b);
  return {
    append_p50_ms: percentile(times, 0.5),
    append_p99_ms: percentile(times, 0.99),
    append_per_s: (1_000 * appends) / times.reduce((sum, time) => sum + time, 0),
    delta_p50_ms: percentile(deltas, 0.5),
    replay_10000_ms: percentile(reads, 0.5),
  };
}

function print(line: Record<string, string | number | undefined>): void {
  console.log(JSON.stringify({ bench: 'event-log', ...line }));
}

function report(store: string, figures: Figures, peer?: Figures): void {
  for (const figure of Object.keys(figures) as (keyof Figures)[]) {
    const unit = figure.endsWith('_ms') ? 'ms' : '1/s';
    const value = Number(figures[figure].toPrecision(4));
    const ratio = peer ? { peer: 'jsonl-fsync', ratio: Number((figures[figure] / peer[figure]).toPrecision(3)) } : {};
    print({ figure, value, unit, store, ...ratio });
  }
}

try {
  using peer = jsonLines(join(folder, 'peer.jsonl'));
  const peerFigures = await measure(peer);
  report('jsonl-fsync', peerFigures);

  const sqlite = await openSqlite({ file: join(folder, 'devlm.db'), version: 'bench' });
  report('sqlite', await measure(await subjectOf(sqlite)), peerFigures);
  await sqlite.close();

  await using server = await startPostgres();
  const postgres = await openPostgres({ url: await server.createDatabase(), version: 'bench' });
  report('postgres', await measure(await subjectOf(postgres)), peerFigures);
  await postgres.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
