import type { IncomingMessage } from 'node:http';
import { type RouteShape, routes } from '@devlm/protocol/routes.ts';
import type { RateLimit } from '../../storage/ports/rate-limiter.ts';

/** Each kind of route has buckets of its own: who uses up one can still use the others. */
export type Kind = 'api' | 'llm' | 'execute' | 'stream' | 'answer';

/**
 * What keeps an open window going has a bucket that is at least so large, and does not count for all users together:
 * event streams, which all windows open again at once when the server was away, and what an editor answers when the
 * server asks it, file by file where it must.
 */
export const windowLimits: Partial<Record<Kind, RateLimit>> = {
  stream: { rate: 20, burst: 100 },
  answer: { rate: 1000, burst: 1000 },
};

const eventStream = /\btext\/event-stream\b/i;

interface StreamRoute {
  readonly method: string;
  readonly path: RegExp;
  /** It is a stream only for who accepts one. */
  readonly optional: boolean;
}

const pattern = (path: string) => new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`);
/** Programs that are run are counted as such, whatever follows them. */
const streams: readonly StreamRoute[] = Object.values<RouteShape>(routes)
  .filter(({ stream, event, body }) => stream === true || (event !== undefined && body === undefined))
  .map(({ method, path, stream }) => ({ method, path: pattern(path), optional: stream !== true }));
const answer = pattern(routes['editor.answer'].path);

export function kindOf({ method, url = '', headers }: IncomingMessage): Kind {
  const path = url.split('?', 1)[0] ?? '';
  if (path.startsWith('/llm/')) return 'llm';
  const stream = streams.find((one) => one.method === method && one.path.test(path));
  if (stream && (!stream.optional || eventStream.test(headers.accept ?? ''))) return 'stream';
  if (method === routes['editor.answer'].method && answer.test(path)) return 'answer';
  return path === '/execute' || path.startsWith('/execute/') ? 'execute' : 'api';
}
