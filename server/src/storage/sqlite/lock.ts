import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Holds a data folder for one server. The operating system gives the lock back when the process
 * ends, however it ends, so there is no stale lock to clean up; SQLite's file locks do that alike
 * on every platform.
 *
 * @returns null when another process holds it
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
