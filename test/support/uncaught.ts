import { afterEach, beforeEach } from 'vitest';

/** Collects the uncaught errors of each test. In the server, each of them would end the process. */
export function uncaughtErrors(): readonly unknown[] {
  const uncaught: unknown[] = [];
  const record = (error: unknown) => uncaught.push(error);
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  let restores: (() => void)[];
  beforeEach(() => {
    uncaught.length = 0;
    restores = events.map((event) => {
      const listeners = process.rawListeners(event);
      process.removeAllListeners(event).on(event, record);
      return () => {
        process.off(event, record);
        for (const listener of listeners) process.on(event, (...args: unknown[]) => listener.apply(process, args));
      };
    });
  });
  afterEach(() => {
    for (const restore of restores) restore();
  });
  return uncaught;
}
