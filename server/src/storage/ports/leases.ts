import type { TurnRow } from './turns.ts';

/** Right of one node to run the turns of a conversation. Each time it is taken, `fence` is higher. */
export interface Lease {
  readonly conversationId: string;
  readonly fence: number;
}

/** An open turn that a node may run. */
export interface FreeTurn extends TurnRow {
  readonly projectId: string | null;
  /** Whether the node holds the lease of the conversation. */
  readonly held: boolean;
  /** Time since the turn was created or the lease of another node ended, whichever is later, in milliseconds. */
  readonly waitedMs: number;
}

/**
 * Whether a lease holds. If only the database can tell, the value that `fence` must have in the row of the conversation.
 */
export type Permit = boolean | { readonly fence: number };

/**
 * The leases that decide which node runs the turns of a conversation. A node that has lost a lease can no longer append
 * with it. Times are those of the store's clock, which all nodes share. Every method is atomic.
 */
export interface LeaseStore {
  /**
   * Takes the lease of a conversation for a number of milliseconds. A node may take its own lease again; the earlier one
   * ends. Returns null if another node has the lease or there is no such conversation.
   */
  take(conversationId: string, node: string, forMs: number): Promise<Lease | null>;
  /** Extends leases. Returns those that the node still holds. */
  renew(leases: readonly Lease[], node: string, forMs: number): Promise<Lease[]>;
  /** Ends a lease. Does nothing if it is already lost. */
  release(lease: Lease): Promise<void>;
  /** Returns the node that holds the lease of a conversation, or null. */
  holder(conversationId: string): Promise<string | null>;
  /** Returns open turns of conversations whose lease no other node holds, oldest first. */
  freeTurns(node: string, limit: number): Promise<FreeTurn[]>;
  /** Returns whether an append with the lease is permitted. */
  permits(lease: Lease): Permit;
}
