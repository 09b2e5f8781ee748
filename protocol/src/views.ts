import * as z from 'zod';
import { ReceivedEvent, Usage } from './events.ts';
import { ExecutionRecord } from './execution.ts';
import { Id } from './ids.ts';
import { Aside } from './review.ts';

/*
 * What the routes answer with: conversations as they are listed and shown, the server and its models.
 */

export const ConversationSummary = z.object({
  id: Id,
  title: z.string(),
  projectId: Id.nullable(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  deletedAt: z.iso.datetime().nullable(),
  turns: z.int().min(0),
  /** A turn is queued or running. */
  busy: z.boolean(),
  /** Known costs added up, US dollars. */
  costUsd: z.number(),
  /** Where a search matched; plain text. */
  snippet: z.string().optional(),
});
export type ConversationSummary = z.infer<typeof ConversationSummary>;

/** A stretch of one branch, oldest first, ready to fold. Deltas are joined. */
export const TurnPage = z.object({
  turns: z.array(z.object({ turnId: Id, siblings: z.array(Id), events: z.array(ReceivedEvent) })),
  /** The turn before the first one here; ask for it to read on. */
  older: Id.nullable(),
});
export type TurnPage = z.infer<typeof TurnPage>;

/** What a page needs to show a conversation and go on live from `lastSeq`. */
export const ConversationSnapshot = z.object({
  conversation: ConversationSummary,
  head: Id.nullable(),
  lastSeq: z.int().min(0),
  page: TurnPage,
  /** What a restore has set aside, if nothing was sent since. */
  aside: Aside.nullable().optional(),
});
export type ConversationSnapshot = z.infer<typeof ConversationSnapshot>;

export const ModelInfo = z.object({
  id: z.string(),
  name: z.string(),
  /** Tokens; null where the provider does not say. */
  contextTokens: z.int().nullable(),
  maxOutputTokens: z.int().nullable(),
  thinking: z.boolean(),
});
export type ModelInfo = z.infer<typeof ModelInfo>;

export const ServerInfo = z.object({
  version: z.string(),
  protocol: z.int(),
  mode: z.enum(['embedded', 'team']),
  pid: z.int(),
  startedAt: z.iso.datetime(),
  /** Whether a Claude credential is known. */
  key: z.enum(['set', 'missing']),
  /** The server was started with `--demo`: answers are scripted, not AI. */
  demo: z.boolean(),
  /** Host of the Messages API, without credentials. */
  baseUrl: z.string(),
  busyTurns: z.int().min(0),
});
export type ServerInfo = z.infer<typeof ServerInfo>;

export const UsageTotal = Usage.extend({ costUsd: z.number(), unpricedSteps: z.int().min(0) });
export type UsageTotal = z.infer<typeof UsageTotal>;

/** How an MCP server is doing. */
export const McpStatus = z.object({
  name: z.string().max(100),
  state: z.enum(['starting', 'ready', 'failed', 'ended', 'waiting']),
  /** Why it failed or what it waits for, and which of its tools are left out; for a person. */
  detail: z.string().max(1000),
  /** Tools that the model may use. */
  tools: z.int().min(0),
});
export type McpStatus = z.infer<typeof McpStatus>;

/** What `/backend/events` sends, so that every window's history and status bar stay true. */
export const ServerNotice = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), info: ServerInfo }),
  z.object({ type: z.literal('conversation.changed'), conversation: ConversationSummary }),
  z.object({ type: z.literal('usage.changed'), today: UsageTotal }),
  z.object({ type: z.literal('info.changed'), info: ServerInfo }),
  /** A run that a chat asked for has ended: its receipt can be shown in every window. */
  z.object({ type: z.literal('execution.ended'), record: ExecutionRecord }),
  /** What became of an MCP server of a project. */
  z.object({ type: z.literal('mcp.changed'), projectId: Id, server: McpStatus }),
  /** The server is about to exit; reconnect. */
  z.object({ type: z.literal('closing') }),
]);
export type ServerNotice = z.infer<typeof ServerNotice>;

/** A definition as a person picks it from a list. */
export const NamedSymbol = z.object({
  name: z.string(),
  kind: z.string(),
  path: z.string(),
  /** 1-based. */
  line: z.int().min(1),
  /** Where it is known. */
  endLine: z.int().min(1).optional(),
});
export type NamedSymbol = z.infer<typeof NamedSymbol>;
