import type { OutgoingHttpHeaders } from 'node:http';
import { Readable, Writable } from 'node:stream';
import type { AnswerSink } from './answer-sink.ts';

/** Status and headers of an answer. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
}

/** A client that reads the answer. */
interface AnswerReader {
  readonly out: Readable;
  /** Number of pieces that it has read. */
  at: number;
  /** Whether it waits for the next piece. */
  hungry: boolean;
}

/** An answer that several clients read from its beginning, each at its own pace, while it is still arriving. */
export class SharedAnswer extends Writable implements AnswerSink {
  /** Status and headers; rejects if there will be none. */
  readonly head: Promise<AnswerHead>;
  readonly #head = Promise.withResolvers<AnswerHead>();
  readonly #keptBytes: number;
  readonly #deserted: () => void;
  readonly #readers = new Set<AnswerReader>();
  readonly #pieces: Buffer[] = [];
  /** Number of pieces that are no longer kept. */
  #dropped = 0;
  #bytes = 0;
  #ended = false;
  /** Accepts the next piece from the provider. */
  #resume: (() => void) | null = null;

  /**
   * @param keptBytes maximum number of bytes kept for later readers; of a longer answer only the pieces that the
   *   slowest reader has not read are kept, and the provider waits for that reader
   * @param deserted called when the last reader has left before the end
   */
  constructor(keptBytes: number, deserted: () => void) {
    super();
    this.#keptBytes = keptBytes;
    this.#deserted = deserted;
    this.head = this.#head.promise;
    this.head.catch(() => undefined);
    // The error reaches the clients through their readers.
    this.on('error', () => undefined);
  }

  /** Whether a new reader would still receive the whole answer. */
  get complete(): boolean {
    return this.#bytes <= this.#keptBytes && (this.#ended || !this.destroyed);
  }

  /** The whole answer after its end; null if it was cut off or is no longer kept. */
  get whole(): Buffer | null {
    return this.#ended && this.complete ? Buffer.concat(this.#pieces) : null;
  }

  writeHead(status: number, headers: OutgoingHttpHeaders): void {
    this.#head.resolve({ status, headers });
  }

  flushHeaders(): void {}

  /** Returns the stream of one client. The client leaves by destroying it. */
  read(): Readable {
    const out = new Readable({
      read: () => this.#feed(reader),
      destroy: (error, done) => {
        this.#leave(reader);
        done(error);
      },
    });
    const reader: AnswerReader = { out, at: 0, hungry: false };
    // The answer may be cut off before any client reads it.
    out.on('error', () => undefined);
    this.#readers.add(reader);
    return out;
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.#resume = done;
    for (const reader of this.#readers) if (reader.hungry) this.#feed(reader);
    this.#proceed();
  }

  override _final(done: () => void): void {
    this.#ended = true;
    for (const reader of this.#readers) if (reader.hungry) this.#feed(reader);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const why = error ?? new Error('The answer was cut off.');
    this.#head.reject(why);
    if (!this.#ended) for (const { out } of this.#readers) out.destroy(why);
    done(error);
  }

  /** Passes the available pieces to a reader. */
  #feed(reader: AnswerReader): void {
    reader.hungry = true;
    while (reader.hungry) {
      const piece = this.#pieces[reader.at - this.#dropped];
      if (!piece) break;
      reader.at++;
      reader.hungry = reader.out.push(piece);
    }
    if (reader.hungry && this.#ended) {
      reader.hungry = false;
      reader.out.push(null);
    }
    this.#proceed();
  }

  /** Drops pieces that every reader has read, and accepts the next one if there is room. */
  #proceed(): void {
    if (this.#bytes > this.#keptBytes) {
      const slowest = Math.min(...[...this.#readers].map(({ at }) => at));
      if (slowest > this.#dropped) this.#dropped += this.#pieces.splice(0, slowest - this.#dropped).length;
      if (this.#pieces.length > 0) return;
    }
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  #leave(reader: AnswerReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) this.#proceed();
    else if (!this.#ended) this.#deserted();
  }
}
