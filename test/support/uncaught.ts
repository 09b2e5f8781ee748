import { afterEach, beforeEach } from 'vitest';

/** During each test, the errors that nobody catches: in the server each of them would end it. */
export function uncaughtErrors(): readonly unknown[] {
  const uncaught: unknown[] = [];
  const note = (error: unknown) => uncaught.push(error);
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  let others: (() => void)[];
  beforeEach(() => {
    uncaught.length = 0;
    others = events.map((event) => {
      const listeners = process.rawListeners(event);
      process.removeAllListeners(event).on(event, note);
      return () => {
        process.off(event, note);
        for (const listener of listeners) process.on(event, (...args: unknown[]) => listener.apply(process, args));
      };
    });
  });
  afterEach(() => {
    for (const restore of others) restore();
  });
  return uncaught;
}
