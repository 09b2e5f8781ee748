import type { Attachment, BlockKind, Citation, ReceivedEvent, TurnOutcome, Usage } from './events.ts';
import type { Problem } from './problem.ts';
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
  readonly status: 'queued' | 'running' | TurnOutcome;
  readonly steps: readonly StepState[];
  readonly problem?: Problem;
  /** ISO 8601 of the end. */
  readonly endedAt?: string;
}

export interface ConversationState {
  readonly id: string;
  readonly title: string;
  readonly projectId: string | null;
  readonly branchOf: { readonly conversationId: string; readonly turnId: string } | null;
  /** The newest turn of the branch that is shown; null in an empty conversation. */
  readonly head: string | null;
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
