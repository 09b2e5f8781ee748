import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Scope } from '@devlm/protocol/tokens.ts';
import { everything, type Identity, type Tokens } from './identity/tokens.ts';
import { openApiPath } from './openapi.ts';
import { httpProblem } from './problems.ts';

/** Matches three parts of base64url: the form of a JWT, but not of a launch secret. */
const looksLikeToken = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Authenticates a request. Returns null for `/healthz` and `/readyz`, which need no authentication.
 * @throws ProblemError `forbidden_host`, `forbidden_origin`, `unauthorized`, `forbidden_scope`
 */
export type Guard = (request: IncomingMessage) => Identity | null;

/**
 * Creates the guard of an embedded server. A web page in the user's browser can send requests to loopback, but it does
 * not know the secret, it always sends an `Origin` header, and a rebound DNS name shows in the `Host` header. Each of
 * these alone causes a refusal. Only `/healthz` and `/readyz` need no secret; they reveal nothing.
 *
 * @param secret launch secret, shared through the discovery file
 * @param port returns the port that the server listens on
 * @param tokens verifies the tokens of clients other than the editor
 */
export function loopbackGuard(secret: string, port: () => number, tokens: Pick<Tokens, 'verify'>): Guard {
  const refusal = 'The secret is missing or incorrect. Use the secret in server.json in the data folder.';
  const guard = bearerGuard(secret, tokens, () => true, refusal);
  return (request) => {
    if (!isLoopbackHost(request, port()))
      throw httpProblem('forbidden_host', 'This server accepts only requests to a loopback address.');
    return guard(request);
  };
}

/**
 * Creates the guard of a team server. Every path except `/healthz` and `/readyz` needs a token, whatever address the
 * server is reached by. Web pages are refused here too. The launch secret, which commands of `devlm` use, is accepted
 * only from this machine.
 *
 * @param secret launch secret, in the discovery file
 */
export function teamGuard(secret: string, tokens: Pick<Tokens, 'verify'>): Guard {
  const refusal = 'A token is required. Ask your administrator for one. It is created with "devlm token create".';
  return bearerGuard(secret, tokens, ({ socket }) => isThisMachine(socket), refusal);
}

/** Creates a guard that checks origin and credential. @param acceptsSecret whether the launch secret is accepted */
function bearerGuard(
  secret: string,
  tokens: Pick<Tokens, 'verify'>,
  acceptsSecret: (request: IncomingMessage) => boolean,
  refusal: string,
): Guard {
  const expected = digest(secret);
  return (request) => {
    if (request.headers.origin !== undefined)
      throw httpProblem('forbidden_origin', 'Requests from web pages are not allowed.');
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (path === '/healthz' || path === '/readyz') return null;
    const credential = credentialOf(request);
    if (looksLikeToken.test(credential)) return checkScope(tokens.verify(credential), path);
    // Digests have equal lengths, which timingSafeEqual needs and which hides the length of the secret.
    if (acceptsSecret(request) && timingSafeEqual(digest(credential), expected)) return everything;
    throw httpProblem('unauthorized', refusal);
  };
}

function checkScope(identity: Identity, path: string): Identity {
  if (path === openApiPath) return identity;
  const needed = Scope.safeParse(path.split('/', 2)[1]).data;
  if (needed === undefined)
    throw httpProblem('not_found', `The path ${path.slice(0, 200)} does not exist on this server.`);
  if (!identity.scopes.has(needed))
    throw httpProblem(
      'forbidden_scope',
      `This token does not have the scope "${needed}". Use a token with this scope.`,
    );
  return identity;
}

/** Returns whether the client is on this machine. A client that forges this machine's address cannot read the response. */
function isThisMachine({ remoteAddress = '', localAddress }: Socket): boolean {
  return remoteAddress === '::1' || /^(::ffff:)?127\./.test(remoteAddress) || remoteAddress === localAddress;
}

/** Returns the credential of a request: that of `Authorization`, else `x-api-key`, which clients of the Messages API send. */
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
