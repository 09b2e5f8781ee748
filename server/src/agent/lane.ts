import type { HeldLease } from './leases.ts';

/** A turn that waits. */
export interface Entry {
  readonly turnId: string;
  /** Left by an earlier server, begun or not. */
  readonly resumed: boolean;
  /** How often it was begun; undefined where that has not been read. */
  readonly attempts?: number;
}

/** What of a conversation runs or waits on this node. */
export interface Lane {
  readonly conversationId: string;
  readonly queue: Entry[];
  /** While its turns run here. */
  held: HeldLease | undefined;
  running: Running | undefined;
}

/** A turn that runs on this node, or is about to. */
export interface Running {
  /** Undefined until it is known that this node may run one. */
  turnId: string | undefined;
  readonly controller: AbortController;
  done: Promise<void>;
}
