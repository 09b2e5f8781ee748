import * as z from 'zod';
import { ReceivedEvent, Usage } from './events.ts';
import { ExecutionRecord } from './execution.ts';
import { Id } from './ids.ts';
import { Aside } from './review.ts';

/*
 * Responses of the routes: conversations as they are listed and shown, the server and its models.
 */

/** A conversation as it is listed. */
export const ConversationSummary = z.object({
  id: Id,
  title: z.string(),
  projectId: Id.nullable(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  deletedAt: z.iso.datetime().nullable(),
  turns: z.int().min(0),
  /** Whether a turn is queued or running. */
  busy: z.boolean(),
  /** Sum of the known costs, in US dollars. */
  costUsd: z.number(),
  /** Text around the match of a search, as plain text. */
  snippet: z.string().optional(),
});
export type ConversationSummary = z.infer<typeof ConversationSummary>;

/** Consecutive turns of one branch, oldest first, ready to fold. Their deltas are joined. */
export const TurnPage = z.object({
  turns: z.array(z.object({ turnId: Id, siblings: z.array(Id), events: z.array(ReceivedEvent) })),
  /** The turn before the first one, from which the next page can be requested; null at the beginning. */
  older: Id.nullable(),
});
export type TurnPage = z.infer<typeof TurnPage>;

/** The data that a page needs to show a conversation and continue live from `lastSeq`. */
export const ConversationSnapshot = z.object({
  conversation: ConversationSummary,
  head: Id.nullable(),
  lastSeq: z.int().min(0),
  page: TurnPage,
  /** Turns that a restore has removed, if no message has been sent since. */
  aside: Aside.nullable().optional(),
});
export type ConversationSnapshot = z.infer<typeof ConversationSnapshot>;

/** A model that the server offers. */
export const ModelInfo = z.object({
  id: z.string(),
  name: z.string(),
  /** Size of the context window, in tokens; null if the provider does not state it. */
  contextTokens: z.int().nullable(),
  /** Maximum output, in tokens; null if the provider does not state it. */
  maxOutputTokens: z.int().nullable(),
  thinking: z.boolean(),
});
export type ModelInfo = z.infer<typeof ModelInfo>;

/** The server and its state. */
export const ServerInfo = z.object({
  version: z.string(),
  protocol: z.int(),
  mode: z.enum(['embedded', 'team']),
  pid: z.int(),
  startedAt: z.iso.datetime(),
  /** Whether a Claude credential is configured. */
  key: z.enum(['set', 'missing']),
  /** Whether the server was started with `--demo`, so that answers are scripted and not from a model. */
  demo: z.boolean(),
  /** Host of the Messages API, without credentials. */
  baseUrl: z.string(),
  busyTurns: z.int().min(0),
});
export type ServerInfo = z.infer<typeof ServerInfo>;

/** Sum of the usage of several calls. `costUsd` does not include the `unpricedSteps`, whose price is unknown. */
export const UsageTotal = Usage.extend({ costUsd: z.number(), unpricedSteps: z.int().min(0) });
export type UsageTotal = z.infer<typeof UsageTotal>;

/** The status of an MCP server. */
export const McpStatus = z.object({
  name: z.string().max(100),
  state: z.enum(['starting', 'ready', 'failed', 'ended', 'waiting']),
  /** For the user: why it failed or what it waits for, and which of its tools are left out. */
  detail: z.string().max(1000),
  /** Number of tools that the model may use. */
  tools: z.int().min(0),
});
export type McpStatus = z.infer<typeof McpStatus>;

/** Notices of `/backend/events`, which keep the history and the status bar of every window up to date. */
export const ServerNotice = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), info: ServerInfo }),
  z.object({ type: z.literal('conversation.changed'), conversation: ConversationSummary }),
  z.object({ type: z.literal('usage.changed'), today: UsageTotal }),
  z.object({ type: z.literal('info.changed'), info: ServerInfo }),
  /** A run that a chat requested has ended, so that every window can show its record. */
  z.object({ type: z.literal('execution.ended'), record: ExecutionRecord }),
  /** The status of an MCP server of a project has changed. */
  z.object({ type: z.literal('mcp.changed'), projectId: Id, server: McpStatus }),
  /** The server is about to exit. The client should reconnect. */
  z.object({ type: z.literal('closing') }),
]);
export type ServerNotice = z.infer<typeof ServerNotice>;

/** A definition in a list that the user picks from. */
export const NamedSymbol = z.object({
  name: z.string(),
  kind: z.string(),
  path: z.string(),
  /** 1-based line. */
  line: z.int().min(1),
  /** Last line, if known. */
  endLine: z.int().min(1).optional(),
});
export type NamedSymbol = z.infer<typeof NamedSymbol>;
