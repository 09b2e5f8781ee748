import type { OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import * as z from 'zod';
import type { Cache } from '../../storage/ports/cache.ts';
import { SharedAnswer } from './shared-answer.ts';

/** Where answers are kept, and for how long. */
export interface AnswersOptions {
  /** Where they are kept. */
  readonly cache: Pick<Cache, 'get' | 'set'>;
  readonly ttlMs: number;
  /** Longer answers are not kept. */
  readonly maxBytes?: number;
}

/** `asked`: of the provider. `joined`: another client was asking the same at this moment. `kept`: from before. */
export type Source = 'asked' | 'joined' | 'kept';

/** An answer that one client reads. */
export interface Answered {
  readonly source: Source;
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  /** Destroying it is leaving. */
  readonly body: Readable;
}

/** Answers that are asked for at one time; beyond that each client asks for itself. */
const maxFlying = 1_000;
const prefix = 'answer:';
const Kept = z.object({ contentType: z.string().max(200) });

/** Answers that may be given again: those that are on their way are shared, the others kept for a while. */
export class Answers {
  readonly #cache: Pick<Cache, 'get' | 'set'>;
  readonly #ttlMs: number;
  readonly #maxBytes: number;
  readonly #flying = new Map<string, SharedAnswer>();

  constructor({ cache, ttlMs, maxBytes = 1024 * 1024 }: AnswersOptions) {
    this.#cache = cache;
    this.#ttlMs = ttlMs;
    this.#maxBytes = maxBytes;
  }

  /**
   * The answer of the key. `ask` writes one into the sink, or throws, which each client hears that waits for it; its
   * signal aborts when all of them have left.
   *
   * @param signal aborts when this client leaves
   */
  async get(
    key: string,
    ask: (sink: SharedAnswer, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Answered> {
    signal.throwIfAborted();
    const joined = this.#flying.get(key);
    if (joined?.complete) return follow(joined, 'joined', signal);
    // Begun at once, so that who comes while the store is looked at finds it.
    const deserted = new AbortController();
    const shared = new SharedAnswer(this.#maxBytes, () => deserted.abort());
    if (this.#flying.size < maxFlying) this.#flying.set(key, shared);
    const [found, source] = await Promise.all([
      follow(shared, 'asked', signal),
      this.#fill(key, shared, ask, deserted.signal),
    ]);
    return { ...found, source };
  }

  /** Resolves when it is known where the answer comes from. */
  async #fill(
    key: string,
    shared: SharedAnswer,
    ask: (sink: SharedAnswer, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Source> {
    const kept = unpack(await this.#cache.get(prefix + key));
    const landed = () => {
      if (this.#flying.get(key) === shared) this.#flying.delete(key);
    };
    if (kept) {
      shared.writeHead(200, { 'content-type': kept.contentType });
      shared.end(kept.body, landed);
      return 'kept';
    }
    // At once: who asks after that gets it from the cache, or asks for itself.
    shared.once('finish', () => {
      landed();
      void this.#keep(key, shared);
    });
    ask(shared, signal)
      .catch((error: unknown) => shared.destroy(error instanceof Error ? error : new Error(String(error))))
      .finally(landed);
    return 'asked';
  }

  async #keep(key: string, shared: SharedAnswer): Promise<void> {
    const { whole } = shared;
    const { status, headers } = await shared.head;
    const contentType = String(headers['content-type'] ?? '');
    if (whole && status === 200 && mayBeGivenAgain(whole, contentType))
      await this.#cache.set(prefix + key, pack(contentType, whole), this.#ttlMs);
  }
}

async function follow(shared: SharedAnswer, source: Source, signal: AbortSignal): Promise<Answered> {
  const body = shared.read();
  const left = Promise.withResolvers<never>();
  const leave = () => {
    body.destroy();
    left.reject(signal.reason);
  };
  signal.addEventListener('abort', leave, { once: true });
  body.once('close', () => signal.removeEventListener('abort', leave));
  try {
    return { ...(await Promise.race([shared.head, left.promise])), body, source };
  } catch (error) {
    body.destroy();
    throw error;
  }
}

/** A message that came to its end and calls no tool: what a tool does is not done by giving the call again. */
function mayBeGivenAgain(body: Buffer, contentType: string): boolean {
  if (body.includes('"tool_use"')) return false;
  return contentType.includes('event-stream') ? body.includes('event: message_stop') : body.includes('"stop_reason"');
}

/** The type in a line of JSON, and the answer as it came. */
function pack(contentType: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify({ contentType })}\n`), body]);
}

function unpack(value: Uint8Array | undefined): (z.infer<typeof Kept> & { body: Buffer }) | null {
  if (!value) return null;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const end = bytes.indexOf('\n');
  try {
    return { ...Kept.parse(JSON.parse(bytes.toString('utf8', 0, end))), body: bytes.subarray(end + 1) };
  } catch {
    // Written by another version.
    return null;
  }
}
