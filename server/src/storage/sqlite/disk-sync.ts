import { type FileHandle, open } from 'node:fs/promises';

/**
 * Signals that the disk has failed to keep what was written. This is final: a disk that is asked to sync again reports
 * success (https://lwn.net/Articles/752063/).
 */
export class DiskRefused extends Error {}

/**
 * Syncs a file to disk without blocking the thread, as SQLite itself would. All calls that arrive while a sync is running
 * share the next one.
 */
export class DiskSync {
  readonly #file: string;
  #handle: Promise<FileHandle> | undefined;
  /** The last sync that was started. Never rejects. */
  #currentRound: Promise<unknown> = Promise.resolve();
  /** The sync that will follow it. */
  #nextRound: Promise<void> | undefined;
  #closed = false;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Resolves when everything that was written before the call is on disk.
   * @throws DiskRefused, or an error of the system if the file cannot be opened
   */
  sync(): Promise<void> {
    this.#nextRound ??= this.#currentRound.then(() => {
      this.#nextRound = undefined;
      const round = this.#startRound();
      this.#currentRound = round.catch(() => undefined);
      return round;
    });
    return this.#nextRound;
  }

  async #startRound(): Promise<void> {
    // Closing the database has written everything to disk.
    if (this.#closed) return;
    const handle = await this.#open();
    await handle.datasync().catch((cause: Error) => {
      throw new DiskRefused(cause.message, { cause });
    });
  }

  #open(): Promise<FileHandle> {
    // Opened for writing, which Windows requires for a sync.
    this.#handle ??= open(this.#file, 'r+').catch((error: unknown) => {
      this.#handle = undefined;
      throw error;
    });
    return this.#handle;
  }

  /** Closes the file after the running sync. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#currentRound;
    const handle = await this.#handle?.catch(() => undefined);
    this.#handle = undefined;
    await handle?.close();
  }
}
