import type { BudgetWarning } from './budget-warning.ts';
import type { CommandNews, CommandRef } from './commands.ts';
import type { Compaction, ContextParts } from './compaction.ts';
import type { Attachment, BlockKind, Citation, ReceivedEvent, StepPurpose, TurnOutcome, Usage } from './events.ts';
import type { Problem } from './problem.ts';
import type { CacheBreak } from './prompt-cache.ts';
import type { Aside, FileMark, Review } from './review.ts';
import type { Task } from './tasks.ts';
import type { Ask, AskAnswer, FileChange, PauseTopic, ToolDetails } from './tools.ts';

/*
 * The states that the reducer folds events to. They are immutable: unchanged parts keep their identity, so that views
 * can compare by reference.
 */

/** The state of a block of an answer. */
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

/** The result of a tool call. */
export interface ToolResult {
  readonly ok: boolean;
  readonly text: string;
  /** Set if the model repeated this call several times with this same result. If so, the model is told. */
  readonly repeated?: true;
  readonly details?: ToolDetails;
}

/** An answer to choose from. The id decides; the label is for the user. */
export interface QuestionOption {
  readonly id: string;
  readonly label: string;
}

/** The state of a question. */
export type AskState =
  | Extract<Ask, { kind: 'approval' }>
  | {
      readonly kind: 'question';
      readonly question: string;
      readonly options: readonly QuestionOption[];
      /** Set if the question is whether the turn may continue. */
      readonly topic?: PauseTopic;
    };

/** The state of an answer. `option` is the id of the chosen option, or null if the user wrote another answer. */
export type AnswerState =
  | Extract<AskAnswer, { kind: 'approval' }>
  | { readonly kind: 'question'; readonly text: string; readonly option: string | null };

/** The state of a tool call, other than its input and its result. */
export interface ToolCallState {
  readonly ask?: AskState;
  /** The user's answer. While it is absent, `ask` is open and the turn waits for the user. */
  readonly answer?: AnswerState;
  /** Whether its effect may have begun. */
  readonly started: boolean;
  /** ISO 8601. */
  readonly startedAt?: string;
  readonly changes?: readonly FileChange[];
  readonly executionId?: string;
  readonly command?: CommandRef;
  /** The end of its output so far. */
  readonly output: string;
}

/** A pending retry of a step. */
export interface RetryState {
  readonly problem: Problem;
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Delay before the retry, in milliseconds. */
  readonly delayMs: number;
}

/** The state of a step: one call to the model and the tool calls that the model made. */
export interface StepState {
  readonly id: string;
  readonly model: string;
  /** An abandoned step keeps no blocks: only its problem is shown. */
  readonly status: 'running' | 'ended' | 'abandoned';
  readonly blocks: readonly BlockState[];
  /** Results by call id. */
  readonly results: Readonly<Record<string, ToolResult>>;
  /** States by call id. A call has one if there were events between its input and its result. */
  readonly calls: Readonly<Record<string, ToolCallState>>;
  readonly retry?: RetryState;
  readonly problem?: Problem;
  readonly stopReason?: string;
  readonly usage?: Usage;
  readonly estimated?: boolean;
  readonly costUsd?: number | null;
  readonly cacheBreak?: CacheBreak;
  /** Set if the step is not part of the answer: it summarizes the conversation, or asks whether to continue. */
  readonly purpose?: StepPurpose;
  /** Estimated content of its prompt. */
  readonly context?: ContextParts;
  /** The effect of a successful compaction step. */
  readonly compaction?: Compaction;
}

/** A decision by the user about files. While it is `open`, the files may or may not have been changed. */
export interface ReviewState extends Review {
  /** ISO 8601. */
  readonly at: string;
  readonly status: 'open' | 'done' | 'failed';
}

/**
 * A note to the model in the course of a turn: rules for certain files, reports about background commands, or decisions
 * about its changes.
 */
export type TurnNote = {
  /** Index of the step that it precedes. */
  readonly step: number;
  /** Text that the model reads. */
  readonly text: string;
} & ({ readonly kind: 'rules' | 'reviews' } | { readonly kind: 'commands'; readonly commands: readonly CommandNews[] });

/** The state of a turn. */
export interface TurnState {
  readonly id: string;
  readonly parent: string | null;
  /** Ids of all turns with the same parent, oldest first, including this one. */
  readonly siblings: readonly string[];
  /** ISO 8601. */
  readonly at: string;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly model: string | null;
  readonly thinking: boolean;
  /** Set if the turn summarizes the preceding conversation and has no answer. */
  readonly compact?: true;
  /** The task of the editor or chat command that created the turn. */
  readonly task?: Task;
  readonly status: 'queued' | 'running' | TurnOutcome;
  /** Whether a stop was requested through a server other than the one that runs the turn. */
  readonly stopping?: true;
  readonly steps: readonly StepState[];
  /** Paths of the file-specific rules that the model was given in this turn. */
  readonly rules?: readonly string[];
  /** The repository map that the model reads before the message. */
  readonly map?: string;
  /** Notes to the model, oldest first. */
  readonly notes?: readonly TurnNote[];
  /** Warnings of budget limits, each before the step with this index. */
  readonly warnings?: readonly (BudgetWarning & { readonly step: number })[];
  readonly problem?: Problem;
  /** Time of the end, ISO 8601. */
  readonly endedAt?: string;
  /** Review states by path, of the files that the user has decided about. */
  readonly marks?: Readonly<Record<string, FileMark>>;
  /** Decisions whose first turn is this one, oldest first. */
  readonly reviews?: readonly ReviewState[];
  /** Decisions that the model was told of in this turn, and the files that they changed. */
  readonly told?: { readonly reviews: readonly string[]; readonly paths: readonly string[] };
}

/** The state of a conversation. */
export interface ConversationState {
  readonly id: string;
  readonly title: string;
  readonly projectId: string | null;
  readonly branchOf: { readonly conversationId: string; readonly turnId: string } | null;
  /** The newest turn of the branch that is shown; null in an empty conversation. */
  readonly head: string | null;
  /** Turns that the last restore removed, if no message has been sent since. */
  readonly aside?: Aside | undefined;
  /** Sequence number of the last folded event; 0 before the first. */
  readonly lastSeq: number;
  /** The loaded turns by id; not necessarily all turns. */
  readonly turns: Readonly<Record<string, TurnState>>;
}

/** A turn as the server returns it: its events, and its siblings, which cannot be derived from the events. */
export interface TurnRecord {
  readonly turnId: string;
  readonly siblings: readonly string[];
  readonly events: readonly ReceivedEvent[];
}
