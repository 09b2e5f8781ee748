import type { Event } from '@devlm/protocol/events.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EventLog } from '../../server/src/storage/event-log.ts';
import { MemoryFanout } from '../../server/src/storage/memory/memory-fanout.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { events as e, makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

describe.each(storeKinds)('the event log on %s', (kind) => {
  let stores: StoreMaker;
  let store: Store;
  let log: EventLog;

  beforeAll(async () => {
    stores = await makeStores(kind);
  });
  afterAll(() => stores[Symbol.asyncDispose]());
  beforeEach(async () => {
    store = await stores.fresh();
    log = new EventLog(store);
    await store.conversations.create({ id: 'c', title: '', projectId: null });
    await log.append('c', [e.turn('t')]);
  });

  /** Reads until an event has this number. Returns all received events. */
  async function readTo(last: number, after = 0, pause?: () => Promise<void>): Promise<Event[]> {
    const stop = new AbortController();
    const seen: Event[] = [];
    for await (const events of log.subscribe('c', after, stop.signal)) {
      seen.push(...events);
      await pause?.();
      if ((seen.at(-1)?.seq ?? 0) >= last) stop.abort();
    }
    return seen;
  }

  const tick = () => new Promise((resolve) => setImmediate(resolve));
  const numbers = (events: readonly Event[]) => events.map((event) => event.seq);
  const upTo = (last: number, after = 0) => Array.from({ length: last - after }, (_, i) => after + i + 1);
  const deltas = (count: number) => Array.from({ length: count }, (_, i) => e.delta('t', String(i)));

  test('a reader receives stored events, then live ones', async () => {
    const reading = readTo(5, 1);
    await tick();
    await log.append('c', deltas(2));
    await log.append('c', deltas(1));
    const seen = await reading;
    expect(numbers(seen)).toEqual([2, 3, 4, 5]);
    expect(seen).toEqual(await store.events.read('c', 1, 10));
  });

  test('no event is lost or repeated, however appends and readers race', async () => {
    let last = 2;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ writer: fc.nat(3), count: fc.integer({ min: 1, max: 4 }), wait: fc.nat(3) }), {
          minLength: 1,
          maxLength: 30,
        }),
        fc.array(fc.record({ start: fc.nat(6), pause: fc.nat(2), back: fc.nat(20) }), { minLength: 1, maxLength: 6 }),
        async (appends, readers) => {
          const from = last;
          last += appends.reduce((sum, { count }) => sum + count, 0);
          const to = last;
          const waitFor = async (ticks: number) => {
            for (let i = 0; i < ticks; i++) await tick();
          };
          const writing = [0, 1, 2, 3].map(async (writer) => {
            for (const append of appends.filter((each) => each.writer === writer)) {
              await waitFor(append.wait);
              await log.append('c', deltas(append.count));
            }
          });
          const reading = readers.map(async ({ start, pause, back }) => {
            await waitFor(start);
            const after = Math.max(0, from - back);
            expect(numbers(await readTo(to, after, () => waitFor(pause)))).toEqual(upTo(to, after));
          });
          await Promise.all([...writing, ...reading]);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('events are published in order when many append at once', async () => {
    const heard: number[] = [];
    using _listening = log.onAppend((conversationId, events) => {
      expect(conversationId).toBe('c');
      heard.push(...numbers(events));
    });
    const reading = readTo(202);
    await Promise.all(deltas(200).map((delta) => log.append('c', [delta])));
    expect(heard).toEqual(upTo(202, 2));
    expect(numbers(await reading)).toEqual(upTo(202));
  });

  test('the event log serves many readers, slow and fast', async () => {
    const readers = Array.from({ length: 50 }, (_, i) =>
      readTo(302, 0, i % 5 === 0 ? async () => void (await tick()) : undefined),
    );
    for (const delta of deltas(300)) await log.append('c', [delta]);
    for (const seen of await Promise.all(readers)) expect(numbers(seen)).toEqual(upTo(302));
  });

  test('a reader that falls far behind continues from the store', async () => {
    const stop = new AbortController();
    const reader = log.subscribe('c', 0, stop.signal);
    const seen = [...((await reader.next()).value ?? [])];
    // It waits for events, receives one batch, and then pauses.
    const second = reader.next();
    await log.append('c', deltas(1));
    seen.push(...((await second).value ?? []));
    for (let i = 0; i < 30; i++) await log.append('c', deltas(100));
    while (seen.length < 3_003) {
      const batch = (await reader.next()).value ?? [];
      expect(batch.length).toBeLessThanOrEqual(1_000);
      seen.push(...batch);
    }
    expect(numbers(seen)).toEqual(upTo(3_003));
    await log.append('c', deltas(1));
    expect(numbers((await reader.next()).value ?? [])).toEqual([3_004]);
    stop.abort();
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  test('the event log notices events that were appended without it', async () => {
    const reading = readTo(6);
    await tick();
    await store.events.append('c', deltas(3));
    await log.append('c', deltas(1));
    expect(numbers(await reading)).toEqual(upTo(6));
  });

  test('readers of two nodes receive the events of both, once and in order', async () => {
    const first = new MemoryFanout();
    using here = new EventLog(store, { fanout: first });
    using there = new EventLog(store, { fanout: new MemoryFanout(first) });
    const heard: number[] = [];
    using _following = await here.follow('c', (_id, events) => heard.push(...numbers(events)));
    const stop = new AbortController();
    const read: number[] = [];
    const reading = (async () => {
      for await (const events of there.subscribe('c', 0, stop.signal)) read.push(...numbers(events));
    })();
    await Promise.all(deltas(200).map((delta, index) => (index % 3 ? here : there).append('c', [delta])));
    await expect.poll(() => read, { timeout: 20_000 }).toEqual(upTo(202));
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual(upTo(202, 2));
    // The last event of one node, with none after it.
    await there.append('c', deltas(1));
    await expect.poll(() => heard.at(-1), { timeout: 20_000 }).toBe(203);
    stop.abort();
    await reading;
  });

  test('an event that was not stored is not published, and later events are', async () => {
    const heard: number[] = [];
    const listening = log.onAppend((_id, events) => heard.push(...numbers(events)));
    const tries = await Promise.allSettled([
      log.append('c', deltas(1)),
      log.append('c', [e.delta('nobody', 'x')]),
      log.append('nobody', deltas(1)),
      log.append('c', deltas(1)),
      log.append('c', []),
    ]);
    expect(tries.map((each) => each.status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled', 'fulfilled']);
    expect(heard).toEqual([3, 4]);
    listening[Symbol.dispose]();
    await log.append('c', deltas(1));
    expect(heard).toEqual([3, 4]);
  });

  test('a subscription ends as soon as its reader ends', async () => {
    expect(numbers(await readTo(1))).toEqual([1, 2]);
    const aborted = log.subscribe('c', 0, AbortSignal.abort());
    expect(await aborted.next()).toEqual({ done: true, value: undefined });
    const stop = new AbortController();
    const waiting = log.subscribe('c', 2, stop.signal).next();
    await tick();
    stop.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    const left = log.subscribe('c', 0, new AbortController().signal);
    await left.next();
    expect(await left.return()).toEqual({ done: true, value: undefined });
  });

  test('the event log reports the errors of the store', async () => {
    await store.close();
    const reading = readTo(1);
    await expect(reading).rejects.toMatchObject({ problem: { code: 'store_unavailable' } });
    await expect(log.append('c', deltas(1))).rejects.toMatchObject({ problem: { code: 'store_unavailable' } });
  });
});

test('nodes without notifications find the events of other nodes in PostgreSQL', async () => {
  await using stores = await makeStores('postgres');
  const store = await stores.fresh();
  using here = new EventLog(store);
  using there = new EventLog(store);
  await store.conversations.create({ id: 'c', title: '', projectId: null });
  const heard: number[] = [];
  using _following = await here.follow('c', (_id, events) => heard.push(...events.map(({ seq }) => seq)));
  await there.append('c', [e.turn('t'), e.started('t')]);
  await expect.poll(() => heard, { timeout: 20_000 }).toEqual([2, 3]);
});
