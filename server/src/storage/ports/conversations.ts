import type { ConversationSummary } from '@devlm/protocol/views.ts';

/** A conversation, with what only the server needs of it. */
export interface StoredConversation extends ConversationSummary {
  /** The newest turn of the branch that is shown. */
  readonly head: string | null;
  readonly lastSeq: number;
  /** Id of the user who owns it. */
  readonly userId: string;
}

export interface NewConversation {
  readonly id: string;
  readonly title: string;
  readonly projectId: string | null;
  /** Default: `local`. */
  readonly userId?: string;
}

/** The turn that a branch ends with. */
export interface BranchPoint {
  readonly conversationId: string;
  readonly turnId: string;
}

export interface ListOptions {
  /** Only this user's conversations. Default: everybody's. */
  readonly userId?: string | undefined;
  /** Matches titles, messages and answers, by word prefixes, in any order. */
  readonly search?: string | undefined;
  readonly projectId?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** The list of conversations. Every method is atomic. */
export interface ConversationStore {
  /**
   * Writes `conversation.created` as event 1. Creating the same id again returns the existing conversation.
   * @throws ProblemError `conflict` when the id is another user's
   */
  create(conversation: NewConversation): Promise<ConversationSummary>;
  /** Returns null when there is no such conversation; a deleted one has `deletedAt`. */
  get(id: string): Promise<StoredConversation | null>;
  /**
   * Returns one page, most recently changed first, without deleted conversations. A new title, a new message and the
   * end of a turn are changes; the events in between are not.
   */
  list(options: ListOptions): Promise<{ items: ConversationSummary[]; next: string | null }>;
  /**
   * Marks a conversation as deleted, or removes the mark.
   * @throws ProblemError `not_found`
   */
  setDeleted(id: string, deleted: boolean): Promise<void>;
  /**
   * Permanently removes the conversations that were marked as deleted before `before`, and the blobs that nothing
   * else uses. Returns the number of conversations.
   */
  purgeDeleted(before: Date): Promise<number>;
  /**
   * Copies the branch that ends in the turn into a new conversation, with new sequence numbers. A turn that has not
   * ended is copied as stopped.
   * @throws ProblemError `not_found`, or `conflict` when the id is another conversation's
   */
  branch(from: BranchPoint, id: string): Promise<ConversationSummary>;
  /** Returns the conversation that this one was copied from, which may be gone; null when it is not a copy. */
  copiedFrom(id: string): Promise<string | null>;
}
