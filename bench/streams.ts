import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestServer } from '../test/support/server.ts';

import { printer } from './support/figures.ts';
import { startScript } from './support/script.ts';

/*
 * Many slow streams through the Messages endpoint at once: what each costs in memory, the longest time that one of them
 * stood still beyond the provider's own pace, and whether each came through to the byte. Then clients that stop
 * reading. Linux alone: memory is read from /proc. Usage: node bench/streams.ts [STREAMS]
 */

const streams = Number(process.argv[2] ?? 2_000);
const paceMs = 500;
const events = 30;
/** Readers that stop after their first bytes, and the text events of the answer that they do not read (some 30 MB). */
const slowReaders = 20;
const slowEvents = 300_000;

await using upstream = await startScript(new URL('gateway/upstream.ts', import.meta.url));
await using server = await TestServer.start({
  claudeUrl: upstream.url,
  bundle: new URL('../dist/server.mjs', import.meta.url).pathname,
  // They count all the same, and never refuse.
  env: { DEVLM_LIMIT_USER: '1000000,1000000', DEVLM_LIMIT_GLOBAL: '1000000,1000000' },
});
const { token } = await server.client.call('tokens.create', { body: { name: 'bench', scopes: ['llm'], days: 1 } });
const agent = new Agent({ keepAlive: true, maxSockets: streams + slowReaders });
const print = printer('streams');

const expected = await digestOf(await open(new URL('/v1/messages', upstream.url), 0, events));
const through = new URL('/llm/v1/messages', server.origin);
await digestOf(await open(through, 0, events));

const idleKb = residentKb();
let peakKb = idleKb;
const watching = setInterval(() => {
  peakKb = Math.max(peakKb, residentKb());
}, 200);
let corrupt = 0;
let stallMs = 0;
await Promise.all(
  Array.from({ length: streams }, async (_, index) => {
    // Not all in the same moment: they are of different people.
    await sleep((index / streams) * 2_000);
    const hear = (gap: number) => {
      stallMs = Math.max(stallMs, gap - paceMs);
    };
    const got = await open(through, paceMs, events)
      .then((answer) => digestOf(answer, hear))
      .catch((error: unknown) => String(error));
    if (got !== expected) corrupt++;
  }),
);
clearInterval(watching);
print('kb_per_stream', (peakKb - idleKb) / streams, 'kB', { streams });
print('max_stall_ms', stallMs, 'ms', { streams });
print('corrupt', corrupt, 'streams', { streams });

// Once before, for what the process keeps of memory that it has used.
for (const answer of await stopReading()) answer.destroy();
await sleep(2_000);
const beforeKb = residentKb();
const answers = await stopReading();
print('slow_reader_growth_mb', (residentKb() - beforeKb) / 1024, 'MB', { readers: slowReaders });
for (const answer of answers) answer.destroy();
agent.destroy();

/** Answers that nobody reads, when all that the sockets take has come. */
async function stopReading(): Promise<IncomingMessage[]> {
  const unread = await Promise.all(
    Array.from({ length: slowReaders }, async () => (await open(through, 0, slowEvents)).pause()),
  );
  await sleep(5_000);
  return unread;
}

/** Asks for a stream of so many events. */
function open(url: URL, pace: number, count: number): Promise<IncomingMessage> {
  const body = JSON.stringify({ model: 'claude-sonnet-5-5', max_tokens: 1024, stream: true, messages: [] });
  return new Promise((resolve, reject) => {
    const outgoing = send(url, {
      method: 'POST',
      agent,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        authorization: `Bearer ${token}`,
        'x-pace-ms': pace,
        'x-events': count,
      },
    });
    outgoing.once('error', reject);
    outgoing.once('response', resolve);
    outgoing.end(body);
  });
}

/** @param hear the milliseconds between two pieces of the answer */
async function digestOf(answer: IncomingMessage, hear?: (gap: number) => void): Promise<string> {
  const hash = createHash('sha256');
  let last = performance.now();
  for await (const chunk of answer) {
    hash.update(chunk);
    hear?.(performance.now() - last);
    last = performance.now();
  }
  return `${answer.statusCode} ${hash.digest('hex')}`;
}

/** Of the server's process. */
function residentKb(): number {
  const status = readFileSync(`/proc/${server.discovery.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
}
