import type { LedgerCall } from '../ports/ledger.ts';

/** Maximum time that a call waits for others, in milliseconds. */
const maxDelayMs = 25;
/** Maximum number of calls in a batch. PostgreSQL and SQLite bind at least 32,766 values. */
const maxBatchCalls = 500;

interface PendingCall {
  readonly call: LedgerCall;
  readonly written: PromiseWithResolvers<void>;
}

/** Batches calls that end at about the same time, because on SQLite every transaction waits for the disk. */
export class CallBatch {
  readonly #write: (calls: readonly LedgerCall[]) => Promise<void>;
  #pending: PendingCall[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(write: (calls: readonly LedgerCall[]) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when the call is written. */
  add(call: LedgerCall): Promise<void> {
    const written = Promise.withResolvers<void>();
    this.#pending.push({ call, written });
    if (this.#pending.length >= maxBatchCalls) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), maxDelayMs);
    return written.promise;
  }

  /** Writes the pending calls. Never rejects: errors reject the promises that `add` returned. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#pending.splice(0);
    if (batch.length === 0) return;
    try {
      await this.#write(batch.map(({ call }) => call));
      for (const { written } of batch) written.resolve();
    } catch {
      // A call that cannot be written must not prevent the others, so each is written by itself.
      for (const { call, written } of batch) await this.#write([call]).then(written.resolve, written.reject);
    }
  }
}
