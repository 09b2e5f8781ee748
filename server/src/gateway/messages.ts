import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import type { Logger } from 'pino';
import type { AnswerSink } from '../llm/answers/answer-sink.ts';
import type { Pool } from '../llm/pool/pool.ts';
import type { Priority } from '../llm/pool/types.ts';
import type { Identity } from './identity/tokens.ts';
import type { Admission } from './limits/admission.ts';
import { forward, type Outgoing, type Try } from './messages/forward.ts';
import type { GivenAgain } from './messages/given-again.ts';
import { keptHeaders } from './messages/headers.ts';
import { answerModels } from './messages/model-list.ts';
import { type Peeked, peek, withModel } from './messages/peek.ts';
import { newRequestId, Refused, refuse } from './messages/refusal.ts';
import { type HeldBody, readBody } from './messages/request-body.ts';

/*
 * The Messages API at `/llm`: any client of Claude that lets its base URL be set can use the instances that this
 * server has. What passes is not changed, besides who is let in, whose key goes out, and an alias for a model.
 * On plain `node:http`, not on Express: this is the path that everything streams through.
 */

/** Where it stands; what follows is the provider's own path. */
export const messagesPrefix = '/llm/';

/** What a call may cost is set aside before it is made. */
export interface Reservation {
  /** Called when `onCall` has noted what it cost. */
  release(): Promise<void>;
}

export interface MessagesOptions {
  readonly admit: Admission;
  readonly pool: Pool;
  /** What any instance lists. @throws ProblemError */
  readonly models: (signal: AbortSignal) => Promise<readonly ModelInfo[]>;
  /** Absent: every call is made. */
  readonly answers?: GivenAgain;
  /** After five times as many milliseconds without a byte from the provider an answer is dead. */
  readonly idleMs: number;
  /** Called with each authenticated request. */
  readonly onRequest: () => void;
  /** Called before each call that costs. @throws ProblemError `budget_exceeded` */
  readonly reserve?: (planned: PlannedCall) => Promise<Reservation>;
  /** Called at the end of each call that the provider answered with a message, also where it had to be made again. Never rejects. */
  readonly onCall: (call: MessagesCall) => Promise<void>;
  readonly closing: AbortSignal;
  readonly logger: Logger;
}

export interface PlannedCall {
  readonly identity: Identity;
  /** Of those that the client's word for it stands for, the preferred one. */
  readonly model: string;
  /** Of the body as it came. */
  readonly bytes: number;
  readonly body: Buffer;
}

/** What became of a call that was passed on. */
export interface MessagesCall extends Try {
  readonly identity: Identity;
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly body: boolean;
  /** Whether its answer is a message, which costs. */
  readonly counted: boolean;
}

const routes: readonly Route[] = [
  { method: 'POST', path: /^\/v1\/messages$/, body: true, counted: true },
  { method: 'POST', path: /^\/v1\/messages\/count_tokens$/, body: true, counted: false },
  { method: 'GET', path: /^\/v1\/models(\/[\w.:@-]{1,200})?$/, body: false, counted: false },
];

/** Answers what comes below `messagesPrefix`. Never throws. */
export function messagesEndpoint(
  options: MessagesOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  // Not a listener for each on the one signal: with many of them it takes long to add another.
  const underWay = new Set<AbortController>();
  options.closing.addEventListener('abort', () => underWay.forEach(close), { once: true });
  return (request, response) => {
    const requestId = newRequestId();
    answer(request, response, options, requestId, underWay).catch((error: unknown) => {
      const known = error instanceof Refused || error instanceof ProblemError;
      if (!known) options.logger.error({ err: error, requestId }, 'a call of the Messages API failed');
      refuse(response, requestId, error);
    });
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: MessagesOptions,
  requestId: string,
  underWay: Set<AbortController>,
): Promise<void> {
  const identity = await options.admit(request, response);
  if (!identity) throw new Refused(401, 'Nobody has said who sends this.');
  options.onRequest();
  const { route, path } = routeOf(request);
  const gone = new AbortController();
  const leave = () => response.writableFinished || gone.abort(new Refused(499, 'The client has left.'));
  if (options.closing.aborted) close(gone);
  let held: HeldBody | undefined;
  response.once('close', leave);
  underWay.add(gone);
  try {
    const body = await readBody(request);
    held = body;
    gone.signal.throwIfAborted();
    if (!route.body && options.pool.usable.length > 1)
      return answerModels(response, path, await options.models(gone.signal), options.pool.aliases, requestId);
    const peeked = route.body ? peek(body.bytes) : null;
    if (route.body && !peeked)
      throw new Refused(400, 'The request body is not valid JSON: expected an object with a `model`.');
    const asked: Asked = { request, identity, route, path, body, peeked, requestId };
    const call = outgoingOf(asked);
    const ask = (sink: AnswerSink, signal: AbortSignal): Promise<void> => {
      // Where the answer is shared the call may outlive this client.
      held = undefined;
      return makeCall(call, asked, sink, signal, options);
    };
    const key =
      (route.counted && peeked && options.answers?.keyOf(request, path, body.bytes, peeked, identity)) || null;
    if (!options.answers || !peeked || key === null) return await ask(response, gone.signal);
    const about = { model: peeked.model, requestId, signal: gone.signal };
    const given = await options.answers.give(key, ask, response, about);
    if (given) await options.onCall({ ...given, identity });
  } finally {
    held?.[Symbol.dispose]();
    response.off('close', leave);
    underWay.delete(gone);
  }
}

/** A request that was let in and read. */
interface Asked {
  readonly request: IncomingMessage;
  readonly identity: Identity;
  readonly route: Route;
  /** The provider's path, with the query. */
  readonly path: string;
  readonly body: HeldBody;
  /** Null for a request without a body. */
  readonly peeked: Peeked | null;
  readonly requestId: string;
}

function outgoingOf({ request, identity, route, path, body, peeked, requestId }: Asked): Outgoing {
  return {
    method: route.method,
    path,
    headers: keptHeaders(request.headers),
    body: (model) => (peeked ? bodyFor(body.bytes, peeked, model) : null),
    stream: peeked?.stream ?? false,
    counted: route.counted,
    begun: () => body[Symbol.dispose](),
    wanted: {
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

/** Reserves what the call may cost, makes it, and lets go of its body and its reservation. */
async function makeCall(
  call: Outgoing,
  { identity, route, body, peeked }: Asked,
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
    // Only then: between the two the call must not go uncounted.
    if (reservation) await Promise.all(noted).then(() => reservation.release());
  }
}

function close(gone: AbortController): void {
  gone.abort(new Refused(529, 'The server is closing. Try again in a moment.', 1_000));
}

function routeOf(request: IncomingMessage): { route: Route; path: string } {
  // As it came: what would first have to be put right is no path of ours.
  const url = (request.url ?? '').slice(messagesPrefix.length - 1);
  const [path = ''] = url.split('?', 1);
  const here = routes.filter((one) => one.path.test(path));
  const route = here.find(({ method }) => method === request.method);
  if (here.length === 0) throw new Refused(404, `There is no ${path.slice(0, 200)} here.`);
  if (!route) throw new Refused(405, `${request.method} is not possible here.`);
  return { route, path: url };
}

function bodyFor(body: Buffer, peeked: Peeked, model: string | null): Buffer {
  return model === null || model === peeked.model ? body : withModel(body, peeked, model);
}

/** `x-devlm-priority: background` of what nobody waits for. */
function priorityOf({ headers }: IncomingMessage): Priority {
  return headers['x-devlm-priority'] === 'background' ? 'background' : 'person';
}

/** What the client says it is, else what it begins with: an instance that has read it before has it in its cache. */
function conversationOf({ headers }: IncomingMessage, { user }: Identity, { model, beginning }: Peeked): string {
  const said = headers['x-devlm-conversation'] ?? headers['x-claude-code-session-id'];
  const told = typeof said === 'string' ? said : beginning;
  return hash('sha256', `${user}\n${model}\n${told}`, 'base64url');
}
