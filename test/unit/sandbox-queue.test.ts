import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { FairQueue } from '../../server/src/sandbox/queue.ts';

const never = new AbortController().signal;

describe('the queue of the sandbox', () => {
  test('the sandbox queue admits a limited number of programs at a time, in order', async () => {
    const queue = new FairQueue({ concurrency: 2, waiting: 10 });
    const first = await queue.enter('a', never);
    const second = await queue.enter('a', never);
    let third: Disposable | undefined;
    queue.enter('a', never).then((place) => {
      third = place;
    });
    await setImmediate();
    expect(third).toBeUndefined();
    expect([queue.running, queue.waiting]).toEqual([2, 1]);
    first[Symbol.dispose]();
    // Leaving twice does not free a second slot.
    first[Symbol.dispose]();
    await setImmediate();
    expect(third).toBeDefined();
    expect([queue.running, queue.waiting]).toEqual([2, 0]);
    third?.[Symbol.dispose]();
    second[Symbol.dispose]();
    expect(queue.running).toBe(0);
  });

  test('the sandbox queue admits the programs of different users in turn', async () => {
    const queue = new FairQueue({ concurrency: 1, waiting: 100 });
    const running = await queue.enter('busy', never);
    const order: string[] = [];
    const all = ['busy', 'busy', 'busy', 'quiet', 'third'].map(async (who, i) => {
      using _place = await queue.enter(who, never);
      order.push(`${who} ${i}`);
    });
    running[Symbol.dispose]();
    await Promise.all(all);
    expect(order).toEqual(['busy 0', 'quiet 3', 'third 4', 'busy 1', 'busy 2']);
  });

  test('the sandbox queue tells each waiting program how many are ahead of it', async () => {
    const queue = new FairQueue({ concurrency: 1, waiting: 100 });
    const running = await queue.enter('a', never);
    const heard: Record<string, number[]> = { x: [], y: [] };
    const stop = new AbortController();
    const x = queue.enter('x', stop.signal, (before) => heard['x']?.push(before)).catch(() => 'left');
    const y = queue.enter('y', never, (before) => heard['y']?.push(before));
    stop.abort();
    expect(await x).toBe('left');
    expect(heard).toEqual({ x: [0, 0], y: [1, 0] });
    running[Symbol.dispose]();
    (await y)[Symbol.dispose]();
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  test('the sandbox queue rejects a program when too many wait, with a time to retry', async () => {
    const queue = new FairQueue({ concurrency: 1, waiting: 1 });
    await queue.enter('a', never);
    void queue.enter('a', never);
    await expect(queue.enter('b', never)).rejects.toMatchObject({
      problem: { code: 'sandbox_busy', status: 429 },
      retryAfterMs: 2_000,
    });
    expect(() => queue.checkRoom()).toThrow('waiting');
  });

  test('a program that is aborted at the moment of its admission frees its slot', async () => {
    const queue = new FairQueue({ concurrency: 1, waiting: 2 });
    const running = await queue.enter('a', never);
    const stop = new AbortController();
    const leaving = queue.enter('b', stop.signal);
    const staying = queue.enter('c', never);
    running[Symbol.dispose]();
    stop.abort();
    await expect(leaving).rejects.toThrow();
    (await staying)[Symbol.dispose]();
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
    await expect(queue.enter('d', AbortSignal.abort())).rejects.toThrow();
  });
});
