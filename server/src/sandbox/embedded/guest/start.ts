import { atob, Buffer, btoa } from './buffer.ts';
import { console } from './console.ts';
import { webcrypto } from './crypto.ts';
import { host } from './host.ts';
import { performance } from './perf-hooks.ts';
import { process } from './process.ts';
import { namespaces, requireOf } from './require.ts';
import { runAll } from './test.ts';
import * as timers from './timers.ts';
import { URL, URLSearchParams } from './url.ts';
import { TextDecoder, TextEncoder } from './util.ts';

/* Defines the globals of a program, then runs the program when the host calls `begin`. */

class EventTarget {
  readonly #listeners = new Map<string, Set<(event: unknown) => void>>();
  addEventListener(name: string, listener: (event: unknown) => void): void {
    this.#listeners.set(name, (this.#listeners.get(name) ?? new Set()).add(listener));
  }
  removeEventListener(name: string, listener: (event: unknown) => void): void {
    this.#listeners.get(name)?.delete(listener);
  }
  dispatchEvent(event: { type: string }): boolean {
    for (const listener of this.#listeners.get(event.type) ?? []) listener.call(this, event);
    return true;
  }
}
class Event {
  readonly type: string;
  constructor(type: string) {
    this.type = type;
  }
}
class AbortSignal extends EventTarget {
  aborted = false;
  reason: unknown = undefined;
  onabort: ((event: unknown) => void) | null = null;
  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }
  static timeout(ms: number): AbortSignal {
    const controller = new AbortController();
    timers
      .setTimeout(() => controller.abort(named('The operation was aborted due to timeout', 'TimeoutError')), ms)
      .unref();
    return controller.signal;
  }
  static abort(reason?: unknown): AbortSignal {
    const controller = new AbortController();
    controller.abort(reason);
    return controller.signal;
  }
}
class AbortController {
  readonly signal = new AbortSignal();
  abort(reason: unknown = named('This operation was aborted', 'AbortError')): void {
    if (this.signal.aborted) return;
    this.signal.aborted = true;
    this.signal.reason = reason;
    const event = new Event('abort');
    this.signal.onabort?.(event);
    this.signal.dispatchEvent(event);
  }
}
const named = (message: string, name: string) => Object.assign(new Error(message), { name });

function structuredClone(value: unknown, seen = new Map<unknown, unknown>()): unknown {
  if (typeof value === 'function' || typeof value === 'symbol')
    throw named(`${String(value)} could not be cloned.`, 'DataCloneError');
  if (typeof value !== 'object' || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const keep = <T>(copy: T): T => {
    seen.set(value, copy);
    return copy;
  };
  if (value instanceof Date) return keep(new Date(value));
  if (value instanceof RegExp) return keep(new RegExp(value));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (ArrayBuffer.isView(value)) return keep((value as Uint8Array).slice());
  if (value instanceof Map) {
    const copy = keep(new Map());
    for (const [key, item] of value) copy.set(structuredClone(key, seen), structuredClone(item, seen));
    return copy;
  }
  if (value instanceof Set) {
    const copy = keep(new Set());
    for (const item of value) copy.add(structuredClone(item, seen));
    return copy;
  }
  if (value instanceof Error) return keep(Object.assign(new Error(value.message), { name: value.name }));
  const copy = keep<Record<string, unknown>>(Array.isArray(value) ? ([] as unknown as Record<string, unknown>) : {});
  for (const [key, item] of Object.entries(value)) copy[key] = structuredClone(item, seen);
  return copy;
}

const world: Record<string, unknown> = {
  ...{ console, process, Buffer, atob, btoa, performance, URL, URLSearchParams, TextEncoder, TextDecoder },
  ...{ EventTarget, Event, AbortController, AbortSignal, crypto: webcrypto },
  setTimeout: timers.setTimeout,
  setInterval: timers.setInterval,
  setImmediate: timers.setImmediate,
  clearTimeout: timers.clearTimeout,
  clearInterval: timers.clearInterval,
  clearImmediate: timers.clearImmediate,
  queueMicrotask: (act: () => void) => void Promise.resolve().then(act),
  structuredClone: (value: unknown) => structuredClone(value),
  global: globalThis,
};
for (const [name, value] of Object.entries(world)) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

for (const name of Array.from(host.builtins())) {
  if (name === 'start') continue;
  namespaces.set(`devlm:${name}`, await import(`devlm:${name}`));
}

/** The program to run, with its arguments and environment. */
interface ProgramTask {
  readonly program:
    | { kind: 'file'; path: string }
    | { kind: 'code'; code: string }
    | { kind: 'tests'; paths: string[] };
  readonly args: string[];
  readonly env: Record<string, string>;
}

const isTest = /(^|\/)(test|tests)\/.*\.[cm]?[jt]s$|(^|\/)test(-[^/]*)?\.[cm]?[jt]s$|[.\-_]test\.[cm]?[jt]s$/;

async function runProgram({ program, args }: ProgramTask): Promise<void> {
  if (program.kind === 'code') {
    process.argv.push(...args);
    Object.defineProperty(globalThis, 'require', {
      value: requireOf('/sandbox/[eval]'),
      writable: true,
      configurable: true,
    });
    // biome-ignore lint/security/noGlobalEval: this is what `node --eval` is.
    globalThis.eval(program.code);
    return;
  }
  const paths =
    program.kind === 'file' ? [program.path] : program.paths.length > 0 ? program.paths : findTests('/sandbox');
  if (paths.length === 0) throw new Error('Could not find a test file');
  process.argv.push(`/sandbox/${paths[0] ?? ''}`, ...args);
  for (const path of paths) await import(path.startsWith('/') ? path : `/sandbox/${path}`);
}

function findTests(folder: string): string[] {
  const list: { name: string; folder: boolean }[] = JSON.parse(host.readdir(folder));
  return list.flatMap(({ name, folder: isFolder }) => {
    const path = `${folder}/${name}`;
    if (isFolder) return name === 'node_modules' ? [] : findTests(path);
    return isTest.test(path) ? [path] : [];
  });
}

let failed = false;
/** Functions for the host, which deletes this global before the program runs, so that the program cannot call them. */
Object.defineProperty(globalThis, '__devlmLoop', {
  configurable: true,
  value: {
    async begin() {
      const task: ProgramTask = JSON.parse(host.task());
      Object.assign(process.env, { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/sandbox', ...task.env });
      await runProgram(task);
      if ((await runAll()) === false) failed = true;
    },
    next: timers.untilNext,
    fire: timers.fireNext,
    finish() {
      if (!failed && process.listenerCount('beforeExit') > 0) process.emit('beforeExit', process.exitCode ?? 0);
      process.emit('exit', process.exitCode ?? (failed ? 1 : 0));
      return process.exitCode ?? (failed ? 1 : 0);
    },
  },
});
