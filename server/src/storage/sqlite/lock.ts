import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Locks a data folder for one server. The operating system releases the lock when the process ends for any reason, so
 * there is no stale lock to clean up. SQLite's file locks work this way on every platform.
 *
 * @returns the lock, or null if another process holds it
 */
export function lockFolder(folder: string): Disposable | null {
  const database = new DatabaseSync(join(folder, 'server.lock'), { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Error && /locked|busy/i.test(error.message)) return null;
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}
