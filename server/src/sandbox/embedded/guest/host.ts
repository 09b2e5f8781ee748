/* What leads out of the guest. Everything else in this folder stands on it. */

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
  /** Milliseconds, of a clock that only goes forward. */
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

/** An error with a code, as Node's are. */
export function coded(error: unknown): unknown {
  if (error instanceof Error && /^E[A-Z_]+$/.test(error.name) && error.name !== 'Error') {
    Object.defineProperty(error, 'code', { value: error.name, enumerable: true });
    error.name = 'Error';
  }
  return error;
}

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

export function decode(data: Uint8Array): string {
  return Array.from(host.decode(exact(data))).join('\0');
}

/** The bytes of a view, and no others of its buffer. */
export function exact(data: Uint8Array): ArrayBufferLike {
  return data.byteLength === data.buffer.byteLength
    ? data.buffer
    : data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
}

/** What a write takes: texts as they are, where they come through whole. */
export function toData(data: unknown): Data {
  if (typeof data === 'string') return data.includes('\0') ? exact(encode(data)) : data;
  if (ArrayBuffer.isView(data)) return exact(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (data instanceof ArrayBuffer) return data;
  throw new TypeError('The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView');
}
