import { host } from './host.ts';

/* `node:timers` and the global timers. The host calls them when they are due. */

/** A timer that is due at `at`. */
interface TimerEntry {
  readonly id: number;
  at: number;
  readonly every: number | null;
  readonly act: (...args: unknown[]) => unknown;
  readonly args: readonly unknown[];
  held: boolean;
}

const entries = new Map<number, TimerEntry>();
let last = 0;

/** Timer object that `setTimeout` returns, as in Node. It converts to its number. */
export class Timeout {
  readonly id: number;
  readonly #entry: TimerEntry;
  readonly #ms: number;

  constructor(entry: TimerEntry, ms: number) {
    this.id = entry.id;
    this.#entry = entry;
    this.#ms = ms;
  }
  ref(): this {
    return this.#hold(true);
  }
  unref(): this {
    return this.#hold(false);
  }
  hasRef(): boolean {
    return entries.get(this.id)?.held ?? false;
  }
  /** Starts the delay again, also after the timer has fired. */
  refresh(): this {
    this.#entry.at = host.now() + this.#ms;
    entries.set(this.id, this.#entry);
    return this;
  }
  close(): this {
    entries.delete(this.id);
    return this;
  }
  [Symbol.toPrimitive](): number {
    return this.id;
  }
  #hold(held: boolean): this {
    const entry = entries.get(this.id);
    if (entry) entry.held = held;
    return this;
  }
}

function add(act: unknown, delay: unknown, args: unknown[], repeat: boolean): Timeout {
  if (typeof act !== 'function') throw new TypeError('The "callback" argument must be of type function');
  const ms = Math.min(2 ** 31 - 1, Math.max(1, Number(delay) || 1));
  const id = ++last;
  const entry = { id, at: host.now() + ms, every: repeat ? ms : null, act: act as TimerEntry['act'], args, held: true };
  entries.set(id, entry);
  return new Timeout(entry, ms);
}

export const setTimeout = (act: unknown, ms?: unknown, ...args: unknown[]): Timeout => add(act, ms, args, false);
export const setInterval = (act: unknown, ms?: unknown, ...args: unknown[]): Timeout => add(act, ms, args, true);
export const setImmediate = (act: unknown, ...args: unknown[]): Timeout => {
  const timeout = add(act, 1, args, false);
  const entry = entries.get(timeout.id);
  if (entry) entry.at = host.now();
  return timeout;
};
// `util.promisify` returns these for timers.
const promisify = Symbol.for('nodejs.util.promisify.custom');
Object.defineProperty(setTimeout, promisify, {
  value: (ms?: number, value?: unknown) => new Promise((done) => setTimeout(() => done(value), ms)),
});
Object.defineProperty(setImmediate, promisify, {
  value: (value?: unknown) => new Promise((done) => setImmediate(() => done(value))),
});

export function clearTimeout(timer: unknown): void {
  if (timer instanceof Timeout) entries.delete(timer.id);
  else if (typeof timer === 'number' || typeof timer === 'string') entries.delete(Number(timer));
}
export const clearInterval = clearTimeout;
export const clearImmediate = clearTimeout;

function first(): TimerEntry | null {
  let found: TimerEntry | null = null;
  for (const entry of entries.values()) if (!found || entry.at < found.at) found = entry;
  return found;
}

/** Returns the time until the next timer, in milliseconds, or null if no timer keeps the program running. */
export function untilNext(): number | null {
  if (![...entries.values()].some(({ held }) => held)) return null;
  const next = first();
  return next ? Math.max(0, next.at - host.now()) : null;
}

/** Runs the next timer if it is due. */
export function fireNext(): void {
  const entry = first();
  if (!entry || entry.at > host.now()) return;
  if (entry.every === null) entries.delete(entry.id);
  else entry.at = host.now() + entry.every;
  entry.act(...entry.args);
}
export default { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate };
