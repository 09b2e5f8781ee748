import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import type { Logger } from 'pino';
import type { AnswerSink } from '../llm/answers/answer-sink.ts';
import type { Reservation } from '../llm/budget-admission.ts';
import type { Pool } from '../llm/pool/pool.ts';
import type { Priority } from '../llm/pool/types.ts';
import type { Identity } from './identity/tokens.ts';
import type { RequestAdmission } from './limits/admission.ts';
import { forward, type Outgoing, type Try } from './messages/forward.ts';
import { forwardedRequestHeaders } from './messages/headers.ts';
import { answerModels } from './messages/model-list.ts';
import { type Peeked, peek, withModel } from './messages/peek.ts';
import { newRequestId, Refused, sendRefusal } from './messages/refusal.ts';
import { type HeldBody, readBody } from './messages/request-body.ts';
import type { SharedAnswers } from './messages/shared-answers.ts';

/*
 * The Messages API at `/llm`. Any client of Claude with a configurable base URL can use the instances of this server.
 * Requests are forwarded unchanged, except for the credential and a model alias.
 * The endpoint uses plain `node:http` instead of Express, because every stream passes through it.
 */

/** Path prefix of the Messages endpoint. The provider's own path follows it. */
export const messagesPrefix = '/llm/';

/** Options of `messagesEndpoint`. */
export interface MessagesOptions {
  readonly admit: RequestAdmission;
  readonly pool: Pool;
  /** Returns the models that at least one instance lists. @throws ProblemError */
  readonly models: (signal: AbortSignal) => Promise<readonly ModelInfo[]>;
  /** If absent, answers are not shared and every call is made. */
  readonly answers?: SharedAnswers;
  /** Base of the idle timeouts, in milliseconds. An answer is abandoned after five times as long without a byte. */
  readonly idleMs: number;
  /** Called with each authenticated request. */
  readonly onRequest: () => void;
  /** Called before each call that is billed. @throws ProblemError `budget_exceeded` */
  readonly reserve?: (planned: PlannedCall) => Promise<Reservation>;
  /** Called at the end of each call that the provider answered with a message, including calls that were retried. Never rejects. */
  readonly onCall: (call: MessagesCall) => Promise<void>;
  readonly closing: AbortSignal;
  readonly logger: Logger;
}

/** A call for which an amount is reserved. */
export interface PlannedCall {
  readonly identity: Identity;
  /** The preferred model of those that the requested name or alias stands for. */
  readonly model: string;
  /** Size of the original body, in bytes. */
  readonly bytes: number;
  readonly body: Buffer;
}

/** Outcome of a call that was forwarded, with the identity of the caller. */
export interface MessagesCall extends Try {
  readonly identity: Identity;
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly body: boolean;
  /** Whether the answer is a message, which is billed. */
  readonly counted: boolean;
}

const routes: readonly Route[] = [
  { method: 'POST', path: /^\/v1\/messages$/, body: true, counted: true },
  { method: 'POST', path: /^\/v1\/messages\/count_tokens$/, body: true, counted: false },
  { method: 'GET', path: /^\/v1\/models(\/[\w.:@-]{1,200})?$/, body: false, counted: false },
];

/** Returns the request listener for paths below `messagesPrefix`. It never throws. */
export function messagesEndpoint(
  options: MessagesOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  // One listener for all calls: adding a listener to a signal that has many is slow.
  const activeCalls = new Set<AbortController>();
  options.closing.addEventListener('abort', () => activeCalls.forEach(abortForClosing), { once: true });
  return (request, response) => {
    const requestId = newRequestId();
    answer(request, response, options, requestId, activeCalls).catch((error: unknown) => {
      const known = error instanceof Refused || error instanceof ProblemError;
      if (!known) options.logger.error({ err: error, requestId }, 'Messages API call failed');
      sendRefusal(response, requestId, error);
    });
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: MessagesOptions,
  requestId: string,
  activeCalls: Set<AbortController>,
): Promise<void> {
  const identity = await options.admit(request, response);
  if (!identity) throw new Refused(401, 'Authentication is required.');
  options.onRequest();
  const { route, path } = routeOf(request);
  const controller = new AbortController();
  const onClose = () =>
    response.writableFinished || controller.abort(new Refused(499, 'The client closed the connection.'));
  if (options.closing.aborted) abortForClosing(controller);
  let held: HeldBody | undefined;
  response.once('close', onClose);
  activeCalls.add(controller);
  try {
    const body = await readBody(request);
    held = body;
    controller.signal.throwIfAborted();
    if (!route.body && options.pool.usable.length > 1)
      return answerModels(response, path, await options.models(controller.signal), options.pool.aliases, requestId);
    const peeked = route.body ? peek(body.bytes) : null;
    if (route.body && !peeked)
      throw new Refused(400, 'The request body is not valid JSON: expected an object with a `model`.');
    const admitted: AdmittedRequest = { request, identity, route, path, body, peeked, requestId };
    const call = outgoingOf(admitted);
    const ask = (sink: AnswerSink, signal: AbortSignal): Promise<void> => {
      // `makeCall` disposes of the body from here on: a shared call may outlive this client's request.
      held = undefined;
      return makeCall(call, admitted, sink, signal, options);
    };
    const key =
      (route.counted && peeked && options.answers?.keyOf(request, path, body.bytes, peeked, identity)) || null;
    if (!options.answers || !peeked || key === null) return await ask(response, controller.signal);
    const about = { model: peeked.model, requestId, signal: controller.signal };
    const given = await options.answers.give(key, ask, response, about);
    if (given) await options.onCall({ ...given, identity });
  } finally {
    held?.[Symbol.dispose]();
    response.off('close', onClose);
    activeCalls.delete(controller);
  }
}

/** A request that has been admitted and read. */
interface AdmittedRequest {
  readonly request: IncomingMessage;
  readonly identity: Identity;
  readonly route: Route;
  /** The provider's path, including the query string. */
  readonly path: string;
  readonly body: HeldBody;
  /** Null for a request without a body. */
  readonly peeked: Peeked | null;
  readonly requestId: string;
}

function outgoingOf({ request, identity, route, path, body, peeked, requestId }: AdmittedRequest): Outgoing {
  return {
    method: route.method,
    path,
    headers: forwardedRequestHeaders(request.headers),
    body: (model) => (peeked ? bodyFor(body.bytes, peeked, model) : null),
    stream: peeked?.stream ?? false,
    counted: route.counted,
    begun: () => body[Symbol.dispose](),
    leaseRequest: {
      model: peeked?.model ?? null,
      conversation: route.counted && peeked ? conversationOf(request, identity, peeked) : undefined,
      caller: identity.user,
      priority: priorityOf(request),
      promptBytes: body.bytes.length,
      counting: route.body && !route.counted,
    },
    requestId,
  };
}

/** Reserves what the call may cost, makes the call, and releases the body and the reservation. */
async function makeCall(
  call: Outgoing,
  { identity, route, body, peeked }: AdmittedRequest,
  sink: AnswerSink,
  signal: AbortSignal,
  { pool, idleMs, reserve, onCall }: MessagesOptions,
): Promise<void> {
  using _body = body;
  const reservation =
    route.counted && peeked
      ? await reserve?.({
          identity,
          model: pool.modelsOf(peeked.model)[0] ?? peeked.model,
          bytes: body.bytes.length,
          body: body.bytes,
        })
      : undefined;
  const noted: Promise<void>[] = [];
  try {
    await forward(call, sink, {
      pool,
      idleMs,
      onTry: (done) => void noted.push(onCall({ ...done, identity })),
      signal,
    });
  } finally {
    // Release only after the cost is recorded, so that the call is counted at every moment.
    if (reservation) await Promise.all(noted).then(() => reservation.release());
  }
}

function abortForClosing(controller: AbortController): void {
  controller.abort(new Refused(529, 'The server is shutting down. Try again in a moment.', 1_000));
}

function routeOf(request: IncomingMessage): { route: Route; path: string } {
  // The path is not normalized: a path that would need it is not one of this endpoint.
  const url = (request.url ?? '').slice(messagesPrefix.length - 1);
  const [path = ''] = url.split('?', 1);
  const here = routes.filter((candidate) => candidate.path.test(path));
  const route = here.find(({ method }) => method === request.method);
  if (here.length === 0) throw new Refused(404, `The path ${path.slice(0, 200)} does not exist.`);
  if (!route) throw new Refused(405, `${request.method} is not allowed for this path.`);
  return { route, path: url };
}

function bodyFor(body: Buffer, peeked: Peeked, model: string | null): Buffer {
  return model === null || model === peeked.model ? body : withModel(body, peeked, model);
}

/** Returns the priority from `x-devlm-priority`. Clients send `background` for calls that no user waits for. */
function priorityOf({ headers }: IncomingMessage): Priority {
  return headers['x-devlm-priority'] === 'background' ? 'background' : 'person';
}

/**
 * Returns a key for the conversation, from the client's headers or else from the beginning of the prompt. Calls of one
 * conversation go to the same instance, which has the prompt in its cache.
 */
function conversationOf({ headers }: IncomingMessage, { user }: Identity, { model, beginning }: Peeked): string {
  const said = headers['x-devlm-conversation'] ?? headers['x-claude-code-session-id'];
  const conversationKey = typeof said === 'string' ? said : beginning;
  return hash('sha256', `${user}\n${model}\n${conversationKey}`, 'base64url');
}
