import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import * as z from 'zod';
import { newConversation, Reader, TestServer } from '../test/support/server.ts';
import { printer, quantile } from './support/figures.ts';
import { startScript } from './support/script.ts';

/*
 * Added latency of the whole path: from the POST of a turn to the first text event at the client, over the same call, with
 * the same system text and tools, made with the SDK straight to the stand-in. The two are measured in turn, one pair after
 * the other, so that a drifting machine drifts for both. The stand-in has a process of its own, as Claude has: beside the
 * client it would answer no sooner than the client has read what its message came to, which no provider waits for.
 * Usage: node bench/first-token.ts [PAIRS]
 */

const Sent = z.object({ system: z.unknown(), tools: z.unknown(), max_tokens: z.number() });
const pairs = Number(process.argv[2] ?? 300);
const warmUp = 30;

await using claude = await startScript(new URL('first-token/claude.ts', import.meta.url));
const dist = new URL('../dist/server.mjs', import.meta.url).pathname;
await using server = await TestServer.start({ claudeUrl: claude.url, bundle: dist });
const sdk = new Anthropic({ apiKey: 'sk-test', baseURL: claude.url, maxRetries: 0 });

/** What the server sends besides the messages. */
const same: Pick<Anthropic.MessageCreateParams, 'system' | 'tools' | 'max_tokens'> = { max_tokens: 1024 };

async function direct(): Promise<number> {
  const started = performance.now();
  const stream = await sdk.messages.create({
    model: 'claude-sonnet-5-5',
    ...same,
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
Object.assign(same, Sent.parse(JSON.parse(await claude.next())));

const added: number[] = [];
const directs: number[] = [];
for (let pair = -warmUp; pair < pairs; pair++) {
  const one = await direct();
  const other = await whole();
  if (pair < 0) continue;
  directs.push(one);
  added.push(other - one);
  await sleep(2);
}

const print = printer('first-token');
print('direct_p50_ms', quantile(directs, 0.5), 'ms', { pairs });
print('direct_p99_ms', quantile(directs, 0.99), 'ms', { pairs });
print('added_p50_ms', quantile(added, 0.5), 'ms', { pairs });
print('added_p99_ms', quantile(added, 0.99), 'ms', { pairs });
