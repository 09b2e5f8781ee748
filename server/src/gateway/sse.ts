import { limits } from '@devlm/protocol/limits.ts';
import type { Response } from 'express';

/** One message of an event stream; `id` is what the client sends back as `Last-Event-ID`. */
export interface StreamMessage {
  readonly id?: number | undefined;
  readonly data: unknown;
}

/** Time after which a client that reads nothing is disconnected, in milliseconds. It can reconnect with its last id. */
const drainTimeoutMs = 60_000;

/**
 * Sends a `text/event-stream` response until the source ends or the client disconnects. Reads from the source only as
 * fast as the client reads.
 */
export async function sendStream(
  response: Response,
  source: AsyncIterable<readonly StreamMessage[]>,
  signal: AbortSignal,
): Promise<void> {
  response.status(200);
  response.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Accel-Buffering', 'no');
  response.flushHeaders();
  // Otherwise Nagle's algorithm delays a small event until the previous one is acknowledged.
  response.socket?.setNoDelay(true);
  const ping = setInterval(() => response.write(': ping\n\n'), limits.streamPingMs);
  try {
    response.write(': hello\n\n');
    for await (const messages of source) {
      const text = messages
        .map(({ id, data }) => `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`)
        .join('');
      if (text !== '' && !response.write(text)) await drained(response, signal);
      if (signal.aborted) break;
    }
  } finally {
    clearInterval(ping);
    response.end();
  }
}

async function drained(response: Response, signal: AbortSignal): Promise<void> {
  // The events awaited below have already been emitted.
  if (signal.aborted || response.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  const timer = setTimeout(() => {
    response.destroy();
    resolve();
  }, drainTimeoutMs);
  response.once('drain', resolve);
  response.once('close', resolve);
  signal.addEventListener('abort', onAbort, { once: true });
  await promise;
  clearTimeout(timer);
  response.off('drain', resolve);
  response.off('close', resolve);
  signal.removeEventListener('abort', onAbort);
}
