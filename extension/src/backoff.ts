import { setTimeout as delay } from 'node:timers/promises';

export interface BackoffOptions {
  /** First wait. */
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Waits that double from `firstMs` to `maxMs`, each shortened at random by up to a half so that windows spread out. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** How often it has waited since the last `reset`. */
  get failures(): number {
    return this.#failures;
  }

  reset(): void {
    this.#failures = 0;
  }

  /** Rejects with the signal's reason when aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const full = Math.min(this.#options.maxMs, this.#options.firstMs * 2 ** this.#failures);
    this.#failures += 1;
    await pause(full * (0.5 + Math.random() / 2), signal);
  }
}

/** A wait that ends early, by throwing the signal's reason, when aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
