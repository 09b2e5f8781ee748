import type { IncomingMessage } from 'node:http';
import { limits } from '@devlm/protocol/limits.ts';
import { Refused } from './refusal.ts';

/** All bodies of calls of the Messages API that a server holds at one time, bytes. */
const heldBytes = 8 * limits.messagesBodyBytes;
let held = 0;

/** A body, held until it is let go, once or more. */
export class HeldBody implements Disposable {
  #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Empty after it was let go. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    held -= this.#bytes.length;
    this.#bytes = Buffer.alloc(0);
  }
}

/**
 * Reads the whole body. How long it may take is the HTTP server's to bound.
 * @throws Refused 400, 413, 415, 529
 */
export async function readBody(request: IncomingMessage): Promise<HeldBody> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw new Refused(415, 'Send the body uncompressed: what it asks for has to be read.');
  if (Number(request.headers['content-length'] ?? 0) > limits.messagesBodyBytes) throw tooLarge();
  const { promise, resolve, reject } = Promise.withResolvers<HeldBody>();
  const chunks: Buffer[] = [];
  let size = 0;
  const take = (chunk: Buffer) => {
    size += chunk.length;
    held += chunk.length;
    if (size > limits.messagesBodyBytes) reject(tooLarge());
    else if (held > heldBytes)
      reject(new Refused(529, 'Too many large requests are under way. Try again soon.', 2_000));
    else chunks.push(chunk);
  };
  const end = () => resolve(new HeldBody(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
  // A request that has ended closes as well.
  const breakOff = () => request.readableEnded || reject(brokenOff());
  // By its events: they cost less than an iterator, and each call passes here.
  request.on('data', take).once('end', end).once('error', breakOff).once('close', breakOff);
  try {
    return await promise;
  } catch (error) {
    held -= size;
    throw error;
  } finally {
    request.off('data', take).off('end', end).off('error', breakOff).off('close', breakOff);
  }
}

const brokenOff = () => new Refused(400, 'The body ended before its announced length.');
const tooLarge = () => new Refused(413, `The request is larger than ${limits.messagesBodyBytes / 1024 / 1024} MB.`);
