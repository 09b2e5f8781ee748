/** One limit of an account: a bucket that fills evenly until `fullAt`. */
interface Bucket {
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds, as `performance.now`. */
  readonly at: number;
  readonly fullAt: number;
}

/** Reads a header by its name in small letters. */
export type HeaderReader = (name: string) => string | undefined;

const kinds = ['requests', 'input-tokens', 'tokens'] as const;
type Kind = (typeof kinds)[number];

/**
 * What an account still allows, learnt from `anthropic-ratelimit-*`:
 * platform.claude.com/docs/en/api/rate-limits#response-headers. Before the first answer everything is allowed.
 */
export class Allowance {
  readonly #buckets = new Map<Kind, Bucket>();
  /** Of calls that were let pass and not yet counted by the provider. */
  #pending = { requests: 0, tokens: 0 };

  learn(header: HeaderReader, now: number): void {
    for (const kind of kinds) {
      const limit = Number(header(`anthropic-ratelimit-${kind}-limit`) ?? 0);
      if (!(limit > 0)) continue;
      const remaining = Number(header(`anthropic-ratelimit-${kind}-remaining`) ?? Number.NaN);
      const reset = Date.parse(header(`anthropic-ratelimit-${kind}-reset`) ?? '');
      if (!(remaining >= 0) || Number.isNaN(reset)) continue;
      this.#buckets.set(kind, { limit, remaining, at: now, fullAt: now + Math.max(0, reset - Date.now()) });
    }
  }

  spend(tokens: number): void {
    this.#pending = { requests: this.#pending.requests + 1, tokens: this.#pending.tokens + tokens };
  }

  /** The provider has counted the call, or it was not made. */
  counted(tokens: number): void {
    this.#pending = { requests: this.#pending.requests - 1, tokens: this.#pending.tokens - tokens };
  }

  /** Milliseconds until a call of so many tokens fits; 0 now. */
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

function refillMs({ limit, remaining, at, fullAt }: Bucket, needed: number, pending: number, now: number): number {
  if (now >= fullAt) return 0;
  const perMs = (limit - remaining) / (fullAt - at);
  const there = remaining + perMs * (now - at) - pending;
  // A call that is larger than the whole bucket is the provider's to refuse.
  const missing = Math.min(needed, limit) - there;
  if (missing <= 0) return 0;
  return perMs > 0 ? Math.min(missing / perMs, fullAt - now) : fullAt - now;
}
