import type { IncomingMessage } from 'node:http';
import { type RouteShape, routes } from '@devlm/protocol/routes.ts';
import type { RateLimit } from '../../storage/ports/rate-limiter.ts';

/** Kind of route. Each kind has its own buckets, so that a client that exhausts one can still use the others. */
export type RouteKind = 'api' | 'llm' | 'execute' | 'stream' | 'answer';

/**
 * Minimum limits of the requests that keep an open window working. They do not count toward the limit of all users
 * together. They are event streams, which all windows reopen at once after the server was unavailable, and the editor's
 * answers to requests of the server, which may be one for each file.
 */
export const windowLimits: Partial<Record<RouteKind, RateLimit>> = {
  stream: { rate: 20, burst: 100 },
  answer: { rate: 1000, burst: 1000 },
};

const eventStream = /\btext\/event-stream\b/i;

interface StreamRoute {
  readonly method: string;
  readonly path: RegExp;
  /** Whether the route responds with a stream only if the client accepts one. */
  readonly optional: boolean;
}

const pathPattern = (path: string) => new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`);
/** Routes that respond with a stream. Not those that run a program: these count as `execute`. */
const streamRoutes: readonly StreamRoute[] = Object.values<RouteShape>(routes)
  .filter(({ stream, event, body }) => stream === true || (event !== undefined && body === undefined))
  .map(({ method, path, stream }) => ({ method, path: pathPattern(path), optional: stream !== true }));
const answerPath = pathPattern(routes['editor.answer'].path);

/** Returns the kind of the route that a request is for. */
export function routeKindOf({ method, url = '', headers }: IncomingMessage): RouteKind {
  const path = url.split('?', 1)[0] ?? '';
  if (path.startsWith('/llm/')) return 'llm';
  const stream = streamRoutes.find((candidate) => candidate.method === method && candidate.path.test(path));
  if (stream && (!stream.optional || eventStream.test(headers.accept ?? ''))) return 'stream';
  if (method === routes['editor.answer'].method && answerPath.test(path)) return 'answer';
  return path === '/execute' || path.startsWith('/execute/') ? 'execute' : 'api';
}
