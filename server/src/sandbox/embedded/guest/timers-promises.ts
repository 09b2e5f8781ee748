import * as timers from './timers.ts';

/* `node:timers/promises`. */

interface Options {
  readonly signal?: AbortSignal;
}

export function setTimeout<T>(ms?: number, value?: T, options: Options = {}): Promise<T | undefined> {
  return new Promise((done, fail) => {
    options.signal?.throwIfAborted();
    const timer = timers.setTimeout(() => done(value), ms);
    options.signal?.addEventListener('abort', () => {
      timers.clearTimeout(timer);
      fail(options.signal?.reason);
    });
  });
}
export const setImmediate = <T>(value?: T): Promise<T | undefined> =>
  new Promise((done) => timers.setImmediate(() => done(value)));
export async function* setInterval<T>(ms?: number, value?: T): AsyncGenerator<T | undefined> {
  for (;;) yield setTimeout(ms, value);
}
export const scheduler = { wait: (ms: number) => setTimeout(ms), yield: () => setImmediate() };
export default { setTimeout, setImmediate, setInterval, scheduler };
