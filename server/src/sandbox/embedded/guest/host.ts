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
  decode(data: ArrayBufferLike, encoding: string): Pieces;
  encode(text: Data, encoding: string): ArrayBuffer;
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

/** Values of `errno` in Node's file system errors on Linux, by error code. */
const errorNumbers: Readonly<Record<string, number>> = {
  ...{
    ENOENT: -2,
    EBADF: -9,
    EEXIST: -17,
    ENOTDIR: -20,
    EISDIR: -21,
    EINVAL: -22,
    EFBIG: -27,
    ENOSPC: -28,
    EROFS: -30,
  },
  ...{ ENOTEMPTY: -39 },
};

/** Adds the properties of Node's errors to an error of the host: a code and, for the file system, the call and path. */
export function coded(error: unknown): unknown {
  if (!(error instanceof Error) || !/^E[A-Z_]+$/.test(error.name)) return error;
  const { name: code } = error;
  const [, syscall, path] = /, (\w+)(?: '(.*)')?$/s.exec(error.message) ?? [];
  Reflect.deleteProperty(error, 'name');
  const errno = errorNumbers[code];
  return Object.assign(
    error,
    errno === undefined ? { code } : { errno, code, syscall, ...(path === undefined ? {} : { path }) },
  );
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

/** Returns the bytes of a string. */
export function encode(text: string, encoding = 'utf8'): Uint8Array {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  if (!whole.includes('\0')) return new Uint8Array(host.encode(whole, encoding));
  const pieces = whole.split('\0').map((piece) => new Uint8Array(host.encode(piece, 'utf8')));
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length + 1, -1));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length + 1;
  }
  return encoding === 'utf8' ? bytes : new Uint8Array(host.encode(bytes.buffer, encoding));
}

/** Returns bytes as a string. */
export function decode(data: Uint8Array, encoding = 'utf8'): string {
  return Array.from(host.decode(exact(data), encoding)).join('\0');
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
