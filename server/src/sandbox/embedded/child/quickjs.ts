import { pathToFileURL } from 'node:url';
import { type GuestJob, sendOutput, sleep } from './channel.ts';
import { type ChildSettings, frameKinds } from './frames.ts';
import { MemoryFs } from './memory-fs.ts';
import { createHost, type GuestState } from './quickjs-host.ts';
import { type GuestModules, loadGuestModules, normalize, sourceOf, warmTypeScript } from './quickjs-modules.ts';
import type { Core, Handle, JsRuntime, QuickJsContext } from './quickjs-types.ts';
import { outFolder, type PackageFile, type ProgramExit, type Runtime, workFolder } from './runtime.ts';

/** Stack limit of QuickJS, in bytes. It throws at this limit; an overflow of WebAssembly's stack would end the child. */
const stackBytes = process.platform === 'win32' ? 96 * 1024 : 320 * 1024;

/** Prefix of a resolved name that carries the error message of a failed resolution. */
const unresolved = 'unresolved:';

/** Functions of the guest library that run a program (see `guest/start.ts`). */
interface GuestLoop {
  readonly begin: Handle;
  readonly next: Handle;
  readonly fire: Handle;
  readonly finish: Handle;
}

/**
 * Loads QuickJS with the guest library, ready for its program.
 *
 * @param guest folders of the guest library
 * @param typescript whether the program will be TypeScript, whose compiler is loaded as well
 */
export async function createQuickjs(
  guest: ChildSettings['guest'],
  typescript: boolean,
  packageFile: PackageFile,
): Promise<Runtime> {
  const load = (name: string, path: string) => import(pathToFileURL(packageFile(name, path)).href);
  const core: Core = await load('quickjs-emscripten-core', 'dist/index.mjs');
  const variant = await load('@jitl/quickjs-wasmfile-release-sync', 'dist/index.mjs');
  const module = await core.newQuickJSWASMModuleFromVariant(variant.default);
  const runtime = module.newRuntime();
  runtime.setMaxStackSize(stackBytes);
  const context = runtime.newContext();
  const state: GuestState = { exitCode: null, fs: new MemoryFs(0, 0), stdin: new Uint8Array(), task: '' };
  runtime.setInterruptHandler(() => state.exitCode !== null);
  const modules = loadGuestModules(guest.modules, guest.packages);
  if (typescript) warmTypeScript();
  setModuleLoader(runtime, modules, state);
  const loop = startGuest(runtime, context, createHost(context, state, modules));
  return new QuickjsRuntime(runtime, context, state, loop);
}

function setModuleLoader(runtime: JsRuntime, modules: GuestModules, state: GuestState): void {
  const guarded = (act: () => string): string | { error: Error } => {
    try {
      return act();
    } catch (error) {
      return { error: error instanceof Error ? error : new Error(String(error)) };
    }
  };
  runtime.setModuleLoader(
    (name) => guarded(() => loadable(name, () => sourceOf(name, modules, state.fs))),
    // An error thrown here would lose its message, so the loader throws it instead.
    (base, name) => {
      const full = guarded(() => normalize(base, name, modules, state.fs));
      return typeof full === 'string' ? full : `${unresolved}${full.error.message}`;
    },
  );
}

/** Runs the guest library, and removes the globals that only the library may use. */
function startGuest(runtime: JsRuntime, context: QuickJsContext, host: Handle): GuestLoop {
  context.setProp(context.global, '__devlm', host);
  const started = context.evalCode('import "devlm:start";', 'devlm:boot', { type: 'module' });
  if (started.error) throw new Error(`QuickJS did not start: ${JSON.stringify(context.dump(started.error))}`);
  started.value.dispose();
  runtime.executePendingJobs();
  const take = (name: string): Handle => context.getProp(context.getProp(context.global, '__devlmLoop'), name);
  const loop = { begin: take('begin'), next: take('next'), fire: take('fire'), finish: take('finish') };
  const cleared = context.evalCode('delete globalThis.__devlm; delete globalThis.__devlmLoop; "QuickJS"', 'devlm:boot');
  if (cleared.error) throw new Error('QuickJS did not start');
  return loop;
}

class QuickjsRuntime implements Runtime {
  readonly version = 'quickjs 2025-09-13';
  readonly #runtime: JsRuntime;
  readonly #context: QuickJsContext;
  readonly #state: GuestState;
  readonly #loop: GuestLoop;

  constructor(runtime: JsRuntime, context: QuickJsContext, state: GuestState, loop: GuestLoop) {
    this.#runtime = runtime;
    this.#context = context;
    this.#state = state;
    this.#loop = loop;
  }

  run(job: GuestJob): ProgramExit {
    const state = this.#state;
    state.fs = new MemoryFs(job.limits.fileBytes, job.limits.memoryBytes);
    prepareFiles(state.fs, job);
    state.stdin = job.stdin;
    const { program, args, env } = job;
    state.task = JSON.stringify({ program, args, env });
    try {
      return this.#runProgram();
    } catch (error) {
      return crashOf(error, state);
    }
  }

  artifacts(): (readonly [path: string, data: Uint8Array])[] {
    return [...this.#state.fs.below(outFolder)].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Runs the program and its timers until no timer is left. */
  #runProgram(): ProgramExit {
    const context = this.#context;
    const began = this.#call(this.#loop.begin);
    if ('ending' in began) return began.ending;
    for (;;) {
      const next = this.#call(this.#loop.next);
      if ('ending' in next) return next.ending;
      const main = context.getPromiseState(began.value);
      if (main.type === 'rejected') return this.#exitOf(main.error);
      const wait = context.typeof(next.value) === 'number' ? context.getNumber(next.value) : null;
      if (wait === null) {
        if (main.type !== 'pending') break;
        sendOutput(frameKinds.stderr, Buffer.from('Warning: Detected unsettled top-level await\n'));
        return { exitCode: 13, outOfMemory: false };
      }
      sleep(wait);
      const fired = this.#call(this.#loop.fire);
      if ('ending' in fired) return fired.ending;
    }
    const finished = this.#call(this.#loop.finish);
    if ('ending' in finished) return finished.ending;
    return { exitCode: context.getNumber(finished.value) & 255, outOfMemory: false };
  }

  /** Calls a function of the guest. Returns its value, or the ending if the program ended. */
  #call(fn: Handle): { value: Handle } | { ending: ProgramExit } {
    const result = this.#context.callFunction(fn, this.#context.undefined);
    if (result.error) return { ending: this.#exitOf(result.error) };
    const jobs = this.#runtime.executePendingJobs();
    if (jobs.error) return { ending: this.#exitOf(jobs.error) };
    const { exitCode } = this.#state;
    if (exitCode !== null) return { ending: { exitCode, outOfMemory: false } };
    return { value: result.value };
  }

  /** Returns the ending of a program that threw. An uncaught error is printed and results in exit code 1. */
  #exitOf(error: Handle): ProgramExit {
    const { exitCode } = this.#state;
    if (exitCode !== null) return { exitCode, outOfMemory: false };
    const shown = describe(this.#context, error);
    sendOutput(frameKinds.stderr, Buffer.from(`${shown.text}\n`));
    return { exitCode: shown.outOfMemory ? 134 : 1, outOfMemory: shown.outOfMemory };
  }
}

function loadable(name: string, load: () => string): string {
  if (name.startsWith(unresolved)) throw new Error(name.slice(unresolved.length));
  return load();
}

/** Returns the ending for an error of the interpreter itself. */
function crashOf(error: unknown, state: GuestState): ProgramExit {
  if (state.exitCode !== null) return { exitCode: state.exitCode, outOfMemory: false };
  const text = error instanceof Error ? error.message : String(error);
  const isStackOverflow = error instanceof RangeError && /call stack/i.test(text);
  const outOfMemory = !isStackOverflow && /memory|allocation failed|null function|unreachable/i.test(text);
  const said = isStackOverflow ? 'RangeError: Maximum call stack size exceeded' : text.slice(0, 1000);
  sendOutput(frameKinds.stderr, Buffer.from(`${said}\n`));
  return { exitCode: 1, outOfMemory };
}

function describe(context: QuickJsContext, error: Handle): { text: string; outOfMemory: boolean } {
  const dumped: unknown = context.dump(error);
  if (typeof dumped !== 'object' || dumped === null) {
    // A null means that there was no memory left for the error object.
    if (dumped === null) return { text: 'InternalError: out of memory', outOfMemory: true };
    return { text: String(dumped), outOfMemory: false };
  }
  const { name, message, stack } = dumped as { name?: unknown; message?: unknown; stack?: unknown };
  const head = `${String(name ?? 'Error')}: ${String(message ?? JSON.stringify(dumped))}`;
  const outOfMemory = name === 'InternalError' && message === 'out of memory';
  return { text: `${head}\n${ownFrames(String(stack ?? ''))}`.trimEnd(), outOfMemory };
}

/** Returns a stack without the library's frames, with at most ten frames as in Node. */
function ownFrames(stack: string): string {
  const lines = stack.split('\n').filter((line) => line.trim() !== '' && !line.includes('(devlm:'));
  return lines.slice(0, 10).join('\n');
}

function prepareFiles(fs: MemoryFs, job: GuestJob): void {
  fs.mkdir('/tmp', true);
  fs.mkdir(outFolder, true);
  for (const [path, data] of job.contents) {
    const full = `${workFolder}/${path}`;
    fs.mkdir(full.slice(0, full.lastIndexOf('/')), true);
    fs.write(full, data);
  }
}
