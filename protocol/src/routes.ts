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
 * The routes of the companion server, once: the gateway registers and checks them from this
 * table, the extension's client and the chat page call them by name, the contract test walks it.
 */

/** Grows when an older extension can no longer speak to a newer server, or the reverse. */
export const protocolVersion = 1;

const NoContent = z.undefined();
const conversation = z.object({ conversationId: Id });
const turn = z.object({ conversationId: Id, turnId: Id });
const execution = z.object({ executionId: Id });
const count = z.coerce.number().int().min(1).max(limits.pageRows);

/** What a row of the table may say. */
export interface RouteShape {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `:name` stands for a path parameter. */
  readonly path: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** `NoContent` answers 204. A stream answers `text/event-stream` of this schema. */
  readonly response: z.ZodType;
  readonly stream?: boolean;
  /** A client that accepts `text/event-stream` gets a stream of this instead of the response. */
  readonly event?: z.ZodType;
  /** A client that accepts `text/csv` gets that instead of the response. */
  readonly csv?: boolean;
  /** Largest body, bytes; default `limits.requestBodyBytes`. */
  readonly bodyBytes?: number;
  /** The chat page may call it. */
  readonly page?: boolean;
}

export const routes = {
  'server.info': { method: 'GET', path: '/backend/info', response: ServerInfo, page: true },
  'server.events': { method: 'GET', path: '/backend/events', response: ServerNotice, stream: true },
  /** Ends an idle server so that a newer one can take its place; 409 `busy` while turns run. */
  'server.shutdown': {
    method: 'POST',
    path: '/backend/shutdown',
    body: z.object({ version: z.string() }),
    response: NoContent,
  },
  /** Held in memory only. Null falls back to the server's own configuration; what is absent stays as it is. */
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
    /** Minutes east of UTC, so that "today" is the person's. */
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
      /** Opaque, from the page before. */
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
    /** How many of the newest turns to bring along. */
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
  /** Undoable for 30 days by `conversations.restore`. */
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
  /** A new conversation with a copy of everything up to and with the turn. */
  'conversations.branch': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/branch',
    params: conversation,
    body: z.object({ id: Id, turnId: Id }),
    response: ConversationSummary,
    page: true,
  },
  /** Shows another branch: the head becomes the newest turn below the one named. */
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
    /** The `Last-Event-ID` header, where present, counts instead. */
    query: z.object({ after: z.coerce.number().int().min(0).default(0) }),
    response: ReceivedEvent,
    stream: true,
  },
  'turns.list': {
    method: 'GET',
    path: '/backend/conversations/:conversationId/turns',
    params: conversation,
    /** `at` and its ancestors, at most `limit`. */
    query: z.object({ at: Id, limit: count.default(20) }),
    response: TurnPage,
    page: true,
  },
  /** Sending the same turn id again changes nothing and answers the same. */
  'turns.create': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns',
    params: conversation,
    body: z.object({
      turnId: Id,
      parent: Id.nullable(),
      text: z.string().max(limits.messageChars),
      attachments: z.array(NewAttachment).max(limits.attachments).default([]),
      /** Attachments of this earlier turn are taken over (edit and resend, ask again). */
      attachmentsOf: Id.optional(),
      model: z.string().min(1).max(200).nullable().default(null),
      thinking: z.boolean().default(false),
      /** The command that asks. */
      task: Task.optional(),
      /** Sums up the conversation before it instead of answering. */
      compact: z.literal(true).optional(),
    }),
    /** `seq` of the `turn.created` event. */
    response: z.object({ turnId: Id, seq: z.int() }),
    page: true,
  },
  /** Stops a running turn, or takes a queued one out. Stopping one that has ended changes nothing. */
  'turns.stop': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/stop',
    params: turn,
    response: NoContent,
    page: true,
  },
  /**
   * Runs a program. Its end is always an answer with a record, whatever became of it; 429 `sandbox_busy`
   * when too many wait. A client that goes away cancels it, unless it was following events.
   * The same id again follows the run that there is.
   */
  'executions.run': {
    method: 'POST',
    path: '/execute',
    body: ExecutionRequest,
    bodyBytes: limits.executionInputBytes * 1.5,
    response: ExecutionRecord,
    event: ExecutionEvent,
  },
  /** With `text/event-stream`: everything from its start, then live to its end. */
  'executions.get': {
    method: 'GET',
    path: '/execute/:executionId',
    params: execution,
    response: Execution,
    event: ExecutionEvent,
    page: true,
  },
  /** Cancelling a run that has ended changes nothing. */
  'executions.cancel': {
    method: 'DELETE',
    path: '/execute/:executionId',
    params: execution,
    response: NoContent,
    page: true,
  },
  /** The newest run of each part of a conversation, running ones too, their output cut short. */
  'executions.list': {
    method: 'GET',
    path: '/backend/executions',
    query: z.object({ conversationId: Id }),
    response: z.object({ items: z.array(z.object({ origin: ExecutionOrigin, execution: Execution })) }),
    page: true,
  },
  /** A program that was run, by the `programHash` of a record. */
  'snippets.get': {
    method: 'GET',
    path: '/backend/snippets/:hash',
    params: z.object({ hash: BlobHash }),
    response: Snippet,
    page: true,
  },
  'sandbox.status': { method: 'GET', path: '/backend/sandbox', response: SandboxStatus, page: true },
  /** Answers what a tool asked the person. The first answer counts; a later one changes nothing. */
  'asks.answer': {
    method: 'POST',
    path: '/backend/conversations/:conversationId/turns/:turnId/asks/:callId',
    params: turn.extend({ callId: z.string().min(1).max(200) }),
    body: AskAnswer,
    response: NoContent,
    page: true,
  },
  /** Definitions of a project by their name, best first; none while no window lends it. */
  'symbols.find': {
    method: 'GET',
    path: '/backend/projects/:projectId/symbols',
    params: z.object({ projectId: Id }),
    query: z.object({ query: z.string().min(1).max(limits.queryChars) }),
    response: z.object({ items: z.array(NamedSymbol) }),
    page: true,
  },
  /** The text of a page that a person names; fetched as `web_fetch` does it. */
  'pages.read': {
    method: 'POST',
    path: '/backend/pages',
    body: z.object({ url: z.string().min(1).max(8192) }),
    response: TextAttachment,
    page: true,
  },
  /** A window lends its workspace for as long as it keeps the stream open. */
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
  ...reviewRoutes,
  ...workspaceRoutes,
  ...tokenRoutes,
  ...userRoutes,
  /**
   * Calls a tool that only reads, for the editor's own chat: `web_search` or `symbol_search`. Rules are
   * heeded; `confirmed` says that the person has been asked where they ask.
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

export type Routes = typeof routes;
export type RouteName = keyof Routes;
export type PageRouteName = { [N in RouteName]: Routes[N] extends { page: true } ? N : never }[RouteName];

type In<T> = T extends z.ZodType ? z.input<T> : never;
type Out<T> = T extends z.ZodType ? z.output<T> : undefined;
type Field<N extends RouteName, K extends string> = K extends keyof Routes[N] ? Routes[N][K] : undefined;

/** What a caller passes: only the parts that the route has. */
export type RouteInput<N extends RouteName> = {
  [K in 'params' | 'query' | 'body' as Field<N, K> extends z.ZodType ? K : never]: In<Field<N, K>>;
};
/** What a handler receives, checked and with defaults filled in. */
export type RouteChecked<N extends RouteName> = {
  [K in 'params' | 'query' | 'body']: Out<Field<N, K>>;
};
export type RouteOutput<N extends RouteName> = z.output<Routes[N]['response']>;

export function isPageRoute(name: string): name is PageRouteName {
  return Object.hasOwn(routes, name) && 'page' in routes[name as RouteName];
}
