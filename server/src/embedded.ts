import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';

/** 256 random bits, in the alphabet of the discovery file's schema. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** Writes the discovery file whole or not at all; disposing removes it, if it is still this server's. */
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
        // Someone removed it, or wrote another: not ours to touch.
      }
    },
  };
}

/**
 * Calls `exit` once nothing was alive for the time. `alive` is asked often, so that a stream that
 * stays open counts without sending anything.
 *
 * @param milliseconds 0 never
 */
export function exitWhenIdle(
  milliseconds: number,
  alive: () => boolean,
  exit: () => void,
): { touch(): void } & Disposable {
  let last = performance.now();
  const timer = setInterval(
    () => {
      if (alive()) last = performance.now();
      else if (milliseconds > 0 && performance.now() - last >= milliseconds) {
        clearInterval(timer);
        exit();
      }
    },
    Math.max(10, Math.min(5_000, milliseconds / 10 || 5_000)),
  );
  timer.unref();
  return {
    touch: () => {
      last = performance.now();
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
