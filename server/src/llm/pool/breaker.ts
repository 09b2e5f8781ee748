import type { Failure } from './types.ts';

/** Number of consecutive failures that open the breaker. */
const failureThreshold = 3;
/** First rest after the breaker has opened, in milliseconds. Doubles with each failed probe. */
const firstRestMs = 1_000;
/** Maximum rest, in milliseconds. */
const maxRestMs = 60_000;
/** First rest after a `refused` failure, in milliseconds. */
const firstRefusedMs = 60_000;
/** Maximum rest after `refused` failures, in milliseconds. */
const maxRefusedMs = 600_000;
/** Maximum `retry-after` of a provider that is honored, in milliseconds. */
const maxRetryAfterMs = 3_600_000;
/** Estimated duration of a probe, in milliseconds. */
const probeMs = 1_000;

/**
 * Circuit breaker of a lane, which is a model at an instance. While it is closed, calls pass. While it is open, none
 * passes until its rest is over. Then it is half-open: one call at a time probes, and its result closes or opens the
 * breaker. A rate limit causes a rest too, but needs no probe.
 */
export class Breaker {
  #consecutiveFailures = 0;
  #timesOpened = 0;
  #timesLimited = 0;
  #restUntil = 0;
  #limitedUntil = 0;
  #probing = false;
  #last: Failure | null = null;

  /** Returns the current state of the breaker. */
  get state(): 'closed' | 'open' | 'half-open' {
    if (this.#timesOpened === 0) return 'closed';
    return performance.now() < this.#restUntil ? 'open' : 'half-open';
  }

  /** The newest failure since the last success; null if there was none. */
  get last(): Failure | null {
    return this.#last;
  }

  /** Returns the time until a call may pass, in milliseconds; 0 if it may pass now. */
  waitMs(now: number): number {
    const rest = Math.max(this.#restUntil, this.#limitedUntil) - now;
    if (rest > 0) return rest;
    return this.#probing ? probeMs : 0;
  }

  /** Admits a call. Returns whether the call is a probe; the end of a probe has to be reported. */
  admit(): boolean {
    if (this.#timesOpened === 0 || this.#probing) return false;
    this.#probing = true;
    return true;
  }

  /** Records that a probe ended without a result, because its caller has left. */
  probeEnded(): void {
    this.#probing = false;
  }

  /** Records that a call succeeded, which closes the breaker. */
  succeeded(): void {
    this.#consecutiveFailures = 0;
    this.#timesOpened = 0;
    this.#timesLimited = 0;
    this.#restUntil = 0;
    this.#last = null;
  }

  /**
   * Records that a call failed, which may open the breaker.
   *
   * @param retryAfterMs rest that the provider asked for, in milliseconds
   */
  failed(failure: Failure, now: number, retryAfterMs?: number): void {
    this.#last = failure;
    const requestedMs = retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, maxRetryAfterMs);
    if (failure === 'limited') {
      this.#limitedUntil = Math.max(
        this.#limitedUntil,
        now + (requestedMs ?? backoffMs(firstRestMs, ++this.#timesLimited)),
      );
      return;
    }
    this.#consecutiveFailures++;
    if (failure !== 'refused' && this.#consecutiveFailures < failureThreshold && this.#timesOpened === 0) return;
    // Calls that were under way when the breaker opened give no new information.
    if (now < this.#restUntil) return;
    this.#timesOpened++;
    const [first, longest] = failure === 'refused' ? [firstRefusedMs, maxRefusedMs] : [firstRestMs, maxRestMs];
    this.#restUntil = now + (requestedMs ?? backoffMs(first, this.#timesOpened, longest));
  }
}

/**
 * Returns an exponentially growing delay in milliseconds, with 20% jitter, so that many callers do not come back at
 * once.
 */
function backoffMs(first: number, times: number, longest = maxRestMs): number {
  return Math.min(longest, first * 2 ** (times - 1)) * (0.8 + Math.random() * 0.4);
}
