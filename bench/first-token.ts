import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import * as z from 'zod';
import { newConversation, Reader, TestServer } from '../test/support/server.ts';
import { printer, quantile } from './support/figures.ts';
import { startScript } from './support/script.ts';

/*
 * Measures the added latency of the whole path: the time from the POST of a turn to the first text event at the client,
 * compared with the same call (same system text and tools) made directly to the stand-in with the SDK. The two are
 * measured alternately, so that drift of the machine affects both. The stand-in has a process of its own, as Claude does:
 * in the client's process it could not answer before the client has handled its own events.
 * Usage: node bench/first-token.ts [PAIRS]
 */

const Sent = z.object({ system: z.unknown(), tools: z.unknown(), max_tokens: z.number() });
const pairs = Number(process.argv[2] ?? 300);
const warmUp = 30;

await using claude = await startScript(new URL('first-token/claude.ts', import.meta.url));
const dist = new URL('../dist/server.mjs', import.meta.url).pathname;
await using server = await TestServer.start({ claudeUrl: claude.url, bundle: dist });
const sdk = new Anthropic({ apiKey: 'sk-test', baseURL: claude.url, maxRetries: 0 });

/** Properties that the server sends besides the messages. */
const shared: Pick<Anthropic.MessageCreateParams, 'system' | 'tools' | 'max_tokens'> = { max_tokens: 1024 };

async function direct(): Promise<number> {
  const started = performance.now();
  const stream = await sdk.messages.create({
    model: 'claude-sonnet-5-5',
    ...shared,
    stream: true,
    messages: [{ role: 'user', content: 'hello' }],
  });
  let first = 0;
  for await (const event of stream)
    if (first === 0 && event.type === 'content_block_delta') first = performance.now() - started;
  return first;
}

async function whole(): Promise<number> {
  const conversationId = await newConversation(server);
  using reader = new Reader(() => server, conversationId);
  await reader.until((state) => state.lastSeq >= 1);
  const turnId = randomUUID();
  let first = 0;
  const started = performance.now();
  reader.onEvent = (event) => {
    if (first === 0 && event.type === 'block.delta') first = performance.now() - started;
  };
  await server.client.call('turns.create', {
    params: { conversationId },
    body: { turnId, parent: null, text: 'hello' },
  });
  await reader.ended(turnId);
  return first;
}

await whole();
Object.assign(shared, Sent.parse(JSON.parse(await claude.next())));

const added: number[] = [];
const directs: number[] = [];
for (let pair = -warmUp; pair < pairs; pair++) {
  const directMs = await direct();
  const wholeMs = await whole();
  if (pair < 0) continue;
  directs.push(directMs);
  added.push(wholeMs - directMs);
  await sleep(2);
}

const print = printer('first-token');
print('direct_p50_ms', quantile(directs, 0.5), 'ms', { pairs });
print('direct_p99_ms', quantile(directs, 0.99), 'ms', { pairs });
print('added_p50_ms', quantile(added, 0.5), 'ms', { pairs });
print('added_p99_ms', quantile(added, 0.99), 'ms', { pairs });
