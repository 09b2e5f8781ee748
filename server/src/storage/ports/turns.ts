import type { TurnRecord } from '@devlm/protocol/state.ts';

/** A turn as projected from its events in the transaction of the append. */
export interface TurnRow {
  readonly conversationId: string;
  readonly turnId: string;
  readonly parent: string | null;
  readonly status: 'queued' | 'running' | 'ended';
  /** Number of times the turn was started. More than one means that a server died during the turn. */
  readonly attempts: number;
  /** `seq` of its `turn.created` event. */
  readonly createdSeq: number;
}

/** Reads the tree of turns. Every method is atomic. */
export interface TurnStore {
  get(conversationId: string, turnId: string): Promise<TurnRow | null>;
  /**
   * Returns the turn and its ancestors, oldest first, at most `limit` of them. `older` is the parent of the first.
   * @throws ProblemError `not_found`
   */
  branchOf(
    conversationId: string,
    turnId: string,
    limit: number,
  ): Promise<{ turns: TurnRecord[]; older: string | null }>;
  /**
   * Returns the id of the newest turn at or below the given one, by following the newest child repeatedly.
   * @throws ProblemError `not_found`
   */
  newestBelow(conversationId: string, turnId: string): Promise<string>;
  /**
   * Returns the turns that have not ended, oldest first.
   * @param conversationId default: the turns of all conversations
   */
  open(conversationId?: string): Promise<TurnRow[]>;
}
