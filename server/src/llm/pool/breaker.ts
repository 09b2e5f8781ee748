import type { Failure } from './types.ts';

/** So many failures one after the other open the breaker. */
const threshold = 3;
/** First rest of what is not well; doubles with each failed probe. Milliseconds, as all times here. */
const firstRestMs = 1_000;
const longestRestMs = 60_000;
const firstRefusedMs = 60_000;
const longestRefusedMs = 600_000;
/** A provider's own `retry-after` counts, up to here. */
const longestRetryAfterMs = 3_600_000;
/** What a wait for the end of a probe is taken to be. */
const probeMs = 1_000;

/**
 * A circuit breaker. Closed, calls pass. Open, none does until its rest is over. Then it is half open: one call at
 * a time probes, and what becomes of it closes or opens it. A rate limit is a rest too, but needs no probe.
 */
export class Breaker {
  #strikes = 0;
  #opened = 0;
  #limits = 0;
  #restUntil = 0;
  #limitedUntil = 0;
  #probing = false;
  #last: Failure | null = null;

  get state(): 'closed' | 'open' | 'half-open' {
    if (this.#opened === 0) return 'closed';
    return performance.now() < this.#restUntil ? 'open' : 'half-open';
  }

  /** The newest failure since the last success. */
  get last(): Failure | null {
    return this.#last;
  }

  /** Milliseconds until a call may pass; 0 now. */
  waitMs(now: number): number {
    const rest = Math.max(this.#restUntil, this.#limitedUntil) - now;
    if (rest > 0) return rest;
    return this.#probing ? probeMs : 0;
  }

  /** A call passes. Answers whether it is a probe, whose end has to be told. */
  admit(): boolean {
    if (this.#opened === 0 || this.#probing) return false;
    this.#probing = true;
    return true;
  }

  /** A probe ended without telling anything: its caller has left. */
  probeEnded(): void {
    this.#probing = false;
  }

  succeeded(): void {
    this.#strikes = 0;
    this.#opened = 0;
    this.#limits = 0;
    this.#restUntil = 0;
    this.#last = null;
  }

  failed(failure: Failure, now: number, retryAfterMs?: number): void {
    this.#last = failure;
    const asked = retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, longestRetryAfterMs);
    if (failure === 'limited') {
      this.#limitedUntil = Math.max(this.#limitedUntil, now + (asked ?? doubled(firstRestMs, ++this.#limits)));
      return;
    }
    this.#strikes++;
    if (failure !== 'refused' && this.#strikes < threshold && this.#opened === 0) return;
    // Calls that were under way when it opened tell nothing new.
    if (now < this.#restUntil) return;
    this.#opened++;
    const [first, longest] = failure === 'refused' ? [firstRefusedMs, longestRefusedMs] : [firstRestMs, longestRestMs];
    this.#restUntil = now + (asked ?? doubled(first, this.#opened, longest));
  }
}

/** With a fifth by chance, so that many callers do not come back together. */
function doubled(first: number, times: number, longest = longestRestMs): number {
  return Math.min(longest, first * 2 ** (times - 1)) * (0.8 + Math.random() * 0.4);
}
