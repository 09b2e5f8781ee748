import type { BudgetWarning } from './budget-warning.ts';
import type { CommandNews, CommandRef } from './commands.ts';
import type { Compaction, ContextParts } from './compaction.ts';
import type { Attachment, BlockKind, Citation, ReceivedEvent, StepPurpose, TurnOutcome, Usage } from './events.ts';
import type { Problem } from './problem.ts';
import type { CacheBreak } from './prompt-cache.ts';
import type { Aside, FileMark, Review } from './review.ts';
import type { Task } from './tasks.ts';
import type { Ask, AskAnswer, FileChange, ToolDetails } from './tools.ts';

/*
 * What the reducer folds events to. States are never changed in place: what did not change keeps its
 * identity, so a view can compare by reference.
 */

export interface BlockState {
  readonly index: number;
  readonly kind: BlockKind;
  /** Prose, thinking, or the JSON of a tool's input (partial until `done`). */
  readonly text: string;
  readonly done: boolean;
  readonly tool?: { readonly callId: string; readonly name: string };
  readonly signature?: string;
  readonly opaque?: unknown;
  readonly citations?: readonly Citation[];
}

export interface ToolResult {
  readonly ok: boolean;
  readonly text: string;
  readonly details?: ToolDetails;
}

/** What is known of a tool call besides its input and its result. */
export interface ToolCallState {
  readonly ask?: Ask;
  /** Without it, `ask` is open: the turn waits for a person. */
  readonly answer?: AskAnswer;
  /** Its effect may have begun. */
  readonly started: boolean;
  /** ISO 8601. */
  readonly startedAt?: string;
  readonly changes?: readonly FileChange[];
  readonly executionId?: string;
  readonly command?: CommandRef;
  /** The end of what it printed so far. */
  readonly output: string;
}

export interface RetryState {
  readonly problem: Problem;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly delayMs: number;
}

export interface StepState {
  readonly id: string;
  readonly model: string;
  /** An abandoned step keeps no blocks: only its problem is shown. */
  readonly status: 'running' | 'ended' | 'abandoned';
  readonly blocks: readonly BlockState[];
  /** By call id. */
  readonly results: Readonly<Record<string, ToolResult>>;
  /** By call id; those about which something happened between input and result. */
  readonly calls: Readonly<Record<string, ToolCallState>>;
  readonly retry?: RetryState;
  readonly problem?: Problem;
  readonly stopReason?: string;
  readonly usage?: Usage;
  readonly estimated?: boolean;
  readonly costUsd?: number | null;
  readonly cacheBreak?: CacheBreak;
  /** It is no part of the answer: it sums up what came before, or asks whether to go on. */
  readonly purpose?: StepPurpose;
  /** What its prompt held, by estimate. */
  readonly context?: ContextParts;
  /** Of a compaction step that took effect. */
  readonly compaction?: Compaction;
}

/** A decision of the person's about files. While it is `open` the files may have been changed, or not yet. */
export interface ReviewState extends Review {
  /** ISO 8601. */
  readonly at: string;
  readonly status: 'open' | 'done' | 'failed';
}

export interface TurnState {
  readonly id: string;
  readonly parent: string | null;
  /** Ids of all turns with the same parent, oldest first, this one included. */
  readonly siblings: readonly string[];
  /** ISO 8601. */
  readonly at: string;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly model: string | null;
  readonly thinking: boolean;
  /** It sums up what came before it, and has no answer. */
  readonly compact?: true;
  /** The command of the editor or the chat that asks. */
  readonly task?: Task;
  readonly status: 'queued' | 'running' | TurnOutcome;
  /** It was asked to stop by way of another server than the one that runs it. */
  readonly stopping?: true;
  readonly steps: readonly StepState[];
  /** Rules for certain files that the model was told of in this turn, by their paths. */
  readonly rules?: readonly string[];
  /** The repository map that the model reads before the message. */
  readonly map?: string;
  /** What the model was told of background commands, before the step with this index. */
  readonly notes?: readonly {
    readonly step: number;
    readonly text: string;
    readonly commands: readonly CommandNews[];
  }[];
  /** Limits that only warn and that it has come to, before the step with this index. */
  readonly warnings?: readonly (BudgetWarning & { readonly step: number })[];
  readonly problem?: Problem;
  /** ISO 8601 of the end. */
  readonly endedAt?: string;
  /** Where the review of its files stands, by path; of those that something was decided about. */
  readonly marks?: Readonly<Record<string, FileMark>>;
  /** Decisions that began with this turn, oldest first. */
  readonly reviews?: readonly ReviewState[];
  /** Decisions that the model has been told of in this turn, and the files that they changed. */
  readonly told?: { readonly reviews: readonly string[]; readonly paths: readonly string[] };
}

export interface ConversationState {
  readonly id: string;
  readonly title: string;
  readonly projectId: string | null;
  readonly branchOf: { readonly conversationId: string; readonly turnId: string } | null;
  /** The newest turn of the branch that is shown; null in an empty conversation. */
  readonly head: string | null;
  /** What was set aside by the last restore, as long as nothing was sent since. */
  readonly aside?: Aside | undefined;
  /** The last event folded; 0 before the first. */
  readonly lastSeq: number;
  /** The turns that are loaded, by id; not necessarily all. */
  readonly turns: Readonly<Record<string, TurnState>>;
}

/** One turn as the server hands it out: what it cannot know from its own events, and its events. */
export interface TurnRecord {
  readonly turnId: string;
  readonly siblings: readonly string[];
  readonly events: readonly ReceivedEvent[];
}
