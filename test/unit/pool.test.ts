import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Allowance } from '../../server/src/llm/pool/allowance.ts';
import { Breaker } from '../../server/src/llm/pool/breaker.ts';
import { Instance, type InstanceOptions } from '../../server/src/llm/pool/instance.ts';
import type { InstanceLease } from '../../server/src/llm/pool/instance-lease.ts';
import { Pool, type PoolOptions } from '../../server/src/llm/pool/pool.ts';
import type { LeaseRequest } from '../../server/src/llm/pool/types.ts';
import { WaitingLine } from '../../server/src/llm/pool/waiting.ts';

/** A clock that the test advances. */
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
const now = () => performance.now();

describe('a breaker', () => {
  it('a breaker opens after three consecutive failures, and lets one call probe', async () => {
    const breaker = new Breaker();
    breaker.failed('failed', now());
    breaker.failed('failed', now());
    breaker.succeeded();
    breaker.failed('failed', now());
    breaker.failed('cut', now());
    expect(breaker.state).toBe('closed');
    breaker.failed('stalled', now());
    expect(breaker.state).toBe('open');
    expect(breaker.waitMs(now())).toBeGreaterThanOrEqual(800);
    await pass(1_300);
    expect(breaker.state).toBe('half-open');
    expect(breaker.waitMs(now())).toBe(0);
    expect(breaker.admit()).toBe(true);
    expect(breaker.waitMs(now())).toBeGreaterThan(0);
    breaker.succeeded();
    breaker.probeEnded();
    expect(breaker).toMatchObject({ state: 'closed', last: null });
    expect(breaker.waitMs(now())).toBe(0);
  });

  it('a breaker doubles its rest after each failed probe, up to a minute', async () => {
    const breaker = new Breaker();
    const rests: number[] = [];
    for (let failure = 0; failure < 3; failure++) breaker.failed('unreachable', now());
    for (let probe = 0; probe < 12; probe++) {
      rests.push(breaker.waitMs(now()));
      await pass(breaker.waitMs(now()) + 1);
      expect(breaker.admit()).toBe(true);
      breaker.failed('unreachable', now());
      breaker.probeEnded();
    }
    expect(rests[3] ?? 0).toBeGreaterThan((rests[0] ?? 0) * 4);
    expect(Math.max(...rests)).toBeLessThanOrEqual(72_000);
  });

  it('a breaker rests as long as a rate limit requires, and needs no probe afterwards', async () => {
    const breaker = new Breaker();
    breaker.failed('limited', now(), 7_000);
    breaker.failed('limited', now(), 1_000);
    expect(breaker.waitMs(now())).toBe(7_000);
    await pass(7_000);
    expect(breaker.waitMs(now())).toBe(0);
    expect(breaker.admit()).toBe(false);
  });

  it('a breaker opens at once and for longer if the key is refused', () => {
    const breaker = new Breaker();
    breaker.failed('refused', now());
    expect(breaker.state).toBe('open');
    expect(breaker.waitMs(now())).toBeGreaterThan(40_000);
  });
});

describe('the allowance of an account', () => {
  const headers = (kind: string, limit: number, remaining: number, seconds: number) => (name: string) =>
    ({
      [`anthropic-ratelimit-${kind}-limit`]: String(limit),
      [`anthropic-ratelimit-${kind}-remaining`]: String(remaining),
      [`anthropic-ratelimit-${kind}-reset`]: new Date(Date.now() + seconds * 1_000).toISOString(),
    })[name];

  it('an allowance refills evenly until its reset', async () => {
    const allowance = new Allowance();
    expect(allowance.waitMs(1e9, now())).toBe(0);
    allowance.learn(headers('input-tokens', 60_000, 0, 60), now());
    expect(allowance.waitMs(1_000, now())).toBeCloseTo(1_000, -2);
    expect(allowance.waitMs(1e9, now())).toBeCloseTo(60_000, -2);
    await pass(30_000);
    expect(allowance.waitMs(20_000, now())).toBe(0);
    expect(allowance.waitMs(40_000, now())).toBeCloseTo(10_000, -2);
    await pass(30_000);
    expect(allowance.waitMs(1e9, now())).toBe(0);
  });

  it('an allowance includes calls in progress until the provider has counted them', () => {
    const allowance = new Allowance();
    allowance.learn(headers('requests', 10, 1, 10), now());
    expect(allowance.waitMs(1, now())).toBe(0);
    allowance.spend(1);
    expect(allowance.waitMs(1, now())).toBeGreaterThan(0);
    allowance.counted(1);
    expect(allowance.waitMs(1, now())).toBe(0);
  });

  it('an allowance ignores invalid headers', () => {
    const allowance = new Allowance();
    for (const limit of [Number.NaN, -1, 0]) allowance.learn(headers('requests', limit, 0, 60), now());
    allowance.learn(headers('requests', 10, -5, 60), now());
    allowance.learn((name) => (name.endsWith('reset') ? 'soon' : '0'), now());
    expect(allowance.waitMs(1, now())).toBe(0);
  });
});

describe('the queue of waiting calls', () => {
  const entry = (priority: 'person' | 'background', caller = 'a') => ({ priority, caller });

  it('the queue serves users first, and gives background calls their share', () => {
    const line = new WaitingLine<ReturnType<typeof entry>>(100);
    for (let index = 0; index < 20; index++)
      for (const kind of ['background', 'person'] as const) line.add(entry(kind));
    const served: string[] = [];
    while (line.size > 0) {
      const [first] = line;
      if (!first) break;
      line.remove(first, true);
      served.push(first.priority);
    }
    expect(served.slice(0, 10)).toEqual([
      ...Array.from({ length: 4 }, () => 'person'),
      'background',
      ...Array.from({ length: 4 }, () => 'person'),
      'background',
    ]);
    expect(served.length).toBe(40);
  });

  it('the queue lets callers take turns, however many calls each has', () => {
    const line = new WaitingLine<ReturnType<typeof entry>>(100);
    for (const caller of ['a', 'a', 'a', 'a', 'b', 'c', 'b']) line.add(entry('person', caller));
    expect([...line].map(({ caller }) => caller).join('')).toBe('abcabaa');
    const served: string[] = [];
    for (;;) {
      const [next] = line;
      if (!next) break;
      line.remove(next, true);
      served.push(next.caller);
    }
    expect(served.join('')).toBe('abcabaa');
  });

  it('the queue is bounded, and background calls do not keep users out', () => {
    const line = new WaitingLine<ReturnType<typeof entry>>(3);
    expect([1, 2, 3, 4].map(() => line.add(entry('background')))).toEqual([true, true, true, false]);
    expect([1, 2, 3, 4].map(() => line.add(entry('person')))).toEqual([true, true, true, false]);
  });
});

describe('the pool', () => {
  const never = new AbortController().signal;
  const model = 'claude-sonnet-5-5';
  const leaseRequest = (more: Partial<LeaseRequest> = {}): LeaseRequest => ({
    model,
    caller: 'a',
    priority: 'person',
    promptBytes: 400,
    ...more,
  });
  const poolOf = (options: readonly Partial<InstanceOptions>[], more?: PoolOptions) => {
    const pool = new Pool(more);
    for (const [index, one] of options.entries())
      pool.put(new Instance({ id: `i${index}`, upstream: () => ({ apiKey: 'k', baseUrl: 'http://x' }), ...one }));
    return pool;
  };
  const answered = async (lease: InstanceLease, milliseconds: number) => {
    await pass(milliseconds);
    lease.firstToken();
    lease.succeeded();
  };
  const problemOf = async (lease: Promise<InstanceLease>): Promise<ProblemError> => {
    const error: unknown = await lease.catch((caught: unknown) => caught);
    if (!(error instanceof ProblemError)) throw new Error('no problem');
    return error;
  };

  it('the pool spreads calls until it knows the speeds, then prefers the fastest instance', async () => {
    const pool = poolOf([{}, {}, {}]);
    const leases = await Promise.all([1, 2, 3].map(() => pool.lease(leaseRequest(), never)));
    expect(new Set(leases.map(({ instanceId }) => instanceId)).size).toBe(3);
    for (const id of ['i1', 'i0', 'i2']) {
      const lease = leases.find(({ instanceId }) => instanceId === id);
      if (lease) await answered(lease, id === 'i1' ? 10 : 2_000);
    }
    for (let call = 0; call < 5; call++) {
      using lease = await pool.lease(leaseRequest(), never);
      expect(lease.instanceId).toBe('i1');
    }
  });

  it('the pool tries a slow instance again after a while', async () => {
    const pool = poolOf([{}, {}]);
    const leases = await Promise.all([1, 2].map(() => pool.lease(leaseRequest(), never)));
    await answered(leases[0] as InstanceLease, 10);
    await answered(leases[1] as InstanceLease, 3_000);
    await pass(10 * 60_000);
    const both = await Promise.all([1, 2].map(() => pool.lease(leaseRequest(), never)));
    expect(new Set(both.map(({ instanceId }) => instanceId)).size).toBe(2);
  });

  it('the pool keeps a conversation at its instance while the prompt cache is worth it', async () => {
    const pool = poolOf([{ concurrency: 1 }, { concurrency: 4 }]);
    const about = leaseRequest({ conversation: 'c', promptBytes: 400_000 });
    using first = await pool.lease(about, never);
    const home = first.instanceId;
    await answered(first, 1_000);
    for (let call = 0; call < 5; call++) {
      const lease = await pool.lease(about, never);
      expect(lease.instanceId).toBe(home);
      await answered(lease, 1_000);
    }
    // A conversation whose call fails there moves elsewhere, and stays there.
    const failing = await pool.lease(about, never);
    failing.failed('limited', 60_000);
    const moved = await pool.lease(about, never);
    expect(moved.instanceId).not.toBe(home);
    await answered(moved, 100);
  });

  it('calls wait for a place in the order of their arrival', async () => {
    const pool = poolOf([{ concurrency: 1 }]);
    const first = await pool.lease(leaseRequest(), never);
    const order: number[] = [];
    const others = [1, 2, 3].map((nth) =>
      pool.lease(leaseRequest(), never).then((lease) => {
        order.push(nth);
        lease.succeeded();
      }),
    );
    await pass(10);
    expect(order).toEqual([]);
    first.succeeded();
    await Promise.all(others);
    expect(order).toEqual([1, 2, 3]);
    expect(pool.waiting).toBe(0);
  });

  it('a wait ends if it takes too long, the caller has left, or the queue is full', async () => {
    const pool = poolOf([{ concurrency: 1 }], { waiting: 2, waitMs: 5_000 });
    using _busy = await pool.lease(leaseRequest(), never);
    const leave = new AbortController();
    const left = pool.lease(leaseRequest(), leave.signal).catch((error: unknown) => error);
    const late = problemOf(pool.lease(leaseRequest(), never));
    const refused = await problemOf(pool.lease(leaseRequest(), never));
    expect(refused.problem).toMatchObject({ code: 'overloaded', status: 529 });
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    leave.abort(new Error('gone'));
    expect(await left).toMatchObject({ message: 'gone' });
    await pass(5_001);
    expect((await late).problem.code).toBe('overloaded');
    expect(pool.waiting).toBe(0);
  });

  it('the pool keeps places free for users beside background calls', async () => {
    const pool = poolOf([{ concurrency: 10 }]);
    const batch = Array.from({ length: 20 }, () => pool.lease(leaseRequest({ priority: 'background' }), never));
    await pass(1);
    expect(pool.instances[0]?.calls).toEqual({ person: 0, background: 8 });
    using person = await pool.lease(leaseRequest(), never);
    expect(person.instanceId).toBe('i0');
    for (const lease of batch) (await lease).succeeded();
    expect(pool.instances[0]?.calls.background).toBe(0);
  });

  it('a call waits for a short rest, and is told when to retry after a long one', async () => {
    const pool = poolOf([{}, {}]);
    for (const rest of [1_500, 30_000]) (await pool.lease(leaseRequest(), never)).failed('limited', rest);
    const soon = pool.lease(leaseRequest(), never);
    await pass(1_600);
    (await soon).failed('limited', 20_000);
    const refused = await problemOf(pool.lease(leaseRequest(), never));
    expect(refused.problem).toMatchObject({ code: 'rate_limited', status: 429 });
    expect(refused.retryAfterMs).toBeGreaterThan(19_000);
    expect(refused.retryAfterMs).toBeLessThan(21_000);
  });

  it('a call with only one possible lane is made regardless of the health of the lane', async () => {
    const pool = poolOf([{}]);
    for (let call = 0; call < 5; call++) {
      const lease = await pool.lease(leaseRequest(), never);
      expect(pool.hasOther(leaseRequest(), new Set([lease.lane]))).toBe(false);
      lease.failed(call % 2 ? 'limited' : 'refused', 60_000);
    }
  });

  it('the pool uses only instances that serve the model and are not drained', async () => {
    const pool = poolOf([{ models: ['claude-haiku-*'] }, { models: ['claude-opus-5-5'] }]);
    expect((await problemOf(pool.lease(leaseRequest(), never))).problem.code).toBe('model_not_found');
    using haiku = await pool.lease(leaseRequest({ model: 'claude-haiku-4-5' }), never);
    expect(haiku.instanceId).toBe('i0');
    using fast = await pool.lease(leaseRequest({ model: 'fast' }), never);
    expect(fast).toMatchObject({ instanceId: 'i0', model: 'claude-haiku-4-5' });
    for (const instance of pool.instances) instance.draining = true;
    expect((await problemOf(pool.lease(leaseRequest({ model: 'smart' }), never))).problem.status).toBe(529);
  });

  it('a lease frees its place once, however it ends', async () => {
    const pool = poolOf([{ concurrency: 1 }]);
    for (let call = 0; call < 3; call++) {
      const lease = await pool.lease(leaseRequest(), never);
      lease.failed('cut');
      lease.succeeded();
      lease[Symbol.dispose]();
      expect(pool.instances[0]?.busy).toBe(0);
    }
  });
});
