import * as z from 'zod';
import { CommandNews } from './commands.ts';
import { BlobHash, Id, ImageMediaType } from './ids.ts';
import { Proposal, TestReport } from './tasks.ts';

/*
 * What a tool asks a person, and what stays of its work beside the text that the model reads.
 */

/** A question that holds a turn until a person has answered it, today or next week. */
export const Ask = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('approval'),
    /** What is about to be done, in a few words. */
    title: z.string().max(200),
    /** Why it is asked: which rule, or what came into the conversation. */
    reason: z.string().max(1000),
    /** The command, the address, the difference: what the person decides on. */
    detail: z.string().max(100_000),
    format: z.enum(['command', 'diff', 'url', 'text']),
    /** What a yes agrees to besides: hosts to connect to, files to change. Later calls need not ask about them again. */
    hosts: z.array(z.string().max(253)).max(20).optional(),
    paths: z.array(z.string().max(4096)).max(500).optional(),
    /** The rule that "always allow" would add; null where nothing can be allowed for good. */
    rule: z.string().max(1000).nullable(),
  }),
  z.object({
    kind: z.literal('question'),
    question: z.string().max(4000),
    /** Short answers to choose from; the person may write another. */
    options: z.array(z.string().max(200)).max(8),
  }),
]);
export type Ask = z.infer<typeof Ask>;

export const AskAnswer = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('approval'),
    allow: z.boolean(),
    /** What the person wants instead; the model reads it. */
    note: z.string().max(4000).optional(),
  }),
  z.object({ kind: z.literal('question'), text: z.string().max(20_000) }),
]);
export type AskAnswer = z.infer<typeof AskAnswer>;

/** What becomes of one file. Contents are blobs: the checkpoint that a person can go back to. */
export const FileChange = z.object({
  path: z.string().max(4096),
  /** Bytes before and after; null: there is no such file. */
  before: BlobHash.nullable(),
  after: BlobHash.nullable(),
  /** Of the file before, or of the one that is made. */
  encoding: z.string().max(64),
  added: z.int().min(0),
  removed: z.int().min(0),
});
export type FileChange = z.infer<typeof FileChange>;

export const PlanItem = z.object({
  text: z.string().max(500),
  status: z.enum(['open', 'active', 'done']),
});
export type PlanItem = z.infer<typeof PlanItem>;

/** Where text came from that may carry somebody else's instructions. */
export const UntrustedSource = z.object({
  /** A page or search on the web, an MCP server or another extension, a file outside of the workspace. */
  kind: z.enum(['web', 'mcp', 'outside']),
  /** Its host, the server's name, the path. */
  name: z.string().max(300),
});
export type UntrustedSource = z.infer<typeof UntrustedSource>;

/** A page of the web as it is named to a person. */
const WebPage = z.object({
  title: z.string().max(300),
  url: z.string().max(8192),
  /** As the search engine says it, such as "3 days ago". */
  age: z.string().max(100).optional(),
});
export type WebPage = z.infer<typeof WebPage>;

const tokens = z.int().min(0);

/** A call of a model that a tool made. */
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
  countedUsd: z.number().min(0).optional(),
});
export type ModelCall = z.infer<typeof ModelCall>;

/** What a view shows of a tool's work. */
export const ToolDetails = z.object({
  /** The run whose receipt belongs to it. */
  executionId: Id.optional(),
  changes: z.array(FileChange).max(500).optional(),
  /** The changes were agreed to as they were made: nobody has to review them. */
  accepted: z.literal(true).optional(),
  /** Which versions of files the model has seen: it may change these and no others. */
  reads: z
    .array(z.object({ path: z.string().max(4096), hash: BlobHash }))
    .max(500)
    .optional(),
  plan: z.array(PlanItem).max(50).optional(),
  /** Pictures that the model was shown. */
  images: z
    .array(z.object({ mediaType: ImageMediaType, blob: BlobHash }))
    .max(20)
    .optional(),
  /** Where the text that the model was given came from, if nobody vouches for it: effects ask again from then on. */
  untrusted: z.array(UntrustedSource).max(50).optional(),
  /** Pages that were found or fetched. */
  pages: z.array(WebPage).max(50).optional(),
  /** What a model that the tool asked cost, US dollars; null when the price is not known. */
  costUsd: z.number().min(0).nullable().optional(),
  /** The call of that model, for the ledger. */
  call: ModelCall.optional(),
  /** A command that was started, read or ended. */
  command: CommandNews.optional(),
  /** What was handed over to the command that asked. */
  proposal: Proposal.optional(),
  /** What a run of tests came to. */
  tests: TestReport.optional(),
});
export type ToolDetails = z.infer<typeof ToolDetails>;
