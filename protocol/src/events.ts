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

export const TextAttachment = z.object({
  kind: z.enum(['file', 'selection', 'folder', 'symbol', 'problems', 'terminal', 'git', 'url']),
  /**
   * Relative to the workspace folder where there is one; shown to the model and the person. What is no file
   * has in its place what names it: the command, the address, which changes.
   */
  path: z.string().min(1).max(4096),
  language: z.string().max(64).optional(),
  /** 1-based and inclusive; for a selection and a symbol. */
  startLine: z.int().min(1).optional(),
  endLine: z.int().min(1).optional(),
  text: z.string().max(limits.attachmentChars),
  /** SHA-256 of a whole file's text as it was, where credentials in it were replaced. Set by the server. */
  hash: BlobHash.optional(),
  /** Set where the text is somebody else's, such as a page of the web. */
  untrusted: UntrustedSource.optional(),
});

/** An attachment that is text. */
export type TextAttachment = z.infer<typeof TextAttachment>;

/** An attachment as it is sent: an image carries its bytes. */
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

/** An attachment as it is stored in the event log: an image is a reference to a blob. */
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
  /** Of the cache writes, those that are kept for an hour, which cost more. */
  cacheWrite1hTokens: z.int().min(0).optional(),
  /** Of the output, what the model thought, where the provider says so. */
  thinkingTokens: z.int().min(0).optional(),
});
export type Usage = z.infer<typeof Usage>;

/** How a call of a model went, for the ledger. */
const callFacts = {
  /** Default: an answer. */
  purpose: z.literal('compaction').optional(),
  /** Which Claude credential and endpoint answered. */
  instance: z.string().optional(),
  /** Milliseconds until its end, and until the first of it. */
  latencyMs: z.int().min(0).optional(),
  firstTokenMs: z.int().min(0).optional(),
  /** What budgets count where the price is not known, US dollars. */
  countedUsd: z.number().min(0).optional(),
};

export const Citation = z.object({
  url: z.string().optional(),
  title: z.string().optional(),
  citedText: z.string().optional(),
});
export type Citation = z.infer<typeof Citation>;

/** What a block of an answer is. `server_tool` ran at the provider and brings its own result. */
export const BlockKind = z.enum(['text', 'thinking', 'tool_call', 'server_tool', 'server_tool_result']);
export type BlockKind = z.infer<typeof BlockKind>;

/** `compaction`: it sums up the conversation. `pause`: it asks the person whether to go on, and calls no model. */
export const StepPurpose = z.enum(['compaction', 'pause']);
export type StepPurpose = z.infer<typeof StepPurpose>;

export const TurnOutcome = z.enum(['completed', 'stopped', 'failed']);
export type TurnOutcome = z.infer<typeof TurnOutcome>;

const turnId = Id;
const stepId = Id;
/** The provider's id of a tool call. */
const callId = z.string();
const index = z.int().min(0);

/**
 * What happens in a conversation. Turns form a tree by `parent` (editing a message or asking
 * again makes a sibling); `head` is the newest turn of the branch that is shown.
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
    /** The decision that set later turns aside, and the first of those. */
    aside: Aside.optional(),
  }),
  /** A person's message. It also moves the head to this turn. */
  z.object({
    type: z.literal('turn.created'),
    turnId,
    parent: Id.nullable(),
    text: z.string().max(limits.messageChars),
    attachments: z.array(Attachment).max(limits.attachments),
    /** Model id; null means the server's default at the time the turn runs. */
    model: z.string().min(1).max(200).nullable(),
    thinking: z.boolean(),
    /** It asks for no answer: the conversation before it is to be summed up. */
    compact: z.literal(true).optional(),
    /** The command that asks. */
    task: Task.optional(),
  }),
  /** The turn has been taken up. `attempt` counts from 1 and grows when a dead server's turn is resumed. */
  z.object({ type: z.literal('turn.started'), turnId, attempt: z.int().min(1) }),
  z.object({
    type: z.literal('step.started'),
    turnId,
    stepId,
    model: z.string(),
    /** Set where it is no part of the answer. */
    purpose: StepPurpose.optional(),
    /** What the prompt is estimated to hold. */
    context: ContextParts.optional(),
  }),
  /** Part of a compaction step: the prompt has another form from here on. A failed step cuts texts instead. */
  z.object({ type: z.literal('context.compacted'), turnId, stepId, compaction: Compaction }),
  z.object({
    type: z.literal('block.started'),
    turnId,
    stepId,
    index,
    kind: BlockKind,
    /** For the three tool kinds: the provider's call id and the tool's name. */
    tool: z.object({ callId: z.string(), name: z.string() }).optional(),
  }),
  /** Text of the block: prose, thinking, or the partial JSON of a tool's input. */
  z.object({ type: z.literal('block.delta'), turnId, stepId, index, text: z.string() }),
  z.object({
    type: z.literal('block.ended'),
    turnId,
    stepId,
    index,
    /** Thinking only: must be sent back unchanged. */
    signature: z.string().optional(),
    /** Redacted thinking or a server tool's result, kept as the provider sent it so that it can be sent back. */
    opaque: z.json().optional(),
    citations: z.array(Citation).optional(),
  }),
  /** A call failed before its first token and will be made again after `delayMs`. */
  z.object({
    type: z.literal('step.retrying'),
    turnId,
    stepId,
    problem: Problem,
    attempt: z.int().min(1),
    maxAttempts: z.int().min(1),
    delayMs: z.int().min(0),
  }),
  /** What the step wrote so far does not count; another step follows. Shown as a note. */
  z.object({
    type: z.literal('step.abandoned'),
    turnId,
    stepId,
    problem: Problem,
    /** What the call cost all the same, as far as it is known. */
    usage: Usage.optional(),
    costUsd: z.number().min(0).nullable().optional(),
    /** The model that answered, as the provider names it. */
    model: z.string().optional(),
    ...callFacts,
  }),
  z.object({
    type: z.literal('step.ended'),
    turnId,
    stepId,
    /** The provider's stop reason, or `stopped` when the person stopped it. */
    stopReason: z.string(),
    usage: Usage,
    /** The stream ended before the provider's final count: `outputTokens` is an estimate. */
    estimated: z.boolean().optional(),
    /** US dollars; null when the model's price is not known. */
    costUsd: z.number().min(0).nullable(),
    /** The model that answered, as the provider names it. */
    model: z.string(),
    requestId: z.string().optional(),
    cacheBreak: CacheBreak.optional(),
    ...callFacts,
  }),
  /** What was spent has come to a limit that only warns: said once in its period. */
  z.object({ type: z.literal('budget.warned'), turnId, warning: BudgetWarning }),
  /** The turn waits for a person. Asked once a call; it holds across restarts. */
  z.object({ type: z.literal('ask.opened'), turnId, stepId, callId, ask: Ask }),
  /** The first answer counts; a second one is never written. */
  z.object({ type: z.literal('ask.answered'), turnId, stepId, callId, answer: AskAnswer }),
  /**
   * The call is about to have its effect. After a crash it is not simply repeated: the changes it names
   * are compared with the files, a run is looked up by its id.
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
  /** What the tool prints while it runs; shown, not sent to the model. */
  z.object({ type: z.literal('tool.output'), turnId, stepId, callId, text: z.string() }),
  /** The result of a tool call that this side ran; failures are results too. */
  z.object({
    type: z.literal('tool.ended'),
    turnId,
    stepId,
    callId,
    ok: z.boolean(),
    text: z.string(),
    details: ToolDetails.optional(),
  }),
  /** Rules of the project that are for certain files, one of which is in the conversation now. */
  z.object({ type: z.literal('rules.noted'), turnId, text: z.string(), paths: z.array(z.string()).max(500) }),
  /** What the project looks like, which the model reads before this turn's message: once in a conversation. */
  z.object({ type: z.literal('project.mapped'), turnId, text: z.string().max(100_000) }),
  /** What background commands did since the model heard of them: it reads this before its next step. */
  z.object({
    type: z.literal('commands.noted'),
    turnId,
    text: z.string(),
    commands: z.array(CommandNews).max(limits.commands),
  }),
  /** The server that runs the turn is asked to stop it. */
  z.object({ type: z.literal('turn.stopping'), turnId }),
  z.object({ type: z.literal('turn.ended'), turnId, outcome: TurnOutcome, problem: Problem.optional() }),
  /**
   * The person decided about files of turns that have ended, and the files are about to be changed so. After a
   * crash the files tell whether they were: `review.ended` says it. A part of the first turn it is about.
   */
  z.object({ type: z.literal('review.started'), turnId, review: Review }),
  /** Where files of the turn stand from here on. */
  z.object({ type: z.literal('review.marked'), turnId, reviewId: Id, files: z.array(FileMark).max(500) }),
  z.object({ type: z.literal('review.ended'), turnId, reviewId: Id, done: z.boolean() }),
  /** What the model reads of the decisions since its last answer, and the files that are not what it knew. */
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
  /** Grows by one within a conversation, from 1, with no gaps. */
  seq: z.int().min(1),
  /** ISO 8601, UTC. */
  at: z.iso.datetime(),
});

export const Event = z.intersection(Stamp, EventBody);
export type Event = z.infer<typeof Event>;

/**
 * An event from a newer server may be of a type this code does not know: it is kept for its
 * `seq` and otherwise ignored.
 */
export const ReceivedEvent = z.union([Event, z.intersection(Stamp, z.object({ type: z.string() }))]);
export type ReceivedEvent = z.infer<typeof ReceivedEvent>;
