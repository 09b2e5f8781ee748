/** One rate limit of an account: a token bucket that refills evenly until `fullAt`. */
interface ProviderLimit {
  readonly limit: number;
  readonly remaining: number;
  /** Time of the measurement in milliseconds, as of `performance.now`. `fullAt` uses the same clock. */
  readonly at: number;
  readonly fullAt: number;
}

/** Returns the value of a header, by its name in lower case. */
export type HeaderReader = (name: string) => string | undefined;

const limitKinds = ['requests', 'input-tokens', 'tokens'] as const;
type LimitKind = (typeof limitKinds)[number];

/**
 * The remaining allowance of an account, learned from the headers `anthropic-ratelimit-*`:
 * platform.claude.com/docs/en/api/rate-limits#response-headers. Before the first answer everything is allowed.
 */
export class Allowance {
  readonly #buckets = new Map<LimitKind, ProviderLimit>();
  /** Requests and tokens of calls that were admitted and that the provider has not counted yet. */
  #pending = { requests: 0, tokens: 0 };

  /** Updates the limits from the headers of an answer. */
  learn(header: HeaderReader, now: number): void {
    for (const kind of limitKinds) {
      const limit = Number(header(`anthropic-ratelimit-${kind}-limit`) ?? 0);
      if (!(limit > 0)) continue;
      const remaining = Number(header(`anthropic-ratelimit-${kind}-remaining`) ?? Number.NaN);
      const reset = Date.parse(header(`anthropic-ratelimit-${kind}-reset`) ?? '');
      if (!(remaining >= 0) || Number.isNaN(reset)) continue;
      this.#buckets.set(kind, { limit, remaining, at: now, fullAt: now + Math.max(0, reset - Date.now()) });
    }
  }

  /** Counts a call as pending when it is admitted. */
  spend(tokens: number): void {
    this.#pending = { requests: this.#pending.requests + 1, tokens: this.#pending.tokens + tokens };
  }

  /** Removes a pending call, because the provider has counted it or it was not made. */
  counted(tokens: number): void {
    this.#pending = { requests: this.#pending.requests - 1, tokens: this.#pending.tokens - tokens };
  }

  /** Returns the time until a call of the given number of tokens fits, in milliseconds; 0 if it fits now. */
  waitMs(tokens: number, now: number): number {
    let wait = 0;
    for (const [kind, bucket] of this.#buckets) {
      const needed = kind === 'requests' ? 1 : tokens;
      const pending = kind === 'requests' ? this.#pending.requests : this.#pending.tokens;
      wait = Math.max(wait, refillMs(bucket, needed, pending, now));
    }
    return wait;
  }
}

/** Returns the time until a bucket holds the needed amount, in milliseconds. */
function refillMs(
  { limit, remaining, at, fullAt }: ProviderLimit,
  needed: number,
  pending: number,
  now: number,
): number {
  if (now >= fullAt) return 0;
  const perMs = (limit - remaining) / (fullAt - at);
  const available = remaining + perMs * (now - at) - pending;
  // A call that is larger than the whole bucket is left for the provider to reject.
  const missing = Math.min(needed, limit) - available;
  if (missing <= 0) return 0;
  return perMs > 0 ? Math.min(missing / perMs, fullAt - now) : fullAt - now;
}
