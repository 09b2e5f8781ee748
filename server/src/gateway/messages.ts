import { randomUUID } from 'node:crypto';
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline, Transform } from 'node:stream';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Logger } from 'pino';
import type { Upstream } from '../llm/provider.ts';
import { type Tapped, UsageTap } from '../llm/usage-tap.ts';
import type { Guard } from './guard.ts';
import type { Identity } from './identity/tokens.ts';

/*
 * The Messages API at `/llm`: any client of Claude that lets its base URL be set can use the credential that
 * this server has. What passes is not parsed and not changed, besides who is let in and whose key goes out.
 * On plain `node:http`, not on Express: this is the path that everything streams through.
 */

/** Where it stands; what follows is the provider's own path. */
export const messagesPrefix = '/llm/';

export interface MessagesOptions {
  readonly guard: Guard;
  /** @throws ProblemError `missing_key` */
  readonly upstream: () => Upstream;
  /** After five times as many milliseconds without a byte from the provider an answer is dead. */
  readonly idleMs: number;
  /** Called with each authenticated request. */
  readonly onRequest: () => void;
  /** Called at the end of each call that the provider answered with a message. */
  readonly onCall: (call: MessagesCall) => void;
  readonly closing: AbortSignal;
  readonly logger: Logger;
}

/** What became of a call that was passed on. */
export interface MessagesCall extends Tapped {
  readonly identity: Identity;
  /** Milliseconds. */
  readonly latencyMs: number;
  readonly firstTokenMs: number;
  readonly outcome: 'answered' | 'cut';
}

const routes: readonly { method: string; path: RegExp; counted: boolean }[] = [
  { method: 'POST', path: /^\/v1\/messages$/, counted: true },
  { method: 'POST', path: /^\/v1\/messages\/count_tokens$/, counted: false },
  { method: 'GET', path: /^\/v1\/models(\/[\w.:@-]{1,200})?$/, counted: false },
];

/** Of one connection alone, or about who sends: they do not belong to the next hop. */
const notForwarded = new Set(
  'connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade expect host authorization x-api-key cookie set-cookie accept-encoding content-length x-forwarded-for x-forwarded-host x-forwarded-proto forwarded x-real-ip'.split(
    ' ',
  ),
);

/** The provider's names of errors, by status. */
const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

const agents = {
  'http:': new HttpAgent({ keepAlive: true, maxSockets: 512 }),
  'https:': new HttpsAgent({ keepAlive: true, maxSockets: 512 }),
};

class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Answers what comes below `messagesPrefix`. Never throws. */
export function messagesEndpoint(
  options: MessagesOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const requestId = `req_devlm_${randomUUID().replaceAll('-', '')}`;
    try {
      forward(request, response, options, requestId);
    } catch (error) {
      const known = error instanceof Refused || error instanceof ProblemError;
      if (!known) options.logger.error({ err: error, requestId }, 'a call of the Messages API failed');
      refuse(request, response, requestId, error);
    }
  };
}

function forward(
  request: IncomingMessage,
  response: ServerResponse,
  options: MessagesOptions,
  requestId: string,
): void {
  const identity = options.guard(request);
  if (!identity) throw new Refused(401, 'Nobody has said who sends this.');
  options.onRequest();
  if (options.closing.aborted) throw new Refused(529, 'The server is closing. Try again in a moment.');
  const url = new URL(request.url ?? '/', 'http://gateway.invalid');
  const path = url.pathname.slice(messagesPrefix.length - 1);
  const here = routes.filter((route) => route.path.test(path));
  const route = here.find(({ method }) => method === request.method);
  if (here.length === 0) throw new Refused(404, `There is no ${path.slice(0, 200)} here.`);
  if (!route) throw new Refused(405, `${request.method} is not possible here.`);
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > limits.messagesBodyBytes) throw tooLarge();

  const { baseUrl, apiKey } = options.upstream();
  const target = new URL(`${baseUrl.replace(/\/+$/, '')}${path}${url.search}`);
  const headers: OutgoingHttpHeaders = {
    ...kept(request.headers),
    'x-api-key': apiKey,
    'accept-encoding': 'identity',
    ...(request.headers['content-length'] === undefined ? {} : { 'content-length': request.headers['content-length'] }),
  };
  const secure = target.protocol === 'https:';
  const outgoing = (secure ? httpsRequest : httpRequest)(target, {
    method: route.method,
    headers,
    agent: agents[secure ? 'https:' : 'http:'],
  });
  const fail = (error: Refused) => {
    outgoing.destroy();
    refuse(request, response, requestId, error);
  };
  const start = performance.now();
  const silence = setTimeout(() => fail(new Refused(504, 'The provider did not answer in time.')), options.idleMs * 5);
  const close = () => fail(new Refused(529, 'The server is closing. Try again in a moment.'));
  options.closing.addEventListener('abort', close, { once: true });
  response.once('close', () => {
    clearTimeout(silence);
    options.closing.removeEventListener('abort', close);
    // Who leaves is not answered to the end: the provider is told at once.
    outgoing.destroy();
  });
  outgoing.on('error', () => fail(new Refused(502, 'The provider cannot be reached.')));
  outgoing.once('response', (answer) => {
    const firstTokenMs = Math.round(performance.now() - start);
    const tap = route.counted && answer.statusCode === 200 ? new UsageTap(answer.headers['content-type'] ?? '') : null;
    response.writeHead(answer.statusCode ?? 502, { ...keptAnswer(answer.headers), 'x-devlm-request-id': requestId });
    // Headers reach the client before the first event does.
    response.flushHeaders();
    answer.on('data', (bytes: Buffer) => {
      silence.refresh();
      tap?.write(bytes);
    });
    pipeline(answer, response, (error) => {
      // What was cut off must not look whole to the client.
      if (error) response.destroy();
      const latencyMs = Math.round(performance.now() - start);
      if (tap) options.onCall({ ...tap.end(), identity, firstTokenMs, latencyMs, outcome: error ? 'cut' : 'answered' });
    });
  });
  pipeline(request, bounded(limits.messagesBodyBytes), outgoing, (error) => {
    if (error instanceof Refused) fail(error);
  });
}

/** Passes on what comes, and fails when it is more than so many bytes. */
function bounded(bytes: number): Transform {
  let left = bytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      if (left < 0) done(tooLarge());
      else done(null, chunk);
    },
  });
}

const tooLarge = () => new Refused(413, `The request is larger than ${limits.messagesBodyBytes / 1024 / 1024} MB.`);

function kept(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const dropped = connectionNames(headers);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !notForwarded.has(name) && !dropped.has(name)));
}

function keptAnswer(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const length = headers['content-length'];
  return { ...kept(headers), ...(length === undefined ? {} : { 'content-length': length }) };
}

/** What the sender of a message has named as of its connection alone. */
function connectionNames({ connection }: IncomingHttpHeaders): ReadonlySet<string> {
  return new Set((connection ?? '').split(',').map((name) => name.trim().toLowerCase()));
}

/** An error as the Messages API words it. After the headers it can only be the end of the connection. */
function refuse(request: IncomingMessage, response: ServerResponse, requestId: string, error: unknown): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  const status = error instanceof ProblemError ? error.problem.status : error instanceof Refused ? error.status : 500;
  const message =
    error instanceof ProblemError
      ? error.problem.detail
      : error instanceof Refused
        ? error.message
        : 'Something went wrong in DevLM.';
  const type = errorTypes[status] ?? 'api_error';
  const body = JSON.stringify({ type: 'error', error: { type, message }, request_id: requestId });
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'request-id': requestId,
    // The rest of the body may still be under way.
    ...(request.complete ? {} : { connection: 'close' }),
  });
  response.end(body);
  // Taken and thrown away for a moment, so that the client reads the answer instead of a reset.
  request.resume();
}
