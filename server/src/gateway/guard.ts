import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Scope } from '@devlm/protocol/tokens.ts';
import { everything, type Identity, type Tokens } from './identity/tokens.ts';
import { httpProblem } from './problems.ts';

/** Three parts of base64url, as a JWT has. */
const looksLikeToken = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Lets a request through and says who sends it, or throws. Null: nobody, which `/healthz` and `/readyz` allow.
 * @throws ProblemError `forbidden_host`, `forbidden_origin`, `unauthorized`, `forbidden_scope`
 */
export type Guard = (request: IncomingMessage) => Identity | null;

/**
 * A web page in the person's browser can send requests to loopback. It cannot know the secret, it
 * always names its origin, and a rebound DNS name shows in the Host header: each alone is refused.
 * Only `/healthz` and `/readyz` go without the secret; they tell nothing.
 *
 * @param secret of this launch, shared through the discovery file
 * @param port the server listens on
 * @param tokens what lets programs in that are not the editor
 */
export function loopbackGuard(secret: string, port: () => number, tokens: Pick<Tokens, 'verify'>): Guard {
  const expected = digest(secret);
  return (request) => {
    if (!isLoopbackHost(request, port()))
      throw httpProblem('forbidden_host', 'This server answers to loopback addresses only.');
    if (request.headers.origin !== undefined)
      throw httpProblem('forbidden_origin', 'Web pages may not call this server.');
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (path === '/healthz' || path === '/readyz') return null;
    const credential = credentialOf(request);
    // Digests have one length, which timingSafeEqual needs and which hides the secret's own.
    if (timingSafeEqual(digest(credential), expected)) return everything;
    if (!looksLikeToken.test(credential))
      throw httpProblem('unauthorized', 'The secret is missing or wrong. It is in server.json of the data folder.');
    const identity = tokens.verify(credential);
    const needed = Scope.safeParse(path.split('/', 2)[1]).data;
    if (needed === undefined) throw httpProblem('not_found', `There is no ${path.slice(0, 200)} on this server.`);
    if (!identity.scopes.has(needed))
      throw httpProblem('forbidden_scope', `This token is not for /${needed}. Make another one.`);
    return identity;
  };
}

/** As clients of the Messages API send it, `x-api-key` counts where there is no `Authorization`. */
function credentialOf({ headers }: IncomingMessage): string {
  const key = headers['x-api-key'];
  if (headers.authorization === undefined) return typeof key === 'string' ? key : '';
  return /^Bearer (.*)$/.exec(headers.authorization)?.[1] ?? '';
}

function isLoopbackHost(request: IncomingMessage, port: number): boolean {
  return [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(request.headers.host ?? '');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
