import { connect } from 'node:net';

/** A request that is sent exactly as written. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  /** Header lines without line ends. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** Returns the bytes of a request that asks the server to close the connection after its response. */
export function bytesOf(host: string, { method = 'GET', path, headers = [], body }: RawRequest): string {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...length, ...headers];
  return `${head.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

/** Sends bytes to a port of this machine. Returns everything received until the server closes the connection. */
export function exchange(port: number, bytes: string, timeoutMs = 30_000): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  const received = () => Buffer.concat(chunks).toString();
  const timer = setTimeout(() => {
    socket.destroy();
    reject(new Error(`still open after ${timeoutMs} ms: ${received().slice(0, 500)}`));
  }, timeoutMs);
  socket.on('data', (chunk) => chunks.push(chunk));
  // The server may close the connection before it has read everything.
  socket.on('error', () => {});
  socket.on('close', () => {
    clearTimeout(timer);
    resolve(received());
  });
  socket.write(bytes);
  return promise;
}

/** Returns the status of each response in a server's output. */
export function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/** Returns the body of the last response. */
export function bodyOf(text: string): string {
  return text.slice(text.lastIndexOf('\r\n\r\n') + 4);
}
