import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import {
  type RouteChecked,
  type RouteName,
  type RouteOutput,
  type RouteShape,
  routes,
} from '@devlm/protocol/routes.ts';
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import type { Logger } from 'pino';
import type * as z from 'zod';
import { readJson } from './body.ts';
import type { Guard } from './guard.ts';
import type { Identity } from './identity/tokens.ts';
import { messagesPrefix } from './messages.ts';
import { httpProblem, sendProblem, toProblem } from './problems.ts';
import { type StreamMessage, sendStream } from './sse.ts';

export interface CallContext {
  /** Who sends the request. */
  readonly identity: Identity;
  /** Aborts when the client goes away or the server closes. */
  readonly signal: AbortSignal;
  /** The `Last-Event-ID` header as a number, where there is one. */
  readonly lastEventId: number | undefined;
  /** The client accepts `text/event-stream`. */
  readonly wantsStream: boolean;
}

/** What a handler of the route answers: a stream, a value, or nothing. */
type Answer<N extends RouteName> = (typeof routes)[N] extends { stream: true }
  ? Promise<AsyncIterable<readonly StreamMessage[]>>
  : (typeof routes)[N] extends { event: z.ZodType }
    ? Promise<RouteOutput<N> | AsyncIterable<readonly StreamMessage[]>>
    : undefined extends RouteOutput<N>
      ? Promise<void>
      : Promise<RouteOutput<N>>;

/** A handler for each route of the protocol's table: the compiler sees that none is missing. */
export type Handlers = {
  readonly [N in RouteName]: (input: RouteChecked<N>, context: CallContext) => Answer<N>;
};

export interface AppOptions {
  readonly handlers: Handlers;
  readonly guard: Guard;
  readonly logger: Logger;
  /** Called with each authenticated request; what keeps an embedded server alive. */
  readonly onRequest: () => void;
  readonly closing: AbortSignal;
}

export function createApp({ handlers, guard, logger, onRequest, closing }: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use((_request, response, next) => {
    response.locals['requestId'] = randomUUID();
    response.setHeader('X-Request-Id', response.locals['requestId']);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  const identities = new WeakMap<IncomingMessage, Identity>();
  app.use((request, _response, next) => {
    const identity = guard(request);
    if (identity) identities.set(request, identity);
    next();
  });
  app.get(['/healthz', '/readyz'], (_request, response) => void response.json({ status: 'ok' }));
  app.use((_request, _response, next) => {
    onRequest();
    if (closing.aborted) throw httpProblem('closing', 'The server is closing. Connect again.', { retryAfterMs: 1000 });
    next();
  });

  const identityOf = (request: IncomingMessage): Identity => {
    const identity = identities.get(request);
    if (!identity) throw httpProblem('unauthorized', 'Nobody has said who sends this.');
    return identity;
  };
  const byPath = Map.groupBy(Object.keys(routes) as RouteName[], (name) => routes[name].path);
  for (const [path, names] of byPath) {
    for (const name of names) {
      const method = routes[name].method.toLowerCase() as Lowercase<(typeof routes)[RouteName]['method']>;
      const route: RouteShape = routes[name];
      const reader = route.body ? readJson(route.bodyBytes ?? limits.requestBodyBytes) : [];
      app[method](path, ...reader, handle(name, handlers, identityOf, closing));
    }
    const allowed = names.map((name) => routes[name].method);
    app.all(path, (request, response) => {
      response.setHeader('Allow', allowed.join(', '));
      throw httpProblem(
        'method_not_allowed',
        `${request.method} is not possible here; ${allowed.join(' and ')} ${allowed.length > 1 ? 'are' : 'is'}.`,
      );
    });
  }

  app.use((request) => {
    throw httpProblem('not_found', `There is no ${request.path.slice(0, 200)} on this server.`);
  });
  app.use((error: unknown, request: Request, response: Response, next: (error: unknown) => void) => {
    const requestId = String(response.locals['requestId']);
    const { status, code } = toProblem(error);
    const about = { requestId, method: request.method, path: request.path, status, code };
    if (status >= 500 && !(error instanceof ProblemError)) logger.error({ ...about, err: error }, 'request failed');
    else logger.debug(about, 'request refused');
    if (response.headersSent) return next(error);
    sendProblem(response, isUriError(error) ? httpProblem('bad_request', 'The path is not valid.') : error, requestId);
  });
  return app;
}

/** An HTTP server around the two that answers malformed requests with a problem, too. */
export function createHttpServer(app: Express, messages: RequestListener): Server {
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 65_000, maxHeaderSize: 16_384, noDelay: true },
    (request, response) =>
      request.url?.startsWith(messagesPrefix) ? messages(request, response) : app(request, response),
  );
  server.maxConnections = 512;
  const receiving = new WeakSet<Socket>();
  server.on('request', (request) => {
    receiving.add(request.socket);
    request.once('end', () => receiving.delete(request.socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    // A body that breaks off belongs to a request that gets its own answer: there must be no second one.
    if (receiving.has(socket)) return void socket.destroySoon();
    const status =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? '408 Request Timeout'
          : '400 Bad Request';
    const problem = {
      code: 'bad_request',
      status: Number(status.slice(0, 3)),
      title: status.slice(4),
      detail: 'This is not a request that the server understands.',
      requestId: randomUUID(),
    };
    const body = JSON.stringify(problem);
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  });
  return server;
}

function handle<N extends RouteName>(
  name: N,
  handlers: Handlers,
  identityOf: (request: IncomingMessage) => Identity,
  closing: AbortSignal,
): RequestHandler {
  const route: RouteShape = routes[name];
  return async (request, response) => {
    const input = {
      params: check(route.params, request.params, 'path'),
      query: check(route.query, request.query, 'query'),
      body: check(route.body, request.body, 'body'),
    } as RouteChecked<N>;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const context: CallContext = {
      identity: identityOf(request),
      signal: AbortSignal.any([gone.signal, closing]),
      lastEventId: lastEventId(request),
      wantsStream: /\btext\/event-stream\b/i.test(request.get('accept') ?? ''),
    };
    const value = await handlers[name](input, context);
    if (isStream(value)) return sendStream(response, value, context.signal);
    if (value === undefined) response.status(204).end();
    else response.json(value);
  };
}

function isStream(value: unknown): value is AsyncIterable<readonly StreamMessage[]> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function check(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (!schema) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = [where, ...(issue?.path ?? [])].join('.');
  throw httpProblem('invalid_input', `${field}: ${issue?.message ?? 'invalid'}`.slice(0, 500));
}

function lastEventId(request: Request): number | undefined {
  const value = request.get('last-event-id');
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw httpProblem('invalid_input', 'Last-Event-ID must be a sequence number.');
  return Number(value);
}

/** Express reports a path that is not valid percent-encoding this way. */
function isUriError(error: unknown): boolean {
  return error instanceof URIError;
}
