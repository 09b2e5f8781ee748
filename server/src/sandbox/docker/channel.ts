import { Duplex } from 'node:stream';

/** Bytes of the largest frame that the relay sends. */
const frameBytes = 16_384;
/** Connections that a container may have open at one time. */
const maxConnections = 64;
const headerBytes = 8;

/**
 * The connections of a container, carried over one stream in frames (`boot/relay.ts`). What comes is
 * the program's: anything that is not as the relay writes it ends the stream.
 *
 * @param opened is called with each new connection
 * @returns what takes the relay's bytes as they come
 */
export function openChannel(stream: Duplex, opened: (connection: Duplex) => void): (bytes: Buffer) => void {
  const connections = new Map<number, Connection>();
  let last = 0;
  let rest: Buffer = Buffer.alloc(0);
  stream.once('close', () => {
    for (const connection of connections.values()) connection.destroy();
  });
  const open = () => {
    const number = ++last;
    if (connections.size >= maxConnections) {
      stream.write(header(number, 0));
      return;
    }
    const connection = new Connection(stream, number, () => connections.delete(number));
    connections.set(number, connection);
    opened(connection);
  };
  const take = (number: number, bytes: Buffer) => {
    if (number === last + 1 && bytes.length === 0) open();
    else if (bytes.length > 0) connections.get(number)?.receive(bytes);
    else connections.get(number)?.left();
  };
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= headerBytes && !stream.destroyed) {
      const length = rest.readUInt32BE(4);
      if (length > frameBytes) stream.destroy();
      if (rest.length < headerBytes + length) return;
      take(rest.readUInt32BE(0), rest.subarray(headerBytes, headerBytes + length));
      rest = rest.subarray(headerBytes + length);
    }
  };
}

function header(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt32BE(number, 0);
  bytes.writeUInt32BE(length, 4);
  return bytes;
}

/** One connection that a program has made to the relay. */
class Connection extends Duplex {
  readonly #stream: Duplex;
  readonly #number: number;
  readonly #gone: () => void;
  #left = false;
  #full = false;

  constructor(stream: Duplex, number: number, gone: () => void) {
    super({ allowHalfOpen: false });
    this.#stream = stream;
    this.#number = number;
    this.#gone = gone;
    // The other side may go away at any time; whoever uses the connection hears of it by its end.
    this.on('error', () => {});
  }

  /** From the program. While nobody reads, nothing more is taken from the container. */
  receive(bytes: Buffer): void {
    if (this.destroyed || this.push(bytes)) return;
    this.#full = true;
    this.#stream.pause();
  }

  /** The program has closed it. */
  left(): void {
    this.#left = true;
    this.push(null);
  }

  override _read(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#left || this.#stream.destroyed) {
      done(new Error('The program has closed the connection.'));
      return;
    }
    const parts: Buffer[] = [];
    for (let at = 0; at < chunk.length; at += frameBytes) {
      const part = chunk.subarray(at, at + frameBytes);
      parts.push(header(this.#number, part.length), part);
    }
    this.#stream.write(Buffer.concat(parts), done);
  }

  override _final(done: () => void): void {
    this.#end();
    // The relay has closed it with this, and says no more about it.
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#end();
    this.#gone();
    if (this.#full) this.#stream.resume();
    done(error);
  }

  #end(): void {
    if (this.#left || this.#stream.destroyed) return;
    this.#left = true;
    this.#stream.write(header(this.#number, 0));
  }
}
