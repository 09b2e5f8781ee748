import type { OutgoingHttpHeaders } from 'node:http';
import { Readable, Writable } from 'node:stream';
import type { AnswerSink } from './answer-sink.ts';

/** The beginning of an answer. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
}

interface Reader {
  readonly out: Readable;
  /** Pieces that it has taken. */
  at: number;
  hungry: boolean;
}

/** An answer that several clients read from its beginning, each at its own pace, while it is still coming. */
export class SharedAnswer extends Writable implements AnswerSink {
  /** Fulfilled with status and headers; rejects when there will be none. */
  readonly head: Promise<AnswerHead>;
  readonly #head = Promise.withResolvers<AnswerHead>();
  readonly #keptBytes: number;
  readonly #deserted: () => void;
  readonly #readers = new Set<Reader>();
  readonly #pieces: Buffer[] = [];
  /** Pieces that are no longer kept. */
  #dropped = 0;
  #bytes = 0;
  #ended = false;
  /** Lets the next piece come. */
  #goOn: (() => void) | null = null;

  /**
   * @param keptBytes what is kept for those who come later; of a longer answer only what the slowest reader
   * has not taken, and the provider waits for it
   * @param deserted called when the last reader has left before the end
   */
  constructor(keptBytes: number, deserted: () => void) {
    super();
    this.#keptBytes = keptBytes;
    this.#deserted = deserted;
    this.head = this.#head.promise;
    this.head.catch(() => undefined);
    // The readers tell those who wait.
    this.on('error', () => undefined);
  }

  /** Whether who comes now still gets all of it. */
  get complete(): boolean {
    return this.#bytes <= this.#keptBytes && (this.#ended || !this.destroyed);
  }

  /** All of it, after its end; null when it was cut off or is not kept. */
  get whole(): Buffer | null {
    return this.#ended && this.complete ? Buffer.concat(this.#pieces) : null;
  }

  writeHead(status: number, headers: OutgoingHttpHeaders): void {
    this.#head.resolve({ status, headers });
  }

  flushHeaders(): void {}

  /** One client's copy. Destroying it is leaving. */
  read(): Readable {
    const out = new Readable({
      read: () => this.#feed(reader),
      destroy: (error, done) => {
        this.#leave(reader);
        done(error);
      },
    });
    const reader: Reader = { out, at: 0, hungry: false };
    // It may break off before anybody has begun to read.
    out.on('error', () => undefined);
    this.#readers.add(reader);
    return out;
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.#goOn = done;
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

  #feed(reader: Reader): void {
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

  #proceed(): void {
    if (this.#bytes > this.#keptBytes) {
      const slowest = Math.min(...[...this.#readers].map(({ at }) => at));
      if (slowest > this.#dropped) this.#dropped += this.#pieces.splice(0, slowest - this.#dropped).length;
      if (this.#pieces.length > 0) return;
    }
    const goOn = this.#goOn;
    this.#goOn = null;
    goOn?.();
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) this.#proceed();
    else if (!this.#ended) this.#deserted();
  }
}
