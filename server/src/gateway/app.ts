import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { type RouteChecked, type RouteName, type RouteShape, routes } from '@devlm/protocol/routes.ts';
import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import * as z from 'zod';
import { CsvText } from '../backend/csv.ts';
import { version } from '../version.ts';
import { readJson } from './body.ts';
import type { Ownership } from './identity/ownership.ts';
import type { Identity } from './identity/tokens.ts';
import type { RequestAdmission } from './limits/admission.ts';
import { openApi, openApiPath } from './openapi.ts';
import { httpProblem, problemForClient, sendProblem } from './problems.ts';
import type { CallContext, Handlers } from './routes/handler.ts';
import { type StreamMessage, sendStream } from './sse.ts';

/** Options of `createApp`. */
export interface AppOptions {
  readonly handlers: Handlers;
  readonly admit: RequestAdmission;
  readonly ownership: Ownership;
  readonly logger: Logger;
  /** Called with each authenticated request, which keeps an embedded server from exiting. */
  readonly onRequest: () => void;
  readonly closing: AbortSignal;
}

/** Returns the server's HTTP API: every route of the protocol's table, behind admission and the checks of its input. */
export function createApp({ handlers, admit, ownership, logger, onRequest, closing }: AppOptions): Express {
  const app = express();
  configure(app);
  const identityOf = admitRequests(app, admit);
  app.get(['/healthz', '/readyz'], (_request, response) => void response.json({ status: 'ok' }));
  app.use((_request, _response, next) => {
    onRequest();
    if (closing.aborted)
      throw httpProblem('closing', 'The server is shutting down. Connect again.', { retryAfterMs: 1000 });
    next();
  });
  serveOpenApi(app);
  const calls: Calls = { handlers, ownership, identityOf, closing, logger };
  const byPath = Map.groupBy(Object.keys(routes) as RouteName[], (name) => routes[name].path);
  for (const [path, names] of byPath) addPath(app, path, names, calls);
  app.use((request) => {
    throw httpProblem('not_found', `The path ${request.path.slice(0, 200)} does not exist on this server.`);
  });
  app.use(problemSender(logger));
  return app;
}

/** Sets how paths are read, and the headers of every response. */
function configure(app: Express): void {
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  // The guard compares paths exactly.
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.use((_request, response, next) => {
    response.locals['requestId'] = randomUUID();
    response.setHeader('X-Request-Id', response.locals['requestId']);
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  // No response is a page: a browser that shows one as a page must not load or run anything from it.
  const directives = { defaultSrc: ["'none'"], frameAncestors: ["'none'"] };
  app.use(helmet({ contentSecurityPolicy: { useDefaults: false, directives } }));
}

/** Refuses requests that are not admitted. Returns a function that gives the identity of an admitted request. */
function admitRequests(app: Express, admit: RequestAdmission): (request: IncomingMessage) => Identity {
  const identities = new WeakMap<IncomingMessage, Identity>();
  app.use(async (request, response, next) => {
    const identity = await admit(request, response);
    if (identity) identities.set(request, identity);
    next();
  });
  return (request) => {
    const identity = identities.get(request);
    if (!identity) throw httpProblem('unauthorized', 'Authentication is required.');
    return identity;
  };
}

function serveOpenApi(app: Express): void {
  // Built on the first request.
  let document: object | undefined;
  app.get(openApiPath, (_request, response) => {
    document ??= openApi(version);
    response.json(document);
  });
}

/** The services that the route handlers share. */
interface Calls extends Pick<AppOptions, 'handlers' | 'ownership' | 'closing' | 'logger'> {
  readonly identityOf: (request: IncomingMessage) => Identity;
}

/** Adds the routes of one path, and refuses every other method. */
function addPath(app: Express, path: string, names: readonly RouteName[], calls: Calls): void {
  const allowed = names.map((name) => routes[name].method);
  const notAllowed: RequestHandler = (request, response) => {
    response.setHeader('Allow', allowed.join(', '));
    throw httpProblem(
      'method_not_allowed',
      `${request.method} is not allowed for this path. Allowed: ${allowed.join(', ')}.`,
    );
  };
  // Express would handle HEAD as GET, and a response to HEAD from an event stream would never end.
  app.head(path, notAllowed);
  for (const name of names) {
    const method = routes[name].method.toLowerCase() as Lowercase<(typeof routes)[RouteName]['method']>;
    const route: RouteShape = routes[name];
    const reader = route.body ? readJson(route.bodyBytes ?? limits.requestBodyBytes) : [];
    app[method](path, ...reader, handle(name, calls));
  }
  app.all(path, notAllowed);
}

/** Returns the error handler of the API, the one place where errors become responses. */
function problemSender(logger: Logger): ErrorRequestHandler {
  return (thrown: unknown, request, response, _next) => {
    // Express reports a path that is not valid percent-encoding this way.
    const error = thrown instanceof URIError ? httpProblem('bad_request', 'The path is not valid.') : thrown;
    const requestId = String(response.locals['requestId']);
    const { status, code } = problemForClient(error);
    const about = { requestId, method: request.method, path: request.path, status, code };
    if (status >= 500 && !(error instanceof ProblemError)) logger.error({ ...about, err: error }, 'request failed');
    else logger.debug(about, 'request refused');
    if (response.headersSent) {
      // Cut it off, so that it does not look complete. If the response has ended, the HTTP server has already responded
      // to an incomplete body.
      if (!response.writableEnded) response.destroy();
      return;
    }
    sendProblem(response, error, requestId);
  };
}

function handle<N extends RouteName>(
  name: N,
  { handlers, ownership, identityOf, closing, logger }: Calls,
): RequestHandler {
  const route: RouteShape = routes[name];
  return async (request, response) => {
    const input = {
      params: check(route.params, request.params, 'path'),
      query: check(route.query, request.query, 'query'),
      body: check(route.body, request.body, 'body'),
    } as RouteChecked<N>;
    const disconnected = new AbortController();
    response.once('close', () => response.writableFinished || disconnected.abort());
    const context: CallContext = {
      identity: identityOf(request),
      signal: AbortSignal.any([disconnected.signal, closing]),
      lastEventId: lastEventId(request),
      wantsCsv: /\btext\/csv\b/i.test(request.get('accept') ?? ''),
      wantsStream: /\btext\/event-stream\b/i.test(request.get('accept') ?? ''),
    };
    logRequest(logger, { name, input, user: context.identity.user, requestId: String(response.locals['requestId']) });
    await ownership.check(name, input, context.identity);
    const value = await handlers[name](input, context);
    if (isStream(value)) return sendStream(response, value, context.signal);
    if (value instanceof CsvText) response.type('text/csv').attachment(value.name).send(value.text);
    else if (value === undefined) response.status(204).end();
    else response.json(value);
  };
}

/** Ids in a request that its log line names. */
const Traced = z.object({
  params: z.record(z.string(), z.string()).optional(),
  body: z.object({ turnId: z.string().optional(), id: z.string().optional() }).optional().catch(undefined),
});

/** Logs a request at level `debug`, with the ids that it names but without its content. */
function logRequest(
  logger: Logger,
  { name, input, ...about }: { name: RouteName; input: unknown; user: string; requestId: string },
): void {
  if (!logger.isLevelEnabled('debug')) return;
  const { params, body } = Traced.parse(input);
  logger.debug({ ...about, route: name, ...params, ...body }, 'request');
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
