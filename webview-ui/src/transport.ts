import type { ErrorCode } from '@devlm/protocol/error-codes.ts';
import type { ExecutionRequest } from '@devlm/protocol/execution.ts';
import { type EditorAction, HostToPage, type PageToHost } from '@devlm/protocol/page.ts';
import { type Problem, ProblemError, ReceivedProblem } from '@devlm/protocol/problem.ts';
import { type PageRouteName, type RouteInput, type RouteOutput, routes } from '@devlm/protocol/routes.ts';
import type * as z from 'zod';
import { t } from './l10n.ts';

interface VsCodeApi {
  postMessage(message: PageToHost): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** Maximum wait for a reply, in milliseconds. The extension has shorter timeouts for each route. */
const replyTimeoutMs = 60_000;
/** Maximum wait for a reply that may need a dialog, in milliseconds. */
const dialogTimeoutMs = 30 * 60_000;
/** Maximum number of calls that wait for a reply. */
const maxPending = 64;

type EventsMessage = Extract<HostToPage, { kind: 'events' }>;
/** A message that the extension sends without being asked. */
export type PushedMessage = Exclude<HostToPage, { kind: 'reply' }>;

interface Pending {
  resolve(value: unknown): void;
  reject(error: ProblemError): void;
  timer: ReturnType<typeof setTimeout>;
}

function problemError(code: ErrorCode, title: string, detail: string): ProblemError {
  return new ProblemError({ code, status: 500, title, detail });
}

/** Converts any thrown value to a problem that can be shown to the user. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  const detail = error instanceof Error ? error.message : String(error);
  return { code: 'page_error', status: 500, title: t('Something went wrong'), detail };
}

/** The page's connection to the extension. The page has no other way to communicate. */
class Transport {
  readonly #api = acquireVsCodeApi();
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  /** Starts listening, and tells the extension that the page is ready. */
  start(receive: (message: PushedMessage) => void): void {
    window.addEventListener('message', (event: MessageEvent<unknown>) => {
      const message = isEvents(event.data) ? event.data : HostToPage.safeParse(event.data).data;
      // The message is from a newer extension, or not from the extension.
      if (!message) return;
      if (message.kind === 'reply') this.#settle(message);
      else receive(message);
    });
    this.#api.postMessage({ kind: 'ready' });
  }

  /**
   * Calls a route of the server.
   * @throws ProblemError
   */
  async call<N extends PageRouteName>(route: N, input: RouteInput<N>): Promise<RouteOutput<N>> {
    const value = await this.#request((id) => ({ kind: 'call', id, route, input }), replyTimeoutMs);
    const schema: z.ZodType = routes[route].response;
    const parsed = schema.safeParse(value ?? undefined);
    if (parsed.success) return parsed.data as RouteOutput<N>;
    throw problemError(
      'bad_reply',
      t('Unexpected response'),
      t(
        'The server sent a response that DevLM cannot read. Make sure that the extension and the server are up to date.',
      ),
    );
  }

  /**
   * Performs an action in the editor.
   * @throws ProblemError
   */
  editor(action: EditorAction): Promise<unknown> {
    const mayOpenDialog =
      action.action === 'pickFiles' ||
      action.action === 'readFiles' ||
      action.action === 'exportConversation' ||
      action.action === 'showSentRequests' ||
      action.action === 'command';
    return this.#request((id) => ({ kind: 'editor', id, action }), mayOpenDialog ? dialogTimeoutMs : replyTimeoutMs);
  }

  /** Subscribes to the events of a conversation after `after`, in place of any other conversation. */
  subscribe(conversationId: string | null, after: number): void {
    this.#api.postMessage({ kind: 'subscribe', conversationId, after });
  }

  /** Runs a program, or without a request follows the run with this id from its start. */
  execute(id: string, request?: ExecutionRequest): void {
    this.#api.postMessage({ kind: 'execute', id, request });
  }

  #request(message: (id: number) => PageToHost, timeoutMs: number): Promise<unknown> {
    if (this.#pending.size >= maxPending) {
      return Promise.reject(
        problemError(
          'page_busy',
          t('Too many requests'),
          t('DevLM is still busy with earlier requests. Try again in a moment.'),
        ),
      );
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(problemError('no_reply', t('No response'), t('The editor did not respond in time. Try again.')));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.#api.postMessage(message(id));
    });
  }

  #settle(reply: Extract<HostToPage, { kind: 'reply' }>): void {
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    this.#pending.delete(reply.id);
    clearTimeout(pending.timer);
    if (reply.ok) pending.resolve(reply.value);
    else pending.reject(new ProblemError(ReceivedProblem.parse(reply.problem)));
  }
}

/**
 * Returns whether a message is an events message. Only the envelope is checked, because events arrive many times per
 * second and the extension has validated each of them.
 */
function isEvents(data: unknown): data is EventsMessage {
  return (
    typeof data === 'object' &&
    data !== null &&
    'kind' in data &&
    data.kind === 'events' &&
    'conversationId' in data &&
    typeof data.conversationId === 'string' &&
    'events' in data &&
    Array.isArray(data.events)
  );
}

/** The page's connection to the extension. */
export const transport = new Transport();
