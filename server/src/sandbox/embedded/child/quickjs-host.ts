import { createHash, randomBytes } from 'node:crypto';
import { sendOutput, sleep } from './channel.ts';
import { frameKinds } from './frames.ts';
import { FsError, type MemoryFs } from './memory-fs.ts';
import { type GuestModules, normalize, sourceOf } from './quickjs-modules.ts';
import type { Handle, QuickJsContext } from './quickjs-types.ts';

/** State of a QuickJS program outside of QuickJS. */
export interface GuestState {
  /** Exit code that the program passed to `process.exit`, or null. */
  exitCode: number | null;
  fs: MemoryFs;
  stdin: Uint8Array;
  task: string;
}

type HostValue = string | number | boolean | null | undefined | Uint8Array | string[];

/**
 * Returns the host object with the functions that the guest library is built on. They are the only way out of QuickJS.
 * Strings are passed as strings and bytes as ArrayBuffers. An error becomes an error of the guest with the same code.
 */
export function createHost(context: QuickJsContext, state: GuestState, modules: GuestModules): Handle {
  const text = (value: HostValue) => (typeof value === 'string' ? value : '');
  const bytes = (value: HostValue) => (value instanceof Uint8Array ? value : Buffer.from(text(value)));
  const functions: Record<string, (...args: HostValue[]) => unknown> = {
    write(fd, data) {
      if (state.exitCode === null) sendOutput(fd === 2 ? frameKinds.stderr : frameKinds.stdout, bytes(data));
    },
    stdin(maxBytes) {
      const piece = state.stdin.subarray(0, typeof maxBytes === 'number' ? maxBytes : state.stdin.length);
      state.stdin = state.stdin.subarray(piece.length);
      return piece;
    },
    task: () => state.task,
    exit(code) {
      state.exitCode = Number(code) & 255;
    },
    sleep: (ms) => sleep(Number(ms)),
    now: () => performance.now(),
    random: (count) => randomBytes(Math.min(Number(count), 65_536)),
    hash: (algorithm, data) => createHash(text(algorithm)).update(bytes(data)).digest(),
    // A string is cut at U+0000 on its way in or out of QuickJS, so the guest library joins the pieces.
    decode: (data, encoding) => Buffer.from(bytes(data)).toString(encodingOf(encoding)).split('\0'),
    encode: (data, encoding) =>
      Buffer.from(typeof data === 'string' ? data : Buffer.from(bytes(data)).toString(), encodingOf(encoding)),
    url: (href, base) => JSON.stringify(urlParts(text(href), text(base) || undefined)),
    resolve: (base, name) => normalize(text(base), text(name), modules, state.fs),
    source: (name) => sourceOf(text(name), modules, state.fs, true),
    builtins: () => [...modules.sources.keys()],
    read: (path) => state.fs.read(text(path)),
    store: (path, data, append) => state.fs.write(text(path), bytes(data), append === true),
    mkdir: (path, recursive) => state.fs.mkdir(text(path), recursive === true),
    readdir: (path) => JSON.stringify(state.fs.readdir(text(path))),
    stat: (path) => JSON.stringify(state.fs.stat(text(path))),
    isFile: (path) => state.fs.isFile(text(path)),
    remove: (path, recursive) => state.fs.remove(text(path), recursive === true),
    rename: (from, to) => state.fs.rename(text(from), text(to)),
  };
  const host = context.newObject();
  for (const [name, act] of Object.entries(functions)) {
    const made = context.newFunction(name, (...handles) => {
      try {
        return give(context, act(...handles.map((handle) => take(context, handle))));
      } catch (error) {
        const code = error instanceof FsError ? error.code : '';
        return {
          error: context.newError({ name: code || 'Error', message: error instanceof Error ? error.message : '' }),
        };
      }
    });
    context.setProp(host, name, made);
    made.dispose();
  }
  return host;
}

const encodingOf = (name: HostValue): BufferEncoding =>
  typeof name === 'string' && Buffer.isEncoding(name) ? name : 'utf8';

function take(context: QuickJsContext, handle: Handle): HostValue {
  const type = context.typeof(handle);
  if (type === 'string') return context.getString(handle);
  if (type === 'number') return context.getNumber(handle);
  if (type === 'boolean') return context.dump(handle) === true;
  if (type !== 'object') return undefined;
  const data = context.getArrayBuffer(handle);
  const copy = Uint8Array.from(data.value);
  data.dispose();
  return copy;
}

function give(context: QuickJsContext, value: unknown): Handle {
  if (typeof value === 'string') return context.newString(value);
  if (typeof value === 'number') return context.newNumber(value);
  if (typeof value === 'boolean') return context.newNumber(value ? 1 : 0);
  if (value instanceof Uint8Array) return context.newArrayBuffer(Uint8Array.from(value).buffer);
  if (Array.isArray(value)) {
    const list = context.newObject();
    context.setProp(list, 'length', context.newNumber(value.length));
    for (const [i, item] of value.entries()) context.setProp(list, String(i), context.newString(item));
    return list;
  }
  return context.undefined;
}

function urlParts(href: string, base: string | undefined): object {
  const {
    href: whole,
    protocol,
    username,
    password,
    host,
    hostname,
    port,
    pathname,
    search,
    hash,
    origin,
  } = new URL(href, base);
  return { href: whole, protocol, username, password, host, hostname, port, pathname, search, hash, origin };
}
