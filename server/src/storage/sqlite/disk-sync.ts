import { type FileHandle, open } from 'node:fs/promises';

/** What was written may be gone, and stays so: a disk that is asked again says that all is well (https://lwn.net/Articles/752063/). */
export class DiskRefused extends Error {}

/**
 * Waits until what was written to a file is on its disk, without holding up the thread as SQLite itself would. Who comes
 * while the disk is busy shares the next round with all others that came.
 */
export class DiskSync {
  readonly #file: string;
  #handle: Promise<FileHandle> | undefined;
  /** The last round that has begun. Never rejects. */
  #begun: Promise<unknown> = Promise.resolve();
  /** The one after it. */
  #next: Promise<void> | undefined;
  #closed = false;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Resolves when all that was written before the call is on the disk.
   * @throws DiskRefused; the system's error where the file cannot be opened
   */
  sync(): Promise<void> {
    this.#next ??= this.#begun.then(() => {
      this.#next = undefined;
      const round = this.#round();
      this.#begun = round.catch(() => undefined);
      return round;
    });
    return this.#next;
  }

  async #round(): Promise<void> {
    // Whoever closes the database has it written out.
    if (this.#closed) return;
    const handle = await this.#open();
    await handle.datasync().catch((cause: Error) => {
      throw new DiskRefused(cause.message, { cause });
    });
  }

  #open(): Promise<FileHandle> {
    // For writing: Windows wants that.
    this.#handle ??= open(this.#file, 'r+').catch((error: unknown) => {
      this.#handle = undefined;
      throw error;
    });
    return this.#handle;
  }

  /** Lets go of the file, once the round that is under way is over. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#begun;
    const handle = await this.#handle?.catch(() => undefined);
    this.#handle = undefined;
    await handle?.close();
  }
}
