import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Bucket, RateLimit, RateLimiter } from '../../storage/ports/rate-limiter.ts';
import type { Guard } from '../guard.ts';
import type { Identity } from '../identity/tokens.ts';
import { httpProblem } from '../problems.ts';
import { clientAddress } from './client-address.ts';
import { kindOf, windowLimits } from './kinds.ts';

/** How much is let through. */
interface Limits {
  /** From one address, of what does not prove who sends it. */
  readonly address: RateLimit;
  /** Of one user, for each kind of route apart. */
  readonly user: RateLimit;
  /** Of all users together. */
  readonly global: RateLimit;
}

/** For a team that shares a server. */
const teamLimits: Limits = {
  address: { rate: 10, burst: 5 },
  user: { rate: 10, burst: 5 },
  global: { rate: 100, burst: 10 },
};
/** A person's own server: an editor that opens with ten chats stays far below; a program that runs wild does not. */
const own = { rate: 1000, burst: 2000 };
const ownLimits: Limits = { address: own, user: own, global: own };

/** What of the configuration is about limits. What is not named has the default of its mode. */
export interface LimitConfig {
  readonly embedded: boolean;
  readonly trustedProxies: readonly string[];
  readonly limitAddress?: RateLimit | undefined;
  readonly limitUser?: RateLimit | undefined;
  readonly limitGlobal?: RateLimit | undefined;
}

/**
 * Lets a request through and says who sends it, or throws: the guard, and how often. Null: nobody, as `Guard` says.
 *
 * @throws ProblemError what the guard throws, and `rate_limited`
 */
export type Admission = (request: IncomingMessage, response: ServerResponse) => Promise<Identity | null>;

/**
 * Who has proven who they are is counted by that, wherever they are: a team may share an address, and a stranger
 * behind the same one takes nothing from it. All else is counted by address. Health routes are not counted.
 */
export function admission(guard: Guard, limiter: RateLimiter, config: LimitConfig): Admission {
  const limits = limitsOf(config);
  const addressOf = clientAddress(config.trustedProxies);
  return async (request, response) => {
    let identity: Identity | null;
    try {
      identity = guard(request);
    } catch (error) {
      await take(limiter, response, 'address', [{ key: `address:${addressOf(request)}`, ...limits.address }]);
      throw error;
    }
    if (!identity) return null;
    const kind = kindOf(request);
    const key = `${kind}:${identity.user}`;
    const least = windowLimits[kind];
    const buckets: Bucket[] = least
      ? [{ key, rate: Math.max(least.rate, limits.user.rate), burst: Math.max(least.burst, limits.user.burst) }]
      : [
          { key, ...limits.user },
          { key: 'global', ...limits.global },
        ];
    await take(limiter, response, kind, buckets);
    return identity;
  };
}

/** @param name of the first bucket, which the client is told of */
async function take(limiter: RateLimiter, response: ServerResponse, name: string, buckets: readonly Bucket[]) {
  const { waitMs, left, fullMs } = await limiter.take(buckets);
  // Meanwhile the client has left, or its body broke off, which the server has answered.
  if (response.destroyed || response.headersSent) throw httpProblem('bad_request', 'The client has left.');
  // As draft-ietf-httpapi-ratelimit-headers has them; `burst` is our own.
  response.setHeader('RateLimit-Policy', `"${name}";q=${buckets[0]?.rate};w=1;burst=${buckets[0]?.burst}`);
  response.setHeader('RateLimit', `"${name}";r=${left};t=${Math.ceil(fullMs / 1000)}`);
  if (waitMs === 0) return;
  const detail = 'Too many requests in a short time. Try again in a moment.';
  throw httpProblem('rate_limited', detail, { retryAfterMs: waitMs });
}

function limitsOf({ embedded, limitAddress, limitUser, limitGlobal }: LimitConfig): Limits {
  const { address, user, global } = embedded ? ownLimits : teamLimits;
  return { address: limitAddress ?? address, user: limitUser ?? user, global: limitGlobal ?? global };
}
