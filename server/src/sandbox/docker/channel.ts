import { Duplex } from 'node:stream';

/** Maximum payload of a frame that the relay sends, in bytes. */
const frameBytes = 16_384;
/** Maximum number of open connections per container. */
const maxConnections = 64;
/** Size of a frame header, in bytes. */
const headerBytes = 8;

/**
 * Carries the connections of a container over one stream, in the frames of `boot/relay.ts`. The program could write to
 * the stream itself, so data that the relay would never send ends the stream.
 *
 * @param onConnection called with each new connection
 * @returns a function that takes the relay's bytes as they arrive
 */
export function openChannel(stream: Duplex, onConnection: (connection: Duplex) => void): (bytes: Buffer) => void {
  const connections = new Map<number, RelayedConnection>();
  let lastNumber = 0;
  let pending: Buffer = Buffer.alloc(0);
  stream.once('close', () => {
    for (const connection of connections.values()) connection.destroy();
  });
  const open = () => {
    const number = ++lastNumber;
    if (connections.size >= maxConnections) {
      stream.write(header(number, 0));
      return;
    }
    const connection = new RelayedConnection(stream, number, () => connections.delete(number));
    connections.set(number, connection);
    onConnection(connection);
  };
  const onFrame = (number: number, bytes: Buffer) => {
    if (number === lastNumber + 1 && bytes.length === 0) open();
    else if (bytes.length > 0) connections.get(number)?.receive(bytes);
    else connections.get(number)?.left();
  };
  return (bytes) => {
    pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    while (pending.length >= headerBytes && !stream.destroyed) {
      const length = pending.readUInt32BE(4);
      if (length > frameBytes) stream.destroy();
      if (pending.length < headerBytes + length) return;
      onFrame(pending.readUInt32BE(0), pending.subarray(headerBytes, headerBytes + length));
      pending = pending.subarray(headerBytes + length);
    }
  };
}

function header(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt32BE(number, 0);
  bytes.writeUInt32BE(length, 4);
  return bytes;
}

/** A connection that a program has made to the relay. */
class RelayedConnection extends Duplex {
  readonly #stream: Duplex;
  readonly #number: number;
  readonly #onClose: () => void;
  #isClosedByPeer = false;
  #isPaused = false;

  constructor(stream: Duplex, number: number, onClose: () => void) {
    super({ allowHalfOpen: false });
    this.#stream = stream;
    this.#number = number;
    this.#onClose = onClose;
    // The other side may close at any time. The consumer notices it by the end of the stream.
    this.on('error', () => {});
  }

  /** Takes bytes from the program. While the consumer does not read, the stream of the container is paused. */
  receive(bytes: Buffer): void {
    if (this.destroyed || this.push(bytes)) return;
    this.#isPaused = true;
    this.#stream.pause();
  }

  /** Ends the connection, because the program has closed it. */
  left(): void {
    this.#isClosedByPeer = true;
    this.push(null);
  }

  override _read(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#isClosedByPeer || this.#stream.destroyed) {
      done(new Error('The program closed the connection.'));
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
    // The relay closes the connection on this frame and sends no frame in return.
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#end();
    this.#onClose();
    if (this.#isPaused) this.#stream.resume();
    done(error);
  }

  #end(): void {
    if (this.#isClosedByPeer || this.#stream.destroyed) return;
    this.#isClosedByPeer = true;
    this.#stream.write(header(this.#number, 0));
  }
}
