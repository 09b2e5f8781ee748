import type { IncomingMessage } from 'node:http';
import { limits } from '@devlm/protocol/limits.ts';
import { Refused } from './refusal.ts';

/** Maximum size of all bodies of the Messages endpoint that a server holds in memory at a time, in bytes. */
const maxHeldBytes = 8 * limits.messagesBodyBytes;
let totalHeldBytes = 0;

/** A request body that counts as held until it is disposed of. Disposing of it again has no effect. */
export class HeldBody implements Disposable {
  #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Empty after disposal. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    totalHeldBytes -= this.#bytes.length;
    this.#bytes = Buffer.alloc(0);
  }
}

/**
 * Reads the whole body. The HTTP server bounds the time that this takes.
 * @throws Refused 400, 413, 415, 529
 */
export async function readBody(request: IncomingMessage): Promise<HeldBody> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw new Refused(415, 'The content encoding is not supported. Send the body uncompressed.');
  if (Number(request.headers['content-length'] ?? 0) > limits.messagesBodyBytes) throw tooLarge();
  const { promise, resolve, reject } = Promise.withResolvers<HeldBody>();
  const chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer) => {
    size += chunk.length;
    totalHeldBytes += chunk.length;
    if (size > limits.messagesBodyBytes) reject(tooLarge());
    else if (totalHeldBytes > maxHeldBytes)
      reject(new Refused(529, 'Too many large requests are in progress. Try again in a moment.', 2_000));
    else chunks.push(chunk);
  };
  const onEnd = () => resolve(new HeldBody(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
  // `close` is emitted after `end` as well.
  const onBreak = () => request.readableEnded || reject(brokenOff());
  // Events cost less than an async iterator, and every call passes here.
  request.on('data', onData).once('end', onEnd).once('error', onBreak).once('close', onBreak);
  try {
    return await promise;
  } catch (error) {
    totalHeldBytes -= size;
    throw error;
  } finally {
    request.off('data', onData).off('end', onEnd).off('error', onBreak).off('close', onBreak);
  }
}

const brokenOff = () => new Refused(400, 'The body is shorter than its declared length.');
const tooLarge = () =>
  new Refused(413, `The request body is larger than ${limits.messagesBodyBytes / 1024 / 1024} MB.`);
