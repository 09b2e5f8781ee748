import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestServer } from '../test/support/server.ts';

import { printer } from './support/figures.ts';
import { startScript } from './support/script.ts';

/*
 * Measures many concurrent slow streams through the Messages endpoint: the memory per stream, the longest stall beyond
 * the provider's own pace, and whether every stream arrives unchanged. Then it measures clients that stop reading. It
 * runs on Linux only, because it reads memory from /proc. Usage: node bench/streams.ts [STREAMS]
 */

const streams = Number(process.argv[2] ?? 2_000);
const paceMs = 500;
const events = 30;
/** Number of clients that stop reading after the first bytes. */
const slowReaders = 20;
/** Number of text events in the answer that they do not read (about 30 MB). */
const slowEvents = 300_000;

await using upstream = await startScript(new URL('gateway/upstream.ts', import.meta.url));
await using server = await TestServer.start({
  claudeUrl: upstream.url,
  bundle: new URL('../dist/server.mjs', import.meta.url).pathname,
  // The limits are counted as usual, but never reached.
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
    // The starts are spread over time, because the streams belong to different users.
    await sleep((index / streams) * 2_000);
    const onGap = (gap: number) => {
      stallMs = Math.max(stallMs, gap - paceMs);
    };
    const got = await open(through, paceMs, events)
      .then((answer) => digestOf(answer, onGap))
      .catch((error: unknown) => String(error));
    if (got !== expected) corrupt++;
  }),
);
clearInterval(watching);
print('kb_per_stream', (peakKb - idleKb) / streams, 'kB', { streams });
print('max_stall_ms', stallMs, 'ms', { streams });
print('corrupt', corrupt, 'streams', { streams });

// A first run excludes memory that the process keeps after its first use.
for (const answer of await stopReading()) answer.destroy();
await sleep(2_000);
const beforeKb = residentKb();
const answers = await stopReading();
print('slow_reader_growth_mb', (residentKb() - beforeKb) / 1024, 'MB', { readers: slowReaders });
for (const answer of answers) answer.destroy();
agent.destroy();

/** Opens answers that are not read, and waits until the socket buffers are full. */
async function stopReading(): Promise<IncomingMessage[]> {
  const unread = await Promise.all(
    Array.from({ length: slowReaders }, async () => (await open(through, 0, slowEvents)).pause()),
  );
  await sleep(5_000);
  return unread;
}

/** Requests a stream with a number of events. */
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

/**
 * Returns the status and a hash of an answer.
 * @param onGap receives the time between two chunks of the answer, in milliseconds
 */
async function digestOf(answer: IncomingMessage, onGap?: (gap: number) => void): Promise<string> {
  const hash = createHash('sha256');
  let last = performance.now();
  for await (const chunk of answer) {
    hash.update(chunk);
    onGap?.(performance.now() - last);
    last = performance.now();
  }
  return `${answer.statusCode} ${hash.digest('hex')}`;
}

/** Returns the resident memory of the server's process, in KiB. */
function residentKb(): number {
  const status = readFileSync(`/proc/${server.discovery.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
}
