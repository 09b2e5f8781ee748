import type { ExecutionRecord, Snippet } from '@devlm/protocol/execution.ts';

/** The records of executions and the executed programs. Every method is atomic. */
export interface ExecutionStore {
  /**
   * Stores the record of an execution, and its program once. Saving the same id again changes nothing.
   * @param userId default: `local`
   */
  save(record: ExecutionRecord, snippet: Snippet, userId?: string): Promise<void>;
  /** Returns the record of an execution, or null. */
  get(id: string): Promise<ExecutionRecord | null>;
  /**
   * Returns the user's newest record with this input, from a program that ended by itself, or null.
   * @param userId default: `local`
   */
  findLike(inputHash: string, userId?: string): Promise<ExecutionRecord | null>;
  /** Returns the newest record of each part of a conversation, at most `limits.pageRows` of them, unordered. */
  listOf(conversationId: string): Promise<ExecutionRecord[]>;
  /**
   * Returns a program by its hash, or null.
   * @param userId restricts the search to programs that this user has run; default: programs of all users
   */
  snippet(hash: string, userId?: string): Promise<Snippet | null>;
  /** Removes records that ended before `before`, and programs without records. Returns the number of removed records. */
  purge(before: Date): Promise<number>;
}
