import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Scope } from '@devlm/protocol/tokens.ts';
import { everything, type Identity, type Tokens } from './identity/tokens.ts';
import { openApiPath } from './openapi.ts';
import { httpProblem } from './problems.ts';

/** Three parts of base64url, as a JWT has, and the secret of a launch has not. */
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
  const refusal = 'The secret is missing or wrong. It is in server.json of the data folder.';
  const guard = bearerGuard(secret, tokens, () => true, refusal);
  return (request) => {
    if (!isLoopbackHost(request, port()))
      throw httpProblem('forbidden_host', 'This server answers to loopback addresses only.');
    return guard(request);
  };
}

/**
 * For a team, whatever address the server is reached by: a token for everything but `/healthz` and `/readyz`. Web
 * pages are refused here too. The secret of the launch counts on this machine alone: commands of `devlm` have it.
 *
 * @param secret of this launch, in the discovery file
 */
export function teamGuard(secret: string, tokens: Pick<Tokens, 'verify'>): Guard {
  const refusal = 'A token is needed. Whoever runs this server makes one with devlm token create.';
  return bearerGuard(secret, tokens, ({ socket }) => isThisMachine(socket), refusal);
}

/** @param trusts whether the secret counts in a request */
function bearerGuard(
  secret: string,
  tokens: Pick<Tokens, 'verify'>,
  trusts: (request: IncomingMessage) => boolean,
  refusal: string,
): Guard {
  const expected = digest(secret);
  return (request) => {
    if (request.headers.origin !== undefined)
      throw httpProblem('forbidden_origin', 'Web pages may not call this server.');
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (path === '/healthz' || path === '/readyz') return null;
    const credential = credentialOf(request);
    if (looksLikeToken.test(credential)) return scoped(tokens.verify(credential), path);
    // Digests have one length, which timingSafeEqual needs and which hides the secret's own.
    if (trusts(request) && timingSafeEqual(digest(credential), expected)) return everything;
    throw httpProblem('unauthorized', refusal);
  };
}

function scoped(identity: Identity, path: string): Identity {
  if (path === openApiPath) return identity;
  const needed = Scope.safeParse(path.split('/', 2)[1]).data;
  if (needed === undefined) throw httpProblem('not_found', `There is no ${path.slice(0, 200)} on this server.`);
  if (!identity.scopes.has(needed))
    throw httpProblem('forbidden_scope', `This token is not for /${needed}. Make another one.`);
  return identity;
}

/** Who calls an address of this machine from that address is on it, or could not read the answer. */
function isThisMachine({ remoteAddress = '', localAddress }: Socket): boolean {
  return remoteAddress === '::1' || /^(::ffff:)?127\./.test(remoteAddress) || remoteAddress === localAddress;
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
  return hash('sha256', text, 'buffer');
}
