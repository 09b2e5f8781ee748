import type { OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import * as z from 'zod';
import type { Cache } from '../../storage/ports/cache.ts';
import { SharedAnswer } from './shared-answer.ts';

/** Options of the answer cache. */
export interface AnswersOptions {
  /** Cache that answers are stored in. */
  readonly cache: Pick<Cache, 'get' | 'set'>;
  /** Time for which an answer is kept, in milliseconds. */
  readonly ttlMs: number;
  /** Maximum size of an answer that is kept, in bytes. Default: 1 MiB. */
  readonly maxBytes?: number;
}

/** Source of an answer. `asked`: the provider. `joined`: a simultaneous call of another client. `kept`: the cache. */
export type Source = 'asked' | 'joined' | 'kept';

/** An answer that one client reads. */
export interface Answered {
  readonly source: Source;
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  /** Body of the answer. The client leaves by destroying it. */
  readonly body: Readable;
}

/** Maximum number of answers that are requested and shared at a time; beyond it, each client makes its own call. */
const maxInFlight = 1_000;
const prefix = 'answer:';
const Kept = z.object({ contentType: z.string().max(200) });

/** The answer cache: answers in progress are shared, and complete answers are kept for a while. */
export class Answers {
  readonly #cache: Pick<Cache, 'get' | 'set'>;
  readonly #ttlMs: number;
  readonly #maxBytes: number;
  /** Answers in progress, by key. */
  readonly #inFlight = new Map<string, SharedAnswer>();

  constructor({ cache, ttlMs, maxBytes = 1024 * 1024 }: AnswersOptions) {
    this.#cache = cache;
    this.#ttlMs = ttlMs;
    this.#maxBytes = maxBytes;
  }

  /**
   * Returns the answer for a key.
   *
   * @param ask writes the answer into the sink, or rejects, which all clients of the answer receive; its signal aborts
   *   when all of them have left
   * @param signal aborts when this client leaves
   */
  async get(
    key: string,
    ask: (sink: SharedAnswer, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Answered> {
    signal.throwIfAborted();
    const joined = this.#inFlight.get(key);
    if (joined?.complete) return follow(joined, 'joined', signal);
    // Registered at once, so that clients that arrive during the cache lookup find it.
    const abandoned = new AbortController();
    const shared = new SharedAnswer(this.#maxBytes, () => abandoned.abort());
    if (this.#inFlight.size < maxInFlight) this.#inFlight.set(key, shared);
    const [found, source] = await Promise.all([
      follow(shared, 'asked', signal),
      this.#fill(key, shared, ask, abandoned.signal),
    ]);
    return { ...found, source };
  }

  /** Starts to fill a shared answer from the cache or the provider. Resolves with the source as soon as it is known. */
  async #fill(
    key: string,
    shared: SharedAnswer,
    ask: (sink: SharedAnswer, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Source> {
    const cached = unpack(await this.#cache.get(prefix + key));
    const removeFromFlight = () => {
      if (this.#inFlight.get(key) === shared) this.#inFlight.delete(key);
    };
    if (cached) {
      shared.writeHead(200, { 'content-type': cached.contentType });
      shared.end(cached.body, removeFromFlight);
      return 'kept';
    }
    // Removed at once: later clients read the cache, or make their own call.
    shared.once('finish', () => {
      removeFromFlight();
      void this.#keep(key, shared);
    });
    ask(shared, signal)
      .catch((error: unknown) => shared.destroy(error instanceof Error ? error : new Error(String(error))))
      .finally(removeFromFlight);
    return 'asked';
  }

  /** Stores an answer in the cache, if it may be reused. */
  async #keep(key: string, shared: SharedAnswer): Promise<void> {
    const { whole } = shared;
    const { status, headers } = await shared.head;
    const contentType = String(headers['content-type'] ?? '');
    if (whole && status === 200 && isReusable(whole, contentType))
      await this.#cache.set(prefix + key, pack(contentType, whole), this.#ttlMs);
  }
}

/** Returns the answer as read by one client. Rejects with the signal's reason when that client leaves. */
async function follow(shared: SharedAnswer, source: Source, signal: AbortSignal): Promise<Answered> {
  const body = shared.read();
  const onAbort = () => body.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  body.once('close', () => signal.removeEventListener('abort', onAbort));
  try {
    return { ...(await untilAborted(shared.head, signal)), body, source };
  } catch (error) {
    body.destroy();
    throw error;
  }
}

/**
 * Returns whether an answer is complete and calls no tools. An answer with tool calls is not reused, because the tools
 * would not run again with it.
 */
function isReusable(body: Buffer, contentType: string): boolean {
  if (body.includes('"tool_use"')) return false;
  return contentType.includes('event-stream') ? body.includes('event: message_stop') : body.includes('"stop_reason"');
}

/** Returns a cache entry: the content type in a line of JSON, then the answer unchanged. */
function pack(contentType: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify({ contentType })}\n`), body]);
}

/** Returns the content type and body of a cache entry, or null if it is missing or invalid. */
function unpack(value: Uint8Array | undefined): (z.infer<typeof Kept> & { body: Buffer }) | null {
  if (!value) return null;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const end = bytes.indexOf('\n');
  try {
    return { ...Kept.parse(JSON.parse(bytes.toString('utf8', 0, end))), body: bytes.subarray(end + 1) };
  } catch {
    // The entry was written by another version.
    return null;
  }
}
