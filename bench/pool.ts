import { setTimeout as sleep } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import { hangUp, overloaded } from '../test/support/claude/faults.ts';
import { any } from '../test/support/claude/scenario.ts';
import { PoolServer } from '../test/support/pool.ts';
import { printer, quantile } from './support/figures.ts';

/*
 * Measures a pool of eight instances, of which two fail every call and one is five times slower than the others. First,
 * calls arrive at random at 80% of the capacity of the six working instances. Then a batch takes all available capacity
 * while users make calls beside it. Usage: node bench/pool.ts [SECONDS]
 */

const seconds = Number(process.argv[2] ?? 20);
const concurrency = 8;
const serviceMs = 250;
const slowMs = 5 * serviceMs;
const idealPerSecond = concurrency * (5 * (1000 / serviceMs) + 1000 / slowMs);
const offeredPerSecond = 0.8 * idealPerSecond;
const personsPerSecond = 10;

const bundle = new URL('../dist/server.mjs', import.meta.url).pathname;
await using pool = await PoolServer.start(8, { bundle, instance: () => ({ concurrency }) });
for (const [index, claude] of pool.claudes.entries())
  claude.on(
    any,
    [overloaded(), hangUp('reset'), { blocks: 'slow', pace: { startDelayMs: slowMs } }][index] ?? {
      blocks: 'Here you are.',
      pace: { startDelayMs: serviceMs },
    },
  );
const { origin, discovery } = pool.server;
const sdk = new Anthropic({ baseURL: `${origin}/llm`, authToken: discovery.secret, maxRetries: 0 });
const print = printer('pool');
let asked = 0;

/** Makes a call. Returns the time to the answer in milliseconds, or null if the call failed. */
async function ask(headers: Record<string, string> = {}): Promise<number | null> {
  const started = performance.now();
  const messages = [{ role: 'user' as const, content: `Question ${++asked}` }];
  try {
    await sdk.messages.create({ model: 'claude-sonnet-5-5', max_tokens: 100, messages }, { headers });
    return performance.now() - started;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return null;
  }
}

/** Makes calls at random times for a duration, with a given mean number per second. */
async function arrivals(perSecond: number, milliseconds: number): Promise<(number | null)[]> {
  const calls: Promise<number | null>[] = [];
  const started = performance.now();
  for (let due = 0; due < milliseconds; due += (-Math.log(1 - Math.random()) * 1000) / perSecond) {
    await sleep(Math.max(0, started + due - performance.now()));
    calls.push(ask());
  }
  return Promise.all(calls);
}

const answered = (all: readonly (number | null)[]) => all.filter((one) => one !== null);

await arrivals(offeredPerSecond / 2, 3_000);
const started = performance.now();
const all = await arrivals(offeredPerSecond, seconds * 1000);
const took = (performance.now() - started) / 1000;
const done = answered(all);
const more = { instances: 8, failing: 2, slow: 1, load: 0.8, seconds };
// An ideal pool answers all calls without queueing.
print('throughput_to_ideal', done.length / took / (all.length / (seconds + serviceMs / 1000)), '', more);
print('p50_ms', quantile(done, 0.5), 'ms', { ...more, service_ms: serviceMs });
print('p99_ms', quantile(done, 0.99), 'ms', { ...more, service_ms: serviceMs });
print('lost', all.length - done.length, 'calls', { ...more, calls: all.length });

let going = true;
const batched: (number | null)[] = [];
const batch = Array.from({ length: 2 * 8 * concurrency }, async () => {
  while (going) batched.push(await ask({ 'x-devlm-priority': 'background' }));
});
await sleep(2_000);
const persons = await arrivals(personsPerSecond, seconds * 1000);
going = false;
await Promise.all(batch);
const waits = answered(persons).map((ms) => ms - serviceMs);
const beside = { ...more, persons: persons.length, batch: batched.length };
print('person_wait_p50_ms', quantile(waits, 0.5), 'ms', beside);
print('person_wait_p95_ms', quantile(waits, 0.95), 'ms', beside);
print('batch_per_s', answered(batched).length / (seconds + 2), '1/s', beside);
print('lost', persons.length + batched.length - answered(persons).length - answered(batched).length, 'calls', beside);
