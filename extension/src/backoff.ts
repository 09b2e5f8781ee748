import { setTimeout as delay } from 'node:timers/promises';

/** Bounds of the delays of a `Backoff`. */
export interface BackoffOptions {
  /** First delay, in milliseconds. */
  readonly firstMs: number;
  /** Maximum delay, in milliseconds. */
  readonly maxMs: number;
}

/**
 * Exponential delays from `firstMs` to `maxMs`. Each is randomly shortened by up to a half so that windows spread
 * out.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Number of delays since the last `reset`. */
  get failures(): number {
    return this.#failures;
  }

  /** Starts again with the first delay. */
  reset(): void {
    this.#failures = 0;
  }

  /** Waits for the next delay. Rejects with the signal's reason if aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const fullMs = Math.min(this.#options.maxMs, this.#options.firstMs * 2 ** this.#failures);
    this.#failures += 1;
    await pause(fullMs * (0.5 + Math.random() / 2), signal);
  }
}

/** Waits for `ms` milliseconds. Rejects with the signal's reason if aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
