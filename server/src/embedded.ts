import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';

/** Returns 256 random bits in base64url, as the schema of the discovery file requires. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** Writes the discovery file atomically. Disposing removes the file if it is still this server's. */
export function publishDiscovery(dataDir: string, discovery: Discovery): Disposable {
  const path = join(dataDir, discoveryFile);
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(discovery), { mode: 0o600 });
  renameSync(temporary, path);
  return {
    [Symbol.dispose]() {
      try {
        const current = Discovery.parse(JSON.parse(readFileSync(path, 'utf8')));
        if (current.pid === process.pid && current.secret === discovery.secret) rmSync(path);
      } catch {
        // The file was removed or replaced by another program: leave it alone.
      }
    },
  };
}

/**
 * Calls `exit` when the server has been idle for a time. `alive` is polled, so that an open stream counts as activity
 * even if nothing is sent.
 *
 * @param idleMs idle time before the exit, in milliseconds; 0 disables it
 */
export function exitWhenIdle(idleMs: number, alive: () => boolean, exit: () => void): { touch(): void } & Disposable {
  let last = performance.now();
  const timer = setInterval(
    () => {
      if (alive()) last = performance.now();
      else if (idleMs > 0 && performance.now() - last >= idleMs) {
        clearInterval(timer);
        exit();
      }
    },
    Math.max(10, Math.min(5_000, idleMs / 10 || 5_000)),
  );
  timer.unref();
  return {
    touch: () => {
      last = performance.now();
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
