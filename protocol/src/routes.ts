import * as z from 'zod';
import { budgetRoutes } from './budgets.ts';
import { EditorAnswer, EditorHello, EditorRequest } from './editor.ts';
import { NewAttachment, ReceivedEvent, TextAttachment } from './events.ts';
import {
  Execution,
  ExecutionEvent,
  ExecutionOrigin,
  ExecutionRecord,
  ExecutionRequest,
  SandboxStatus,
  Snippet,
} from './execution.ts';
import { BlobHash, Id } from './ids.ts';
import { instanceRoutes } from './instance-routes.ts';
import { limits } from './limits.ts';
import { reviewRoutes } from './review-routes.ts';
import { sentRequestRoutes } from './sent-requests.ts';
import { Task } from './tasks.ts';
import { tokenRoutes } from './tokens.ts';
import { AskAnswer } from './tools.ts';
import { userRoutes } from './users.ts';
import {
  ConversationSnapshot,
  ConversationSummary,
  ModelInfo,
  NamedSymbol,
  ServerInfo,
  ServerNotice,
  TurnPage,
  UsageTotal,
} from './views.ts';
import { workspaceRoutes } from './workspace-routes.ts';

/*
 * The routes of the server, defined once: the gateway registers and validates them from this table, the extension's
 * client and the chat page call them by name, and the contract test checks each of them.
 */

/** Version of the protocol. It grows when an older extension and a newer server, or the reverse, are incompatible. */
export const protocolVersion = 1;

const NoContent = z.undefined();
const conversation = z.object({ conversationId: Id });
const turn = z.object({ conversationId: Id, turnId: Id });
const execution = z.object({ executionId: Id });
const count = z.coerce.number().int().min(1).max(limits.pageRows);

/** The definition of a route. */
export interface RouteShape {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path of the route. `:name` is a path parameter. */
  readonly path: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Schema of the response. `NoContent` gives status 204. A stream sends `text/event-stream` with this schema. */
  readonly response: z.ZodType;
  readonly stream?: boolean;
  /** Schema of the events for a client that accepts `text/event-stream`, instead of the response. */
  readonly event?: z.ZodType;
  /** Whether a client that accepts `text/csv` gets that instead of the response. */
  readonly csv?: boolean;
  /** Maximum size of the body, in bytes. Default: `limits.requestBodyBytes`. */
  readonly bodyBytes?: number;
  /** Whether the chat page may call the route. */
  readonly page?: boolean;
}

/** All routes by name. */
export const routes = {
  'server.info': { method: 'GET', path: '/backend/info', response: ServerInfo, page: true },
  'server.events': { method: 'GET', path: '/backend/events', response: ServerNotice, stream: true },
  /** Ends an idle server so that a newer one can replace it. 409 `busy` while turns run. */
  'server.shutdown': {
    method: 'POST',
    path: '/backend/shutdown',
    body: z.object({ version: z.string() }),
    response: NoContent,
  },
  /**
   * Sets the credential, in memory only. Null restores the server's own configuration; an absent value is not changed.
   */
  'server.credential': {
    method: 'PUT',
    path: '/backend/credential',
    body: z.object({
      apiKey: z.string().max(4096).nullable().optional(),
      baseUrl: z
        .url({ protocol: /^https?$/ })
        .max(2048)
        .nullable()
        .optional(),
    }),
    response: ServerInfo,
  },
  'usage.today': {
    method: 'GET',
    path: '/backend/usage/today',
    /** Minutes east of UTC, so that "today" is the user's day. */
    query: z.object({ offset: z.coerce.number().int().min(-840).max(840).default(0) }),
    response: UsageTotal,
    page: true,
  },
  'models.list': {
    method: 'GET',
    path: '/backend/models',
    response: z.object({ models: z.array(ModelInfo), default: z.string() }),
    page: true,
  },
  'conversations.list': {
    method: 'GET',
    path: '/backend/conversations',
    query: z.object({
      search: z.string().max(limits.queryChars).optional(),
      projectId: Id.optional(),
      /** Opaque cursor from the previous page. */
      cursor: z.string().max(200).optional(),
      limit: count.default(50),
    }),
    response: z.object({ items: z.array(ConversationSummary), next: z.string().nullable() }),
    page: true,
  },
  'conversations.create': {
    method: 'POST',
    path: '/backend/conversations',
    body: z.object({
      id: Id,
      title: z.string().max(limits.titleChars).default(''),
      projectId: Id.nullable().default(null),
    }),
    response: ConversationSummary,
    page: true,
  },
  'conversations.get': {
    method: 'GET',
    path: '/backend/conversations/:conversationId',
    params: conversation,
    /** `limit`: number of the newest turns to include. */
    query: z.object({ limit: count.default(20) }),
    response: ConversationSnapshot,
    page: true,
  },
  'conversations.rename': {
    method: 'PATCH',
    path: '/backend/conversations/:conversationId',
    params: conversation,
    body: z.object({ title: z.string().trim().min(1).max(limits.titleChars) }),
    response: ConversationSummary,
    page: true,
  },
  /** Deletes a conversation. `conversations.restore` can undo it for 30 days. */
  'conversations.delete': {
    method: 'DELETE',
    path: '/backend/conversations/:conversationId',
    params: conversation,
    response: NoContent,
    page: true,
  },
  'conversations.restore': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/restore',
    params: conversation,
    response: ConversationSummary,
    page: true,
  },
  /** Creates a conversation with a copy of all turns up to and including this one. */
  'conversations.branch': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/branch',
    params: conversation,
    body: z.object({ id: Id, turnId: Id }),
    response: ConversationSummary,
    page: true,
  },
  /** Shows another branch: the head becomes the newest turn below this one. */
  'conversations.show': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/head',
    params: conversation,
    body: z.object({ turnId: Id }),
    response: NoContent,
    page: true,
  },
  'conversations.export': {
    method: 'GET',
    path: '/backend/conversations/:conversationId/export',
    params: conversation,
    response: z.object({ title: z.string(), markdown: z.string() }),
    page: true,
  },
  'conversations.events': {
    method: 'GET',
    path: '/backend/conversations/:conversationId/events',
    params: conversation,
    /** The `Last-Event-ID` header, if present, takes precedence. */
    query: z.object({ after: z.coerce.number().int().min(0).default(0) }),
    response: ReceivedEvent,
    stream: true,
  },
  'turns.list': {
    method: 'GET',
    path: '/backend/conversations/:conversationId/turns',
    params: conversation,
    /** Selects `at` and its ancestors, at most `limit` turns. */
    query: z.object({ at: Id, limit: count.default(20) }),
    response: TurnPage,
    page: true,
  },
  /** Creates a turn. Repeating it with the same id changes nothing and returns the same response. */
  'turns.create': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns',
    params: conversation,
    body: z.object({
      turnId: Id,
      parent: Id.nullable(),
      text: z.string().max(limits.messageChars),
      attachments: z.array(NewAttachment).max(limits.attachments).default([]),
      /** An earlier turn whose attachments are reused (to edit and resend, or to ask again). */
      attachmentsOf: Id.optional(),
      model: z.string().min(1).max(200).nullable().default(null),
      thinking: z.boolean().default(false),
      /** The task of the command that created the turn. */
      task: Task.optional(),
      /** Set to summarize the preceding conversation instead of answering. */
      compact: z.literal(true).optional(),
    }),
    /** `seq` is that of the `turn.created` event. */
    response: z.object({ turnId: Id, seq: z.int() }),
    page: true,
  },
  /** Stops a running turn, or removes a queued one. Stopping a turn that has ended changes nothing. */
  'turns.stop': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/stop',
    params: turn,
    response: NoContent,
    page: true,
  },
  /**
   * Runs a program. The response is always a record, whatever the outcome; 429 `sandbox_busy` if too many runs wait. The
   * run is canceled when the client disconnects, unless the client was following events. A request with the id of an
   * existing run follows that run.
   */
  'executions.run': {
    method: 'POST',
    path: '/execute',
    body: ExecutionRequest,
    bodyBytes: limits.executionInputBytes * 1.5,
    response: ExecutionRecord,
    event: ExecutionEvent,
  },
  /** Returns a run. With `text/event-stream`, it sends all events from the start of the run to its end. */
  'executions.get': {
    method: 'GET',
    path: '/execute/:executionId',
    params: execution,
    response: Execution,
    event: ExecutionEvent,
    page: true,
  },
  /** Cancels a run. Canceling a run that has ended changes nothing. */
  'executions.cancel': {
    method: 'DELETE',
    path: '/execute/:executionId',
    params: execution,
    response: NoContent,
    page: true,
  },
  /** Lists the newest run of each part of a conversation, including running ones, with shortened output. */
  'executions.list': {
    method: 'GET',
    path: '/backend/executions',
    query: z.object({ conversationId: Id }),
    response: z.object({ items: z.array(z.object({ origin: ExecutionOrigin, execution: Execution })) }),
    page: true,
  },
  /** Returns a program that was run, by the `programHash` of its record. */
  'snippets.get': {
    method: 'GET',
    path: '/backend/snippets/:hash',
    params: z.object({ hash: BlobHash }),
    response: Snippet,
    page: true,
  },
  'sandbox.status': { method: 'GET', path: '/backend/sandbox', response: SandboxStatus, page: true },
  /** Answers a question that a tool asked the user. Only the first answer counts; a later one changes nothing. */
  'asks.answer': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/asks/:callId',
    params: turn.extend({ callId: z.string().min(1).max(200) }),
    body: AskAnswer,
    response: NoContent,
    page: true,
  },
  /** Searches the definitions of a project by name, best first. Returns none while no window shares the project. */
  'symbols.find': {
    method: 'GET',
    path: '/backend/projects/:projectId/symbols',
    params: z.object({ projectId: Id }),
    query: z.object({ query: z.string().min(1).max(limits.queryChars) }),
    response: z.object({ items: z.array(NamedSymbol) }),
    page: true,
  },
  /** Returns the text of a web page that the user names, fetched like `web_fetch`. */
  'pages.read': {
    method: 'POST',
    path: '/backend/pages',
    body: z.object({ url: z.string().min(1).max(8192) }),
    response: TextAttachment,
    page: true,
  },
  /** Shares the workspace of a window for as long as the window keeps the stream open. */
  'editor.attach': {
    method: 'POST',
    path: '/backend/editor',
    body: EditorHello,
    response: EditorRequest,
    stream: true,
  },
  'editor.answer': {
    method: 'POST',
    path: '/backend/editor/requests/:requestId',
    params: z.object({ requestId: Id }),
    body: EditorAnswer,
    bodyBytes: 3 * limits.fileBytes,
    response: NoContent,
  },
  ...budgetRoutes,
  ...instanceRoutes,
  ...sentRequestRoutes,
  ...reviewRoutes,
  ...workspaceRoutes,
  ...tokenRoutes,
  ...userRoutes,
  /**
   * Calls a read-only tool, `web_search` or `symbol_search`, for the editor's own chat. Permission rules apply;
   * `confirmed` states that the user was asked, where a rule requires it.
   */
  'actions.run': {
    method: 'POST',
    path: '/backend/actions/:tool',
    params: z.object({ tool: z.string().min(1).max(64) }),
    body: z.object({
      projectId: Id.nullable(),
      input: z.record(z.string(), z.json()),
      confirmed: z.boolean().default(false),
    }),
    response: z.object({ ok: z.boolean(), text: z.string() }),
  },
  'blobs.get': {
    method: 'GET',
    path: '/backend/blobs/:hash',
    params: z.object({ hash: BlobHash }),
    response: z.object({ mediaType: z.string(), data: z.base64() }),
    page: true,
  },
} as const satisfies Record<string, RouteShape>;

/** The table of all routes. */
export type Routes = typeof routes;
/** The name of a route. */
export type RouteName = keyof Routes;
/** The name of a route that the chat page may call. */
export type PageRouteName = { [N in RouteName]: Routes[N] extends { page: true } ? N : never }[RouteName];

type In<T> = T extends z.ZodType ? z.input<T> : never;
type Out<T> = T extends z.ZodType ? z.output<T> : undefined;
type Field<N extends RouteName, K extends string> = K extends keyof Routes[N] ? Routes[N][K] : undefined;

/** The input of a route as a caller passes it: only the parts that the route has. */
export type RouteInput<N extends RouteName> = {
  [K in 'params' | 'query' | 'body' as Field<N, K> extends z.ZodType ? K : never]: In<Field<N, K>>;
};
/** The input of a route as a handler receives it, validated and with defaults filled in. */
export type RouteChecked<N extends RouteName> = {
  [K in 'params' | 'query' | 'body']: Out<Field<N, K>>;
};
/** The response of a route. */
export type RouteOutput<N extends RouteName> = z.output<Routes[N]['response']>;

/** Returns whether a name is that of a route that the chat page may call. */
export function isPageRoute(name: string): name is PageRouteName {
  return Object.hasOwn(routes, name) && 'page' in routes[name as RouteName];
}
