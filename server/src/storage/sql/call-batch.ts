import type { LedgerCall } from '../ports/ledger.ts';

/** How long a call waits for others, milliseconds. */
const gatherMs = 25;
/** Calls in one statement: PostgreSQL and SQLite bind 32,766 values and more. */
const maxCalls = 500;

interface Waiting {
  readonly call: LedgerCall;
  readonly written: PromiseWithResolvers<void>;
}

/** Calls that end at about the same time are written together: on SQLite every transaction waits for the disk. */
export class CallBatch {
  readonly #write: (calls: readonly LedgerCall[]) => Promise<void>;
  #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(write: (calls: readonly LedgerCall[]) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when the call is written. */
  add(call: LedgerCall): Promise<void> {
    const written = Promise.withResolvers<void>();
    this.#waiting.push({ call, written });
    if (this.#waiting.length >= maxCalls) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), gatherMs);
    return written.promise;
  }

  /** Writes what waits. Never rejects: who has added a call is told. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#waiting.splice(0);
    if (batch.length === 0) return;
    try {
      await this.#write(batch.map(({ call }) => call));
      for (const { written } of batch) written.resolve();
    } catch {
      // One that cannot be written must not take the others with it.
      for (const { call, written } of batch) await this.#write([call]).then(written.resolve, written.reject);
    }
  }
}
