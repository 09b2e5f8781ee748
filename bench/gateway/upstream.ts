import { createServer, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/*
 * Stand-in for the provider, which answers every call of the Messages API immediately from memory. A stream has
 * `x-events` text events (default: 200), either in one burst or one every `x-pace-ms` milliseconds.
 */

const defaultEvents = 200;
const usage = {
  input_tokens: 12,
  output_tokens: defaultEvents,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};
const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-5-5', stop_sequence: null };
const sse = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;

const whole = JSON.stringify({
  ...message,
  content: [{ type: 'text', text: 'word '.repeat(defaultEvents) }],
  stop_reason: 'end_turn',
  usage,
});
const begin =
  sse('message_start', { message: { ...message, content: [], stop_reason: null, usage } }) +
  sse('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
const delta = sse('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'word ' } });
const end =
  sse('content_block_stop', { index: 0 }) +
  sse('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage }) +
  sse('message_stop', {});

const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  if (!body.includes('"stream":true')) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(whole) });
    response.end(whole);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const events = Number(request.headers['x-events'] ?? defaultEvents);
  const paceMs = Number(request.headers['x-pace-ms'] ?? 0);
  if (paceMs > 0 || events > defaultEvents) await pipeline(answer(events, paceMs), response).catch(() => undefined);
  else sendBurst(response, events);
});

/** Sends all events in one burst, to leave the processor to the gateway. Each event is still a separate chunk. */
function sendBurst(response: ServerResponse, events: number): void {
  response.write(begin);
  for (let sent = 0; sent < events; sent++) response.write(delta);
  response.end(end);
}

async function* answer(events: number, paceMs: number) {
  yield begin;
  for (let sent = 0; sent < events; sent++) {
    if (paceMs > 0) await sleep(paceMs);
    yield delta;
  }
  yield end;
}

server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`);
});
