import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Bucket, RateLimit, RateLimiter } from '../../storage/ports/rate-limiter.ts';
import type { Guard } from '../guard.ts';
import type { Identity } from '../identity/tokens.ts';
import { httpProblem } from '../problems.ts';
import { clientAddress } from './client-address.ts';
import { routeKindOf, windowLimits } from './kinds.ts';

/** Rate limits of a server. */
interface RateLimits {
  /** Limit for one address, for requests that are not authenticated. */
  readonly address: RateLimit;
  /** Limit for one user, applied to each kind of route separately. */
  readonly user: RateLimit;
  /** Limit for all users together. */
  readonly global: RateLimit;
}

/** Default limits of a team server. */
const teamLimits: RateLimits = {
  address: { rate: 10, burst: 5 },
  user: { rate: 10, burst: 5 },
  global: { rate: 100, burst: 10 },
};
/** Default limit of an embedded server. An editor that opens with ten chats stays far below it; a runaway program does not. */
const ownLimit = { rate: 1000, burst: 2000 };
const ownLimits: RateLimits = { address: ownLimit, user: ownLimit, global: ownLimit };

/** The part of the configuration that concerns limits. Default: the limits of the server's mode. */
export interface LimitConfig {
  readonly embedded: boolean;
  readonly trustedProxies: readonly string[];
  readonly limitAddress?: RateLimit | undefined;
  readonly limitUser?: RateLimit | undefined;
  readonly limitGlobal?: RateLimit | undefined;
}

/**
 * Authenticates a request and applies the rate limits. Returns null for a path that needs no authentication, as `Guard`
 * does.
 *
 * @throws ProblemError those of the guard, and `rate_limited`
 */
export type RequestAdmission = (request: IncomingMessage, response: ServerResponse) => Promise<Identity | null>;

/**
 * Creates the admission of requests. Authenticated requests are counted by user, whatever their address: a team may
 * share an address, and a stranger behind the same address cannot use up its limit. All other requests are counted by
 * address. Health routes are not counted.
 */
export function admission(guard: Guard, limiter: RateLimiter, config: LimitConfig): RequestAdmission {
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
    const kind = routeKindOf(request);
    const key = `${kind}:${identity.user}`;
    const windowLimit = windowLimits[kind];
    const buckets: Bucket[] = windowLimit
      ? [
          {
            key,
            rate: Math.max(windowLimit.rate, limits.user.rate),
            burst: Math.max(windowLimit.burst, limits.user.burst),
          },
        ]
      : [
          { key, ...limits.user },
          { key: 'global', ...limits.global },
        ];
    await take(limiter, response, kind, buckets);
    return identity;
  };
}

/**
 * Takes a token from each bucket and sets the `RateLimit` headers.
 * @param name the name that the headers give to the first bucket
 * @throws ProblemError `rate_limited`
 */
async function take(limiter: RateLimiter, response: ServerResponse, name: string, buckets: readonly Bucket[]) {
  const { waitMs, left, fullMs } = await limiter.take(buckets);
  // In the meantime the client has disconnected, or the server has responded to its incomplete body.
  if (response.destroyed || response.headersSent) throw httpProblem('bad_request', 'The client closed the connection.');
  // Format of draft-ietf-httpapi-ratelimit-headers; `burst` is an extension.
  response.setHeader('RateLimit-Policy', `"${name}";q=${buckets[0]?.rate};w=1;burst=${buckets[0]?.burst}`);
  response.setHeader('RateLimit', `"${name}";r=${left};t=${Math.ceil(fullMs / 1000)}`);
  if (waitMs === 0) return;
  const detail = 'The rate limit for requests has been reached. Try again in a moment.';
  throw httpProblem('rate_limited', detail, { retryAfterMs: waitMs });
}

function limitsOf({ embedded, limitAddress, limitUser, limitGlobal }: LimitConfig): RateLimits {
  const { address, user, global } = embedded ? ownLimits : teamLimits;
  return { address: limitAddress ?? address, user: limitUser ?? user, global: limitGlobal ?? global };
}
