import type { ConversationSummary } from '@devlm/protocol/views.ts';

/** A conversation, with the fields that only the server needs. */
export interface StoredConversation extends ConversationSummary {
  /** Id of the newest turn of the shown branch; null without turns. */
  readonly head: string | null;
  readonly lastSeq: number;
  /** Id of the user who owns it. */
  readonly userId: string;
}

/** Conversation to create. */
export interface NewConversation {
  readonly id: string;
  readonly title: string;
  readonly projectId: string | null;
  /** Default: `local`. */
  readonly userId?: string;
}

/** The last turn of a branch. */
export interface BranchPoint {
  readonly conversationId: string;
  readonly turnId: string;
}

/** Filter and page of a list of conversations. */
export interface ListOptions {
  /** Only this user's conversations. Default: those of all users. */
  readonly userId?: string | undefined;
  /** Matches titles, messages and answers by word prefixes, in any order. Default: everything. */
  readonly search?: string | undefined;
  readonly projectId?: string | undefined;
  /** `next` of the previous page. Default: the first page. */
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** The list of conversations. Every method is atomic. */
export interface ConversationStore {
  /**
   * Writes `conversation.created` as event 1. Creating the same id again returns the existing conversation.
   * @throws ProblemError `conflict` if the id belongs to another user
   */
  create(conversation: NewConversation): Promise<ConversationSummary>;
  /** Returns null if there is no such conversation. A deleted one has `deletedAt`. */
  get(id: string): Promise<StoredConversation | null>;
  /**
   * Returns one page, most recently changed first, without deleted conversations. Changes are a new title, a new message
   * and the end of a turn; the events in between are not.
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
   * @throws ProblemError `not_found`, or `conflict` if the id belongs to another conversation
   */
  branch(from: BranchPoint, id: string): Promise<ConversationSummary>;
  /** Returns the id of the conversation that this one was copied from, which may be gone; null if it is not a copy. */
  copiedFrom(id: string): Promise<string | null>;
}
