import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { httpProblem } from './problems.ts';

/**
 * A web page in the person's browser can send requests to loopback. It cannot know the secret, it
 * always names its origin, and a rebound DNS name shows in the Host header: each alone is refused.
 * Only `/healthz` and `/readyz` go without the secret; they tell nothing.
 *
 * @param secret of this launch, shared through the discovery file
 * @param port the server listens on
 */
export function loopbackGuard(secret: string, port: () => number): RequestHandler {
  const expected = digest(`Bearer ${secret}`);
  return (request, _response, next) => {
    if (!isLoopbackHost(request, port()))
      throw httpProblem('forbidden_host', 'This server answers to loopback addresses only.');
    if (request.headers.origin !== undefined)
      throw httpProblem('forbidden_origin', 'Web pages may not call this server.');
    if (request.path === '/healthz' || request.path === '/readyz') return next();
    // Digests have one length, which timingSafeEqual needs and which hides the secret's own.
    if (!timingSafeEqual(digest(request.headers.authorization ?? ''), expected))
      throw httpProblem('unauthorized', 'The secret is missing or wrong. It is in server.json of the data folder.');
    next();
  };
}

function isLoopbackHost(request: Request, port: number): boolean {
  return [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(request.headers.host ?? '');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
