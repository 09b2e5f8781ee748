/* Functions that lead out of the guest. All other modules in this folder are built on them. */

type Data = string | ArrayBufferLike;
interface Pieces {
  readonly length: number;
  readonly [index: number]: string;
}

interface Host {
  write(fd: number, data: Data): void;
  stdin(most?: number): ArrayBuffer;
  task(): string;
  exit(code: number): void;
  sleep(ms: number): void;
  /** Returns the time of a monotonic clock, in milliseconds. */
  now(): number;
  random(count: number): ArrayBuffer;
  hash(algorithm: string, data: Data): ArrayBuffer;
  decode(data: ArrayBufferLike): Pieces;
  encode(text: string): ArrayBuffer;
  url(href: string, base: string): string;
  resolve(base: string, name: string): string;
  source(name: string): string;
  builtins(): Pieces;
  read(path: string): ArrayBuffer;
  store(path: string, data: Data, append: boolean): void;
  mkdir(path: string, recursive: boolean): void;
  readdir(path: string): string;
  stat(path: string): string;
  isFile(path: string): number;
  remove(path: string, recursive: boolean): void;
  rename(from: string, to: string): void;
}

const given = (globalThis as unknown as { __devlm: Host }).__devlm;

/** Adds a code to an error of the host, as Node's errors have. */
export function coded(error: unknown): unknown {
  if (error instanceof Error && /^E[A-Z_]+$/.test(error.name) && error.name !== 'Error') {
    Object.defineProperty(error, 'code', { value: error.name, enumerable: true });
    error.name = 'Error';
  }
  return error;
}

/** Host functions, whose errors have codes as in Node. */
export const host = Object.fromEntries(
  Object.entries(given).map(([name, act]) => [
    name,
    (...args: unknown[]) => {
      try {
        return (act as (...args: unknown[]) => unknown)(...args);
      } catch (error) {
        throw coded(error);
      }
    },
  ]),
) as unknown as Host;

/** Returns the UTF-8 bytes of a string. */
export function encode(text: string): Uint8Array {
  if (!text.includes('\0')) return new Uint8Array(host.encode(text));
  const pieces = text.split('\0').map((piece) => new Uint8Array(host.encode(piece)));
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length + 1, -1));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length + 1;
  }
  return whole;
}

/** Returns the string of UTF-8 bytes. */
export function decode(data: Uint8Array): string {
  return Array.from(host.decode(exact(data))).join('\0');
}

/** Returns a buffer with exactly the bytes of a view. */
export function exact(data: Uint8Array): ArrayBufferLike {
  return data.byteLength === data.buffer.byteLength
    ? data.buffer
    : data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
}

/** Converts data for a host function. A string without U+0000 is passed as it is, because others would be cut. */
export function toData(data: unknown): Data {
  if (typeof data === 'string') return data.includes('\0') ? exact(encode(data)) : data;
  if (ArrayBuffer.isView(data)) return exact(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (data instanceof ArrayBuffer) return data;
  throw new TypeError('The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView');
}
