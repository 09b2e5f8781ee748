import * as z from 'zod';
import { BudgetWarning } from './budget-warning.ts';
import { CommandNews, CommandRef } from './commands.ts';
import { Compaction, ContextParts } from './compaction.ts';
import { BlobHash, Id, ImageMediaType } from './ids.ts';
import { limits } from './limits.ts';
import { Problem } from './problem.ts';
import { CacheBreak } from './prompt-cache.ts';
import { Aside, FileMark, Review } from './review.ts';
import { Task } from './tasks.ts';
import { Ask, AskAnswer, FileChange, ToolDetails, UntrustedSource } from './tools.ts';

/** An attachment that is text. */
export const TextAttachment = z.object({
  kind: z.enum(['file', 'selection', 'folder', 'symbol', 'problems', 'terminal', 'git', 'url']),
  /**
   * Path relative to the workspace folder, if there is one. It is shown to the model and the user. An attachment that
   * is not a file has another name here: the command, the address, the kind of changes.
   */
  path: z.string().min(1).max(4096),
  language: z.string().max(64).optional(),
  /** First line of a selection or symbol, 1-based. */
  startLine: z.int().min(1).optional(),
  /** Last line of a selection or symbol, inclusive. */
  endLine: z.int().min(1).optional(),
  text: z.string().max(limits.attachmentChars),
  /** SHA-256 of a whole file's original text, if credentials in it were replaced. Set by the server. */
  hash: BlobHash.optional(),
  /** Set if the text is from an untrusted source, such as a web page. */
  untrusted: UntrustedSource.optional(),
});
export type TextAttachment = z.infer<typeof TextAttachment>;

/** An attachment as it is sent. An image contains its data. */
export const NewAttachment = z.discriminatedUnion('kind', [
  TextAttachment,
  z.object({
    kind: z.literal('image'),
    name: z.string().max(255),
    mediaType: ImageMediaType,
    /** Base64 of at most `limits.imageBytes`. */
    data: z
      .base64()
      .min(1)
      .max(Math.ceil(limits.imageBytes / 3) * 4),
  }),
]);
export type NewAttachment = z.infer<typeof NewAttachment>;

/** An attachment as it is stored in the event log. An image is a reference to a blob. */
export const Attachment = z.discriminatedUnion('kind', [
  TextAttachment,
  z.object({
    kind: z.literal('image'),
    name: z.string().max(255),
    mediaType: ImageMediaType,
    blob: BlobHash,
    bytes: z.int().min(0),
  }),
]);
export type Attachment = z.infer<typeof Attachment>;

/** Tokens of one model call, as the provider counted them. */
export const Usage = z.object({
  inputTokens: z.int().min(0),
  outputTokens: z.int().min(0),
  cacheReadTokens: z.int().min(0),
  cacheWriteTokens: z.int().min(0),
  /** The part of the cache writes that is kept for an hour, which costs more. */
  cacheWrite1hTokens: z.int().min(0).optional(),
  /** The part of the output that is thinking, if the provider states it. */
  thinkingTokens: z.int().min(0).optional(),
});
export type Usage = z.infer<typeof Usage>;

/** The usage of a call without tokens. */
export const noTokens: Readonly<Usage> = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

/** Facts about a model call, for the ledger. */
const callFacts = {
  /** Default: an answer. */
  purpose: z.literal('compaction').optional(),
  /** The instance that answered. */
  instance: z.string().optional(),
  /** Time until the end of the response, in milliseconds. */
  latencyMs: z.int().min(0).optional(),
  /** Time until the first token, in milliseconds. */
  firstTokenMs: z.int().min(0).optional(),
  /** Amount that budgets count if the price is unknown, in US dollars. */
  countedUsd: z.number().min(0).optional(),
};

/** A source that an answer cites. */
export const Citation = z.object({
  url: z.string().optional(),
  title: z.string().optional(),
  citedText: z.string().optional(),
});
export type Citation = z.infer<typeof Citation>;

/** The kind of a block of an answer. A `server_tool` runs at the provider and brings its own result. */
export const BlockKind = z.enum(['text', 'thinking', 'tool_call', 'server_tool', 'server_tool_result']);
export type BlockKind = z.infer<typeof BlockKind>;

/**
 * Purpose of a step that is not an answer: `compaction` summarizes the conversation, `pause` asks the user whether to
 * continue and calls no model.
 */
export const StepPurpose = z.enum(['compaction', 'pause']);
export type StepPurpose = z.infer<typeof StepPurpose>;

/** How a turn ended. */
export const TurnOutcome = z.enum(['completed', 'stopped', 'failed']);
export type TurnOutcome = z.infer<typeof TurnOutcome>;

const turnId = Id;
const stepId = Id;
/** The provider's id of a tool call. */
const callId = z.string();
const index = z.int().min(0);

/**
 * An event of a conversation. Turns form a tree by `parent`: editing a message or asking again creates a sibling. `head`
 * is the newest turn of the branch that is shown.
 */
export const EventBody = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('conversation.created'),
    title: z.string().max(limits.titleChars),
    projectId: Id.nullable(),
    /** The conversation and turn that this one was branched from. */
    branchOf: z.object({ conversationId: Id, turnId: Id }).nullable(),
  }),
  z.object({
    type: z.literal('conversation.renamed'),
    title: z.string().max(limits.titleChars),
    by: z.enum(['person', 'server']),
  }),
  z.object({
    type: z.literal('head.moved'),
    turnId: turnId.nullable(),
    /** The decision that removed later turns, and the first of those turns. */
    aside: Aside.optional(),
  }),
  /** The user has sent a message. The event also moves the head to this turn. */
  z.object({
    type: z.literal('turn.created'),
    turnId,
    parent: Id.nullable(),
    text: z.string().max(limits.messageChars),
    attachments: z.array(Attachment).max(limits.attachments),
    /** Model id; null is the default model of the server at the time the turn runs. */
    model: z.string().min(1).max(200).nullable(),
    thinking: z.boolean(),
    /** Set if the turn summarizes the preceding conversation and has no answer. */
    compact: z.literal(true).optional(),
    /** The task of the command that created the turn. */
    task: Task.optional(),
  }),
  /** The turn has started. `attempt` counts from 1 and grows each time the turn is resumed after a server has died. */
  z.object({ type: z.literal('turn.started'), turnId, attempt: z.int().min(1) }),
  z.object({
    type: z.literal('step.started'),
    turnId,
    stepId,
    model: z.string(),
    /** Set if the step is not part of the answer. */
    purpose: StepPurpose.optional(),
    /** Estimated content of the prompt. */
    context: ContextParts.optional(),
  }),
  /**
   * The prompt is compacted from here on. Part of a compaction step; if that step fails, texts are cut instead of
   * summarized.
   */
  z.object({ type: z.literal('context.compacted'), turnId, stepId, compaction: Compaction }),
  z.object({
    type: z.literal('block.started'),
    turnId,
    stepId,
    index,
    kind: BlockKind,
    /** For the three kinds of tool blocks: the provider's id of the call and the name of the tool. */
    tool: z.object({ callId: z.string(), name: z.string() }).optional(),
  }),
  /** Text of the block: prose, thinking, or partial JSON of a tool's input. */
  z.object({ type: z.literal('block.delta'), turnId, stepId, index, text: z.string() }),
  z.object({
    type: z.literal('block.ended'),
    turnId,
    stepId,
    index,
    /** Signature of thinking, which must be sent back unchanged. */
    signature: z.string().optional(),
    /** Redacted thinking or the result of a server tool, stored as received so that it can be sent back. */
    opaque: z.json().optional(),
    citations: z.array(Citation).optional(),
  }),
  /** A call failed before its first token and is repeated after `delayMs`. */
  z.object({
    type: z.literal('step.retrying'),
    turnId,
    stepId,
    problem: Problem,
    attempt: z.int().min(1),
    maxAttempts: z.int().min(1),
    delayMs: z.int().min(0),
  }),
  /** The output of the step so far is discarded, and another step follows. Shown as a note. */
  z.object({
    type: z.literal('step.abandoned'),
    turnId,
    stepId,
    problem: Problem,
    /** Usage of the call, as far as it is known. */
    usage: Usage.optional(),
    /** Cost of the call, as far as it is known, in US dollars; null if the price is unknown. */
    costUsd: z.number().min(0).nullable().optional(),
    /** The provider's name of the model that answered. */
    model: z.string().optional(),
    ...callFacts,
  }),
  z.object({
    type: z.literal('step.ended'),
    turnId,
    stepId,
    /** The provider's stop reason, or `stopped` if the user stopped the step. */
    stopReason: z.string(),
    usage: Usage,
    /** Whether `outputTokens` is an estimate, because the stream ended before the provider's final count. */
    estimated: z.boolean().optional(),
    /** Cost in US dollars; null if the model's price is unknown. */
    costUsd: z.number().min(0).nullable(),
    /** The provider's name of the model that answered. */
    model: z.string(),
    requestId: z.string().optional(),
    cacheBreak: CacheBreak.optional(),
    ...callFacts,
  }),
  /** Spending has reached a limit that only warns. Reported once per period. */
  z.object({ type: z.literal('budget.warned'), turnId, warning: BudgetWarning }),
  /** The turn waits for the user, also across restarts. At most once per call. */
  z.object({ type: z.literal('ask.opened'), turnId, stepId, callId, ask: Ask }),
  /** The user has answered. Only the first answer counts; a second one is never written. */
  z.object({ type: z.literal('ask.answered'), turnId, stepId, callId, answer: AskAnswer }),
  /**
   * The call is about to have its effect. After a crash it is not simply repeated: the changes that it names are
   * compared with the files, and a run is looked up by its id.
   */
  z.object({
    type: z.literal('tool.started'),
    turnId,
    stepId,
    callId,
    changes: z.array(FileChange).optional(),
    executionId: Id.optional(),
    command: CommandRef.optional(),
  }),
  /** Output of the tool while it runs. Shown to the user, not sent to the model. */
  z.object({ type: z.literal('tool.output'), turnId, stepId, callId, text: z.string() }),
  /** The result of a tool call that DevLM ran. Failures are results too. */
  z.object({
    type: z.literal('tool.ended'),
    turnId,
    stepId,
    callId,
    ok: z.boolean(),
    text: z.string(),
    /**
     * Whether the model repeated this call several times with this same result. If so, the model is told. Absent in
     * logs of 0.1.0, which have a notice at the end of `text` instead.
     */
    repeated: z.boolean().optional(),
    details: ToolDetails.optional(),
  }),
  /** The model is given project rules that apply only to certain files, one of which is now in the conversation. */
  z.object({ type: z.literal('rules.noted'), turnId, text: z.string(), paths: z.array(z.string()).max(500) }),
  /** The repository map that the model reads before the message of this turn. At most once per conversation. */
  z.object({ type: z.literal('project.mapped'), turnId, text: z.string().max(100_000) }),
  /** Before its next step, the model is told what background commands have done since they were last reported. */
  z.object({
    type: z.literal('commands.noted'),
    turnId,
    text: z.string(),
    commands: z.array(CommandNews).max(limits.commands),
  }),
  /** A stop was requested from the server that runs the turn. */
  z.object({ type: z.literal('turn.stopping'), turnId }),
  z.object({ type: z.literal('turn.ended'), turnId, outcome: TurnOutcome, problem: Problem.optional() }),
  /**
   * The user has decided about files of ended turns, and the files are about to be changed accordingly. After a crash,
   * the files tell whether they were changed, and `review.ended` records it. Belongs to the first turn concerned.
   */
  z.object({ type: z.literal('review.started'), turnId, review: Review }),
  /** New review states of files that the turn changed. */
  z.object({ type: z.literal('review.marked'), turnId, reviewId: Id, files: z.array(FileMark).max(500) }),
  /** The decision was carried out (`done`) or failed. */
  z.object({ type: z.literal('review.ended'), turnId, reviewId: Id, done: z.boolean() }),
  /** The model is told of the decisions since its last answer, and of the files that differ from what it knew. */
  z.object({
    type: z.literal('reviews.noted'),
    turnId,
    text: z.string(),
    reviewIds: z.array(Id),
    paths: z.array(z.string()),
  }),
]);
export type EventBody = z.infer<typeof EventBody>;

const Stamp = z.object({
  /** Sequence number: grows by one within a conversation, from 1, without gaps. */
  seq: z.int().min(1),
  /** ISO 8601, UTC. */
  at: z.iso.datetime(),
});

/** An event with its sequence number and time. */
export const Event = z.intersection(Stamp, EventBody);
export type Event = z.infer<typeof Event>;

/**
 * An event that may come from a newer server. An event of an unknown type is kept for its `seq` and otherwise ignored.
 */
export const ReceivedEvent = z.union([Event, z.intersection(Stamp, z.object({ type: z.string() }))]);
export type ReceivedEvent = z.infer<typeof ReceivedEvent>;
