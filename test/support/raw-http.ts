import { connect } from 'node:net';

/** A request of which every byte is as it is written here. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  /** Lines without their ends. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** The bytes of a request that asks for the connection to be closed after its answer. */
export function bytesOf(host: string, { method = 'GET', path, headers = [], body }: RawRequest): string {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...length, ...headers];
  return `${head.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

/** Sends bytes to a port of this machine. Answers all that came until the server closed the connection. */
export function exchange(port: number, bytes: string, timeoutMs = 30_000): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  const heard = () => Buffer.concat(chunks).toString();
  const timer = setTimeout(() => {
    socket.destroy();
    reject(new Error(`still open after ${timeoutMs} ms: ${heard().slice(0, 500)}`));
  }, timeoutMs);
  socket.on('data', (chunk) => chunks.push(chunk));
  // A server may close before it has read everything.
  socket.on('error', () => {});
  socket.on('close', () => {
    clearTimeout(timer);
    resolve(heard());
  });
  socket.write(bytes);
  return promise;
}

/** The status of each answer in what a server sent. */
export function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/** Of the last answer. */
export function bodyOf(text: string): string {
  return text.slice(text.lastIndexOf('\r\n\r\n') + 4);
}
