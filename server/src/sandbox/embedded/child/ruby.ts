import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type GuestJob, sendOutput, sleep } from './channel.ts';
import { frameKinds } from './frames.ts';
import { rubyDriver } from './ruby-driver.ts';
import { type PackageFile, type ProgramExit, type Runtime, workFolder } from './runtime.ts';

/* Types of the parts of @ruby/wasm-wasi and @bjorn3/browser_wasi_shim that are used, as in the pinned versions. */

interface RubyVm {
  eval(code: string): { toString(): string };
}
interface RubyModule {
  readonly RubyVM: {
    instantiateModule(options: {
      module: WebAssembly.Module;
      wasip1: Wasi;
      args: string[];
    }): Promise<{ vm: RubyVm; instance: WebAssembly.Instance }>;
  };
}
interface Inode {
  readonly data?: Uint8Array;
  readonly contents?: Map<string, Inode>;
}
interface Written {
  readonly ret: number;
  readonly nwritten: number;
}
interface Descriptor {
  file_pos?: bigint;
  fd_write(data: Uint8Array): Written;
}
interface Wasi {
  readonly wasiImport: Record<string, (...args: never[]) => unknown>;
}
interface Shim {
  readonly WASI: new (args: string[], env: string[], fds: unknown[], options: { debug: boolean }) => Wasi;
  readonly Fd: new () => Descriptor;
  readonly File: new (data: Uint8Array) => Inode;
  readonly OpenFile: { new (file: Inode): Descriptor; readonly prototype: Descriptor };
  readonly Directory: new (contents: Map<string, Inode>) => Inode;
  readonly PreopenDirectory: new (name: string, contents: Map<string, Inode>) => unknown;
  readonly wasi: { readonly Fdstat: new (type: number, flags: number) => unknown };
}

/** WASI's number for EFBIG. */
const errnoFileTooLarge = 22;
/** WASI's file type of a stream socket. */
const fileTypeSocket = 6;

/** Loads Ruby, ready for its program. */
export async function createRuby(packageFile: PackageFile): Promise<Runtime> {
  const load = (name: string, path: string) => import(pathToFileURL(packageFile(name, path)).href);
  const { RubyVM }: RubyModule = await load('@ruby/wasm-wasi', 'dist/esm/vm.js');
  const shim: Shim = await load('@bjorn3/browser_wasi_shim', 'dist/index.js');
  const module = await WebAssembly.compile(readFileSync(packageFile('@ruby/3.4-wasm-wasi', 'dist/ruby+stdlib.wasm')));
  const folder = (contents = new Map<string, Inode>()) => new shim.Directory(contents);
  const out = new Map<string, Inode>();
  const work = new Map<string, Inode>([['out', folder(out)]]);
  const input: { data: Uint8Array } = { data: new Uint8Array() };
  const fds = [
    reader(shim, input),
    writer(shim, frameKinds.stdout),
    writer(shim, frameKinds.stderr),
    new shim.PreopenDirectory(workFolder, work),
    new shim.PreopenDirectory('/tmp', new Map()),
  ];
  const wasi = new shim.WASI([], [], fds, { debug: false });
  let memory: WebAssembly.Memory | null = null;
  wasi.wasiImport['poll_oneoff'] = (subscriptions: number, events: number, count: number, stored: number) =>
    memory ? pollOnce(new DataView(memory.buffer), subscriptions, events, count, stored) : 0;
  const { vm, instance } = await RubyVM.instantiateModule({
    module,
    wasip1: wasi,
    args: ['ruby.wasm', '-EUTF-8', '-e_=0'],
  });
  memory = instance.exports['memory'] as WebAssembly.Memory;
  vm.eval(`eval(${literal(rubyDriver)}, TOPLEVEL_BINDING, '<devlm>', 1)`);
  const version = vm.eval('Devlm.ready').toString();
  return {
    version: `ruby.wasm (Ruby ${version})`,
    run(job) {
      prepareFiles(shim, work, job);
      input.data = job.stdin;
      // With MT_CPU=0 Minitest starts no threads, which WebAssembly does not support here.
      const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: workFolder, LANG: 'C.UTF-8', MT_CPU: '0', ...job.env };
      const { program, args, include, require } = job;
      try {
        const said = vm.eval(`Devlm.run(${literal(JSON.stringify({ program, args, include, require, env }))})`);
        const ending: ProgramExit = JSON.parse(said.toString());
        return ending;
      } catch (error) {
        return exitOf(error);
      }
    },
    artifacts: () => filesIn(out),
  };
}

/** Returns the ending for an error that ended the interpreter itself. */
function exitOf(error: unknown): ProgramExit {
  if (error instanceof Error && 'code' in error && typeof error.code === 'number') {
    // `exit!`
    return { exitCode: error.code & 255, outOfMemory: false };
  }
  const text = error instanceof Error ? error.message : String(error);
  const isStackOverflow = error instanceof RangeError && /call stack/i.test(text);
  const outOfMemory = /NoMemoryError|failed to allocate memory|out of memory/i.test(text);
  const said = isStackOverflow ? 'stack level too deep (SystemStackError)' : text.slice(0, 4000);
  sendOutput(frameKinds.stderr, Buffer.from(`${said}\n`));
  return { exitCode: 1, outOfMemory };
}

/** Returns a Ruby expression for a string. */
function literal(text: string): string {
  return `'${Buffer.from(text).toString('base64')}'.unpack1('m').force_encoding('UTF-8')`;
}

function writer(shim: Shim, kind: typeof frameKinds.stdout | typeof frameKinds.stderr): Descriptor {
  return Object.assign(new shim.Fd(), {
    fd_fdstat_get: () => ({ ret: 0, fdstat: new shim.wasi.Fdstat(fileTypeSocket, 0) }),
    fd_write: (data: Uint8Array) => {
      sendOutput(kind, data);
      return { ret: 0, nwritten: data.length };
    },
  });
}

function reader(shim: Shim, input: { data: Uint8Array }): Descriptor {
  return Object.assign(new shim.Fd(), {
    fd_fdstat_get: () => ({ ret: 0, fdstat: new shim.wasi.Fdstat(fileTypeSocket, 0) }),
    fd_read: (size: number) => {
      const data = input.data.subarray(0, size);
      input.data = input.data.subarray(size);
      return { ret: 0, data };
    },
  });
}

/** Implements WASI's poll_oneoff by sleeping, because the shim would busy-wait. The layouts are those of WASI. */
function pollOnce(view: DataView, subscriptions: number, events: number, count: number, stored: number): number {
  let shortest = Number.POSITIVE_INFINITY;
  let chosen = subscriptions;
  for (let i = 0; i < count; i++) {
    const at = subscriptions + i * 48;
    // A subscription to a file is ready at once.
    const isClock = view.getUint8(at + 8) === 0;
    const absolute = isClock && (view.getUint16(at + 40, true) & 1) === 1;
    const timeout = isClock ? Number(view.getBigUint64(at + 24, true)) / 1e6 : 0;
    const now = view.getUint32(at + 16, true) === 0 ? Date.now() : performance.now();
    const wait = absolute ? timeout - now : timeout;
    if (wait < shortest) {
      shortest = wait;
      chosen = at;
    }
  }
  sleep(shortest);
  view.setBigUint64(events, view.getBigUint64(chosen, true), true);
  view.setUint16(events + 8, 0, true);
  view.setUint8(events + 10, view.getUint8(chosen + 8));
  view.setUint32(stored, 1, true);
  return 0;
}

function prepareFiles(shim: Shim, work: Map<string, Inode>, job: GuestJob): void {
  for (const [path, data] of job.contents) {
    const names = path.split('/');
    const last = names.pop() ?? '';
    let contents = work;
    for (const name of names) {
      const next = contents.get(name)?.contents ?? new Map<string, Inode>();
      if (!contents.has(name)) contents.set(name, new shim.Directory(next));
      contents = next;
    }
    contents.set(last, new shim.File(data));
  }
  const write = shim.OpenFile.prototype.fd_write;
  shim.OpenFile.prototype.fd_write = function (data) {
    if (Number(this.file_pos ?? 0n) + data.length > job.limits.fileBytes)
      return { ret: errnoFileTooLarge, nwritten: 0 };
    return write.call(this, data);
  };
}

function* filesIn(contents: ReadonlyMap<string, Inode>, below = ''): Iterable<readonly [string, Uint8Array]> {
  for (const [name, inode] of [...contents].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (inode.contents) yield* filesIn(inode.contents, `${below}${name}/`);
    else if (inode.data) yield [below + name, inode.data];
  }
}
