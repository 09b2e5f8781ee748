import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Pace, Wire } from './answer.ts';
import type { Frame } from './events.ts';
import { ping, sse } from './events.ts';

/** Response in transmission, which counts its bytes and detects when the client disconnects. */
export class Line {
  readonly response: ServerResponse;
  bytes = 0;
  /** Whether the stand-in itself cut the connection. */
  cut = false;
  readonly #gone = new AbortController();

  constructor(response: ServerResponse) {
    this.response = response;
    response.once('close', () => this.#gone.abort());
  }

  get closed(): boolean {
    return this.#gone.signal.aborted;
  }

  /** Waits for a time, or until the client disconnects. */
  async wait(ms: number, until?: Promise<unknown>): Promise<void> {
    if (this.closed || ms <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined;
    const done = () => resolve();
    this.#gone.signal.addEventListener('abort', done, { once: true });
    until?.then(done, done);
    await promise;
    clearTimeout(timer);
    this.#gone.signal.removeEventListener('abort', done);
  }

  /** Waits until the client can receive more. Resolves at once if it keeps up. */
  async write(chunk: string | Uint8Array): Promise<void> {
    if (this.closed || chunk.length === 0) return;
    this.bytes += Buffer.byteLength(chunk);
    if (!this.response.write(chunk) && !this.closed) {
      await once(this.response, 'drain', { signal: this.#gone.signal }).catch(() => undefined);
    }
  }

  /** Closes the connection after all written data has been passed to the system. */
  async hangUp(reset: boolean): Promise<void> {
    this.cut = true;
    const { socket } = this.response;
    if (!socket || this.closed) return;
    // Corked data is written at the end of the tick. The callback of an empty write runs when everything before it was
    // written.
    await nextTurn();
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.write('', () => resolve());
    });
    if (reset) socket.resetAndDestroy();
    else socket.destroy();
  }

  end(): void {
    if (!this.closed) this.response.end();
  }
}

/** Function that encodes an event for the wire. */
export type Encode = (text: string) => string | Uint8Array;

/** Sends events at a pace, with the configured faults. */
export async function sendFrames(
  line: Line,
  source: Iterable<Frame>,
  pace: Pace,
  wire: Wire | undefined,
  requestId: string,
  encode: Encode = (text) => text,
): Promise<void> {
  await line.wait(pace.startDelayMs ?? 0);
  const interval = pace.chunksPerSecond ? 1000 / pace.chunksPerSecond : 0;
  const out = wire ? new FaultyWriter(line, wire, encode) : undefined;
  let due = performance.now();
  let sent = 0;
  for (const frame of wire ? withExtras(source, wire, requestId) : source) {
    if (line.closed || line.cut) return;
    if (frame.delta && interval > 0) {
      due += interval;
      await line.wait(due - performance.now());
    }
    if (out) {
      await out.beforeEvent(sent);
      if (line.cut) return;
      await out.write(encode(frame.text));
    } else {
      await line.write(encode(frame.text));
    }
    sent++;
  }
  await out?.finish(sent);
  if (!line.cut) line.end();
}

/** Sends a body unchanged. */
export async function sendBody(line: Line, body: string | Uint8Array, wire: Wire | undefined): Promise<void> {
  if (!wire) {
    line.bytes += Buffer.byteLength(body);
    if (!line.closed) line.response.end(body);
    return;
  }
  const out = new FaultyWriter(line, wire);
  await out.write(body);
  await out.finish(Number.POSITIVE_INFINITY);
  if (!line.cut) line.end();
}

function* withExtras(source: Iterable<Frame>, wire: Wire, requestId: string): Generator<Frame> {
  let sent = 0;
  const due = () => (wire.inject ?? []).filter((extra) => extra.afterEvents === sent);
  for (const frame of source) {
    for (const extra of due()) yield { text: sse(extra.event, extra.data), delta: false };
    if (wire.error?.afterEvents === sent) {
      const { type, message = type === 'overloaded_error' ? 'Overloaded' : 'Internal server error' } = wire.error;
      const error = { details: null, type, message };
      yield { text: sse('error', { type: 'error', error, request_id: requestId }), delta: false };
      return;
    }
    yield frame;
    sent++;
  }
  for (const extra of due()) yield { text: sse(extra.event, extra.data), delta: false };
}

/** Writer that applies the faults that are defined by bytes and events. */
class FaultyWriter {
  readonly #line: Line;
  readonly #wire: Wire;
  /** Body that is collected to be sent in one piece. */
  readonly #held: Uint8Array[] = [];
  readonly #encode: Encode;
  #stalled = false;
  #at = 0;

  constructor(line: Line, wire: Wire, encode: Encode = (text) => text) {
    this.#encode = encode;
    this.#line = line;
    this.#wire = wire;
  }

  async beforeEvent(sent: number): Promise<void> {
    const { cut, stall } = this.#wire;
    if (cut?.afterEvents !== undefined && sent >= cut.afterEvents) return this.#line.hangUp(cut.reset ?? false);
    if (stall?.afterEvents !== undefined && sent >= stall.afterEvents) await this.#stall();
  }

  async write(body: string | Uint8Array): Promise<void> {
    const text = typeof body === 'string' && this.#wire.crlf ? body.replaceAll('\n', '\r\n') : body;
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    if (this.#wire.chunkBytes === Number.POSITIVE_INFINITY) this.#held.push(bytes);
    else await this.#writeBytes(bytes);
  }

  /** Ends the response after the last event. */
  async finish(sent: number): Promise<void> {
    if (this.#held.length > 0) await this.#writeBytes(Buffer.concat(this.#held.splice(0)));
    if (!this.#line.cut) await this.beforeEvent(sent);
  }

  async #writeBytes(bytes: Uint8Array): Promise<void> {
    const { cut, stall, chunkBytes = Number.POSITIVE_INFINITY } = this.#wire;
    for (let from = 0; from < bytes.length && !this.#line.closed; ) {
      if (cut?.atByte !== undefined && this.#at >= cut.atByte) return this.#line.hangUp(cut.reset ?? false);
      if (stall?.atByte !== undefined && this.#at >= stall.atByte) await this.#stall();
      const stops = [cut?.atByte, this.#stalled ? undefined : stall?.atByte].flatMap((stop) =>
        stop === undefined ? [] : [stop - this.#at],
      );
      const length = Math.min(bytes.length - from, chunkBytes, ...stops);
      await this.#line.write(bytes.subarray(from, from + length));
      from += length;
      this.#at += length;
      // Each piece is sent separately.
      if (chunkBytes !== Number.POSITIVE_INFINITY) await nextTurn();
    }
    if (cut?.atByte !== undefined && this.#at >= cut.atByte) return this.#line.hangUp(cut.reset ?? false);
  }

  async #stall(): Promise<void> {
    const { stall } = this.#wire;
    if (!stall || this.#stalled) return;
    this.#stalled = true;
    if (stall.pingEveryMs === undefined) return this.#line.wait(Number.POSITIVE_INFINITY, stall.until);
    let over = false;
    const end = stall.until?.finally(() => {
      over = true;
    });
    while (!over && !this.#line.closed) {
      await this.#line.wait(stall.pingEveryMs, end);
      if (!over) await this.#line.write(this.#encode(ping.text));
    }
  }
}
