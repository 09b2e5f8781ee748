import { Buffer } from './buffer.ts';
import { coded, exact, host, toData } from './host.ts';
import { resolve } from './path.ts';
import { cwd } from './state.ts';

/* `node:fs` on the in-memory file system of the host. The asynchronous functions call the synchronous ones. */

type Path = string | URL | Uint8Array;
type Options =
  | BufferEncoding
  | { encoding?: BufferEncoding | null; flag?: string; recursive?: boolean; force?: boolean; withFileTypes?: boolean }
  | null
  | undefined;

function full(path: Path): string {
  const text = path instanceof Uint8Array ? Buffer.from(path).toString() : String(path);
  return resolve(cwd(), text.startsWith('file://') ? decodeURIComponent(text.slice(7)) : text);
}
const option = (options: Options) => (typeof options === 'string' ? { encoding: options } : (options ?? {}));

/** Open files with their path and read position. */
const open = new Map<number, { path: string; at: number }>();
let lastFd = 2;

export function readFileSync(path: Path | number, options?: Options): Buffer | string {
  const { encoding } = option(options);
  const isInput = path === 0 || path === '/dev/stdin';
  const data = isInput ? host.stdin() : host.read(typeof path === 'number' ? fileOf(path).path : full(path));
  const whole = Buffer.from(data);
  return encoding ? whole.toString(encoding) : whole;
}
export function writeFileSync(path: Path | number, data: unknown, options?: Options): void {
  if (path === 1 || path === 2 || path === '/dev/stdout' || path === '/dev/stderr') {
    host.write(path === 2 || path === '/dev/stderr' ? 2 : 1, toData(data));
    return;
  }
  const { flag = 'w' } = option(options);
  const name = typeof path === 'number' ? fileOf(path).path : full(path);
  if (flag.includes('x') && existsSync(name)) throw failure('EEXIST', `file already exists, open '${name}'`);
  host.store(name, toData(data), flag.startsWith('a') || typeof path === 'number');
}
export function appendFileSync(path: Path, data: unknown): void {
  writeFileSync(path, data, { flag: 'a' });
}
export function existsSync(path: Path): boolean {
  try {
    host.stat(full(path));
    return true;
  } catch {
    return false;
  }
}
export function mkdirSync(path: Path, options?: Options): void {
  host.mkdir(full(path), option(options).recursive ?? false);
}
export function readdirSync(path: Path, options?: Options): unknown[] {
  const list: { name: string; folder: boolean }[] = JSON.parse(host.readdir(full(path)));
  const { withFileTypes, recursive } = option(options);
  const found = list.map(({ name, folder }) =>
    withFileTypes
      ? { name, parentPath: full(path), isFile: () => !folder, isDirectory: () => folder, isSymbolicLink: () => false }
      : name,
  );
  if (!recursive || withFileTypes) return found;
  return list.flatMap(({ name, folder }) =>
    folder
      ? [name, ...readdirSync(`${full(path)}/${name}`, { recursive }).map((below) => `${name}/${String(below)}`)]
      : [name],
  );
}
export function statSync(path: Path, options?: { throwIfNoEntry?: boolean }): unknown {
  if (options?.throwIfNoEntry === false && !existsSync(path)) return undefined;
  const { folder, size, mtime }: { folder: boolean; size: number; mtime: number } = JSON.parse(host.stat(full(path)));
  const date = new Date(mtime);
  return {
    size,
    mode: folder ? 0o40755 : 0o100644,
    mtimeMs: mtime,
    mtime: date,
    ctime: date,
    atime: date,
    birthtime: date,
    isFile: () => !folder,
    isDirectory: () => folder,
    isSymbolicLink: () => false,
  };
}
export const lstatSync = statSync;
export function accessSync(path: Path): void {
  host.stat(full(path));
}
export function rmSync(path: Path, options?: Options): void {
  const { force = false, recursive = false } = option(options);
  if (force && !existsSync(path)) return;
  host.remove(full(path), recursive);
}
export function unlinkSync(path: Path): void {
  host.remove(full(path), false);
}
export const rmdirSync = rmSync;
export function renameSync(from: Path, to: Path): void {
  host.rename(full(from), full(to));
}
export function copyFileSync(from: Path, to: Path): void {
  host.store(full(to), host.read(full(from)), false);
}
export const realpathSync = (path: Path): string => {
  accessSync(path);
  return full(path);
};
export function mkdtempSync(prefix: string): string {
  const path = full(prefix + Buffer.from(host.random(4)).toString('hex').slice(0, 6));
  host.mkdir(path, false);
  return path;
}
export function openSync(path: Path, flags = 'r'): number {
  const name = full(path);
  if (flags.startsWith('r')) accessSync(name);
  else writeFileSync(name, '', { flag: flags.startsWith('a') ? 'a' : flags });
  open.set(++lastFd, { path: name, at: 0 });
  return lastFd;
}
export function closeSync(fd: number): void {
  if (fd > 2 && !open.delete(fd)) throw failure('EBADF', 'bad file descriptor, close');
}
export function readSync(
  fd: number,
  target: Uint8Array,
  offset = 0,
  length = target.length - offset,
  position: number | null = null,
): number {
  if (fd === 0) {
    const data = new Uint8Array(host.stdin(length));
    target.set(data, offset);
    return data.length;
  }
  const file = fileOf(fd);
  const at = position ?? file.at;
  const data = new Uint8Array(host.read(file.path)).subarray(at, at + length);
  target.set(data, offset);
  if (position === null) file.at += data.length;
  return data.length;
}
export function writeSync(fd: number, data: unknown, offset?: number, length?: number): number {
  const whole = toData(data);
  const piece =
    typeof whole === 'string' || typeof offset !== 'number'
      ? whole
      : exact(new Uint8Array(whole).subarray(offset, length === undefined ? undefined : offset + length));
  if (fd === 1 || fd === 2) host.write(fd, piece);
  else host.store(fileOf(fd).path, piece, true);
  return typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength;
}

function fileOf(fd: number): { path: string; at: number } {
  const file = open.get(fd);
  if (!file) throw failure('EBADF', 'bad file descriptor');
  return file;
}
function failure(code: string, what: string): Error {
  const error = new Error(`${code}: ${what}`);
  error.name = code;
  return coded(error) as Error;
}

type Back = (error: unknown, value?: unknown) => void;
const later =
  (act: (...args: never[]) => unknown) =>
  (...args: unknown[]) => {
    const back = args.pop() as Back;
    const given = args as never[];
    Promise.resolve().then(() => {
      let value: unknown;
      try {
        value = act(...given);
      } catch (error) {
        back(error);
        return;
      }
      back(null, value);
    });
  };
export const readFile = later(readFileSync as never);
export const writeFile = later(writeFileSync as never);
export const appendFile = later(appendFileSync as never);
export const mkdir = later(mkdirSync as never);
export const readdir = later(readdirSync as never);
export const stat = later(statSync as never);
export const lstat = stat;
export const access = later(accessSync as never);
export const rm = later(rmSync as never);
export const unlink = later(unlinkSync as never);
export const rename = later(renameSync as never);
export const copyFile = later(copyFileSync as never);
export const mkdtemp = later(mkdtempSync as never);
export const constants = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 };

const soon =
  (act: (...args: never[]) => unknown) =>
  async (...args: unknown[]) =>
    act(...(args as never[]));
export const promises = {
  readFile: soon(readFileSync as never),
  writeFile: soon(writeFileSync as never),
  appendFile: soon(appendFileSync as never),
  mkdir: soon(mkdirSync as never),
  readdir: soon(readdirSync as never),
  stat: soon(statSync as never),
  lstat: soon(lstatSync as never),
  access: soon(accessSync as never),
  rm: soon(rmSync as never),
  rmdir: soon(rmdirSync as never),
  unlink: soon(unlinkSync as never),
  rename: soon(renameSync as never),
  copyFile: soon(copyFileSync as never),
  mkdtemp: soon(mkdtempSync as never),
  realpath: soon(realpathSync as never),
  constants,
};
export default {
  ...{
    readFileSync,
    writeFileSync,
    appendFileSync,
    existsSync,
    mkdirSync,
    readdirSync,
    statSync,
    lstatSync,
    accessSync,
  },
  ...{
    rmSync,
    unlinkSync,
    rmdirSync,
    renameSync,
    copyFileSync,
    realpathSync,
    mkdtempSync,
    openSync,
    closeSync,
    readSync,
  },
  ...{ writeSync, readFile, writeFile, appendFile, mkdir, readdir, stat, lstat, access, rm, unlink, rename, copyFile },
  ...{ mkdtemp, constants, promises },
};
