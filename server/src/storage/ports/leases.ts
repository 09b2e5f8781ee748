import type { TurnRow } from './turns.ts';

/** A conversation whose turns one node runs. Each time it is taken it has a higher number. */
export interface Lease {
  readonly conversationId: string;
  readonly fence: number;
}

export interface FreeTurn extends TurnRow {
  readonly projectId: string | null;
  /** The node has its conversation. */
  readonly held: boolean;
  /** Since it was created, or the node that had its conversation was last heard of. */
  readonly waitedMs: number;
}

/** Whether a lease still holds; where only the store knows: as long as the conversation's row has this `fence`. */
export type Permit = boolean | { readonly fence: number };

/**
 * Of a store: which node runs the turns of a conversation. A node that lost one cannot append by it any more. Times are
 * those of the store's clock, which all nodes share. Every method is atomic.
 */
export interface LeaseStore {
  /** Null: another node has it, or there is no such conversation. A node may take its own again; the earlier one ends. */
  take(conversationId: string, node: string, forMs: number): Promise<Lease | null>;
  /** Answers those of the leases that the node still has. */
  renew(leases: readonly Lease[], node: string, forMs: number): Promise<Lease[]>;
  /** One that is lost already changes nothing. */
  release(lease: Lease): Promise<void>;
  /** The node that has it; null: nobody. */
  holder(conversationId: string): Promise<string | null>;
  /** Open turns of conversations that no other node has, oldest first. */
  freeTurns(node: string, limit: number): Promise<FreeTurn[]>;
  permits(lease: Lease): Permit;
}
