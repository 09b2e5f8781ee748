import type { HeldLease } from './leases.ts';

/** A turn that waits to run. */
export interface QueuedTurn {
  readonly turnId: string;
  /** Whether the turn was left by an earlier server, whether or not it had begun. */
  readonly resumed: boolean;
  /** Number of times that the turn was begun; undefined if that has not been read yet. */
  readonly attempts?: number;
}

/** The turns of one conversation that run or wait on this node. */
export interface ConversationTurns {
  readonly conversationId: string;
  readonly queue: QueuedTurn[];
  /** The lease of the conversation; set while this node runs its turns. */
  held: HeldLease | undefined;
  running: RunningTurn | undefined;
}

/** A turn that runs on this node, or is about to. */
export interface RunningTurn {
  /** Undefined until this node has the lease and has picked the turn. */
  turnId: string | undefined;
  /** Aborts the turn. */
  readonly controller: AbortController;
  /** Resolves when the turn no longer runs. Never rejects. */
  done: Promise<void>;
}
