import * as z from 'zod';
import { CommandNews } from './commands.ts';
import { BlobHash, Id, ImageMediaType } from './ids.ts';
import { Proposal, TestReport } from './tasks.ts';

/*
 * Questions that tools ask the user, and the details of a tool call that are kept in addition to the text for the
 * model.
 */

/** A sign that a turn has gone wrong: the prompt cache broke, the turn costs too much, or the model repeats itself. */
export const Trouble = z.enum(['cache', 'cost', 'loop']);
export type Trouble = z.infer<typeof Trouble>;

/** The subject of a question whether a turn may continue: a budget that it would exceed, or a sign of trouble. */
export const PauseTopic = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('budget'), budgetId: z.string() }),
  z.object({ kind: z.literal('sentinel'), trouble: Trouble }),
]);
export type PauseTopic = z.infer<typeof PauseTopic>;

/** The id of an option of such a question. `raise` raises the limit of the budget until the end of its period. */
export const PauseOption = z.enum(['continue', 'raise', 'stop']);
export type PauseOption = z.infer<typeof PauseOption>;

/** The id of an option of a question. */
const OptionId = z.string().min(1).max(64);

/** A question that holds a turn until the user has answered it, however long that takes. */
export const Ask = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('approval'),
    /** A short description of the action. */
    title: z.string().max(200),
    /** The reason for the question: a rule, or untrusted text in the conversation. */
    reason: z.string().max(1000),
    /** The command, address or diff that the user decides on. */
    detail: z.string().max(100_000),
    format: z.enum(['command', 'diff', 'url', 'text']),
    /** Hosts to connect to that an approval also covers. Later calls do not ask about them again. */
    hosts: z.array(z.string().max(253)).max(20).optional(),
    /** Files to change that an approval also covers. Later calls do not ask about them again. */
    paths: z.array(z.string().max(4096)).max(500).optional(),
    /** The rule that "always allow" would add, as JSON; null if no rule can allow the action. */
    rule: z.string().max(1000).nullable(),
  }),
  z.object({
    kind: z.literal('question'),
    question: z.string().max(4000),
    /** Labels of the answers to choose from. The user may also write another answer. */
    options: z.array(z.string().max(200)).max(8),
    /** Ids of the options, in the same order. Default: their positions, from 1. */
    optionIds: z.array(OptionId).max(8).optional(),
    /** Set if the question is whether the turn may continue. Absent in logs of 0.1.0. */
    topic: PauseTopic.optional(),
  }),
]);
export type Ask = z.infer<typeof Ask>;

/** The user's answer to a question. */
export const AskAnswer = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('approval'),
    allow: z.boolean(),
    /** What the user wants instead. The model reads it. */
    note: z.string().max(4000).optional(),
  }),
  z.object({
    kind: z.literal('question'),
    /** The answer in words; if an option was chosen, its label. */
    text: z.string().max(20_000),
    /** Id of the chosen option. Without it, a text that is the label of an option chooses that option. */
    option: OptionId.optional(),
  }),
]);
export type AskAnswer = z.infer<typeof AskAnswer>;

/** A change to one file. Both contents are stored as blobs, so that the user can restore them. */
export const FileChange = z.object({
  path: z.string().max(4096),
  /** Hash of the content before; null: the file did not exist. */
  before: BlobHash.nullable(),
  /** Hash of the content after; null: the file is removed. */
  after: BlobHash.nullable(),
  /** Encoding of the file before the change, or of the new file. */
  encoding: z.string().max(64),
  /** Number of added lines. */
  added: z.int().min(0),
  /** Number of removed lines. */
  removed: z.int().min(0),
});
export type FileChange = z.infer<typeof FileChange>;

/** A step of the model's plan. */
export const PlanItem = z.object({
  text: z.string().max(500),
  status: z.enum(['open', 'active', 'done']),
});
export type PlanItem = z.infer<typeof PlanItem>;

/** A source of text that may contain instructions of a third party. */
export const UntrustedSource = z.object({
  /** A web page or search, an MCP server or another extension, or a file outside the workspace. */
  kind: z.enum(['web', 'mcp', 'outside']),
  /** The host, the name of the server, or the path. */
  name: z.string().max(300),
});
export type UntrustedSource = z.infer<typeof UntrustedSource>;

/** A web page as it is shown to the user. */
const WebPage = z.object({
  title: z.string().max(300),
  url: z.string().max(8192),
  /** Age as the search engine states it, such as "3 days ago". */
  age: z.string().max(100).optional(),
});
export type WebPage = z.infer<typeof WebPage>;

const tokens = z.int().min(0);

/** A model call made by a tool. */
export const ModelCall = z.object({
  model: z.string(),
  usage: z.object({
    inputTokens: tokens,
    outputTokens: tokens,
    cacheReadTokens: tokens,
    cacheWriteTokens: tokens,
    thinkingTokens: tokens.optional(),
  }),
  instance: z.string().optional(),
  latencyMs: z.int().min(0),
  /** Amount that budgets count if the price is unknown, in US dollars. */
  countedUsd: z.number().min(0).optional(),
});
export type ModelCall = z.infer<typeof ModelCall>;

/** Details of a tool call that views show. */
export const ToolDetails = z.object({
  /** The run whose record belongs to the call. */
  executionId: Id.optional(),
  changes: z.array(FileChange).max(500).optional(),
  /** Set if the changes were accepted as they were made and need no review. */
  accepted: z.literal(true).optional(),
  /** The versions of files that the model has seen. It may only change these. */
  reads: z
    .array(z.object({ path: z.string().max(4096), hash: BlobHash }))
    .max(500)
    .optional(),
  plan: z.array(PlanItem).max(50).optional(),
  /** Images that the model was shown. */
  images: z
    .array(z.object({ mediaType: ImageMediaType, blob: BlobHash }))
    .max(20)
    .optional(),
  /**
   * Sources of untrusted text that the model was given. From then on, actions with effects require a question again.
   */
  untrusted: z.array(UntrustedSource).max(50).optional(),
  /** Web pages that were found or fetched. */
  pages: z.array(WebPage).max(50).optional(),
  /** Cost of a model that the tool called, in US dollars; null if the price is unknown. */
  costUsd: z.number().min(0).nullable().optional(),
  /** That model call, for the ledger. */
  call: ModelCall.optional(),
  /** A command that was started, read or ended. */
  command: CommandNews.optional(),
  /** The text that was handed over to the requesting command. */
  proposal: Proposal.optional(),
  /** The result of a test run. */
  tests: TestReport.optional(),
});
export type ToolDetails = z.infer<typeof ToolDetails>;
