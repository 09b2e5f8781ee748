import type { UsageReport } from '@devlm/protocol/budgets.ts';
import type { Event, EventBody } from '@devlm/protocol/events.ts';
import type { ExecutionRecord, Snippet } from '@devlm/protocol/execution.ts';
import type { TurnRecord } from '@devlm/protocol/state.ts';
import type { TokenInfo } from '@devlm/protocol/tokens.ts';
import type { UserInfo } from '@devlm/protocol/users.ts';
import type { ConversationSummary, UsageTotal } from '@devlm/protocol/views.ts';
import type { BudgetStore } from './budgets.ts';
import type { StoredInstance } from './instances.ts';
import type { Lease, LeaseStore } from './leases.ts';
import type { LedgerCall } from './ledger.ts';
import type { Owned } from './owners.ts';
import type { TokenKeyStore } from './token-keys.ts';
import type { UsageSpan } from './usage.ts';

/** A turn as the store projects it from the events, in the same transaction as the append. */
export interface TurnRow {
  readonly conversationId: string;
  readonly turnId: string;
  readonly parent: string | null;
  readonly status: 'queued' | 'running' | 'ended';
  /** How often the turn has been started; more than once means a server died over it. */
  readonly attempts: number;
  /** `seq` of its `turn.created`. */
  readonly createdSeq: number;
}

/** A conversation, with what only the server needs of it. */
export interface StoredConversation extends ConversationSummary {
  /** The newest turn of the branch that is shown. */
  readonly head: string | null;
  readonly lastSeq: number;
  /** Whose it is. */
  readonly userId: string;
}

/** Without what only the server needs. */
export function summaryOf({
  head: _head,
  lastSeq: _lastSeq,
  userId: _userId,
  ...summary
}: StoredConversation): ConversationSummary {
  return summary;
}

/** Who an event log row belongs to is decided by the store: an id and a time come from there. */
export type NewEvent = EventBody;

export interface AppendOptions {
  /** Appends by it alone: `lease_lost` where another has been given since. */
  readonly lease?: Lease | undefined;
  /** Called once the events are committed, before they are on the disk: who reads the store finds them. Must not throw. */
  readonly committed?: () => void;
}

export interface ListOptions {
  /** Only this user's. Default: everybody's. */
  readonly userId?: string | undefined;
  /** Matches titles, messages and answers, by word prefixes, in any order. */
  readonly search?: string | undefined;
  readonly projectId?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

export interface Blob {
  readonly mediaType: string;
  readonly data: Uint8Array;
}

/**
 * The port of everything that must survive. Every method is atomic; every failure is a
 * `ProblemError` with code `not_found`, `conflict`, `lease_lost`, `bad_request` (an unknown cursor), `store_busy`,
 * `store_full`, `store_newer`, `store_damaged`, `token_keys_damaged` or `store_unavailable`.
 */
export interface Store {
  readonly kind: 'sqlite' | 'postgres';
  readonly budgets: BudgetStore;
  readonly leases: LeaseStore;
  readonly tokenKeys: TokenKeyStore;

  /**
   * Writes `conversation.created` as event 1. The same id again answers the existing one, or is refused with
   * `conflict` where that is another user's. Default of `userId`: `local`.
   */
  createConversation(conversation: {
    id: string;
    title: string;
    projectId: string | null;
    userId?: string;
  }): Promise<ConversationSummary>;
  /** Null when there is none; a deleted one has `deletedAt`. */
  conversation(id: string): Promise<StoredConversation | null>;
  /**
   * Newest change first, deleted ones left out. A change is a new title, a new message or the end
   * of a turn; the events in between move nothing.
   */
  conversations(options: ListOptions): Promise<{ items: ConversationSummary[]; next: string | null }>;
  /** Marks or unmarks as deleted. `not_found` when there is none. */
  setDeleted(id: string, deleted: boolean): Promise<void>;
  /** Removes for good what was marked deleted before the time, with blobs that nothing else uses. Answers how many. */
  purgeDeleted(before: Date): Promise<number>;
  /**
   * Copies the branch that ends in the turn into a new conversation, with new sequence numbers.
   * A turn that has not ended is copied as stopped.
   */
  branch(from: { conversationId: string; turnId: string }, id: string): Promise<ConversationSummary>;
  /** The conversation that one is a copy of, which may be gone; null: it is none, or there is no such one. */
  copiedFrom(id: string): Promise<string | null>;

  /**
   * Appends in one transaction, gives each event the next sequence number, and updates the
   * projections (title, head, turns, usage, search text at the end of a turn) from the events.
   * `not_found` without the conversation or the event's turn; `conflict` when a `turn.created`
   * repeats a turn id. Events of a turn that has ended are refused with `conflict`, but those of its review,
   * which come after the end.
   *
   * Resolves when they are on the disk; those of a step that is under way, when they are committed.
   */
  append(conversationId: string, events: readonly NewEvent[], options?: AppendOptions): Promise<Event[]>;
  /** Events with `seq > after`, in order, at most `limit`. */
  events(conversationId: string, after: number, limit: number): Promise<Event[]>;
  turn(conversationId: string, turnId: string): Promise<TurnRow | null>;
  /** The turn and its ancestors, oldest first, at most `limit`; `older` is the parent of the first. */
  branchOf(
    conversationId: string,
    turnId: string,
    limit: number,
  ): Promise<{ turns: TurnRecord[]; older: string | null }>;
  /** The newest turn at or below the given one, following the newest child each time. */
  newestBelow(conversationId: string, turnId: string): Promise<string>;
  /** Of those that there are, the number of the last event. */
  lastSeqs(conversationIds: readonly string[]): Promise<Map<string, number>>;
  /** Turns that have not ended, oldest first. Default: of all conversations. */
  openTurns(conversationId?: string): Promise<TurnRow[]>;

  /** Content-addressed: the same bytes give the same SHA-256 hex. */
  putBlob(blob: Blob): Promise<string>;
  /** @param userId then only what a conversation of this user refers to */
  blob(hash: string, userId?: string): Promise<Blob | null>;

  /** Keeps what came of a run, and its program once. The same id again changes nothing. Default of `userId`: `local`. */
  saveExecution(record: ExecutionRecord, snippet: Snippet, userId?: string): Promise<void>;
  execution(id: string): Promise<ExecutionRecord | null>;
  /** The newest record of the same input whose program ended by itself. Default of `userId`: `local`. */
  executionLike(inputHash: string, userId?: string): Promise<ExecutionRecord | null>;
  /** The newest record of each part of a conversation, at most `limits.pageRows` of them, in no order. */
  executionsOf(conversationId: string): Promise<ExecutionRecord[]>;
  /** @param userId then only what this user has run */
  snippet(hash: string, userId?: string): Promise<Snippet | null>;
  /** Removes records that ended before the time, and programs that no record speaks of. Answers how many records. */
  purgeExecutions(before: Date): Promise<number>;

  /** Notes a call of a model that is no step of a turn; those are noted with their events. */
  addCall(call: LedgerCall): Promise<void>;
  /** One row for each day, conversation, model, user or project, at most `usageRows` of them, and the sum of all. */
  usageReport(query: UsageSpan): Promise<Pick<UsageReport, 'rows' | 'total'>>;
  /** What the person's newest answers since the time cost, newest first, at most `limit` of them; without the turn `except`. */
  turnCosts(userId: string, since: Date, limit: number, except: string): Promise<number[]>;

  /** Sum of all calls of a user, else of everybody, since the time, those of abandoned steps too. Copies made by `branch` are left out. */
  usageSince(since: Date, userId?: string): Promise<UsageTotal>;

  /** Whose it is; null: there is no such thing. */
  ownerOf(what: Owned, id: string): Promise<string | null>;
  /** A project belongs to whoever comes first. Answers whose it is. */
  claimProject(id: string, userId: string): Promise<string>;

  /** `conflict` where the name is taken. */
  addUser(user: UserInfo): Promise<void>;
  /** By name, disabled ones too. */
  users(): Promise<UserInfo[]>;
  /** Null where there is no such user. Disabling again changes nothing. */
  disableUser(id: string): Promise<UserInfo | null>;

  addToken(token: TokenInfo): Promise<void>;
  /** Tokens that have not ended by themselves, revoked ones too, newest first. */
  tokens(): Promise<TokenInfo[]>;
  /** Null where there is no such token. Revoking again changes nothing. */
  revokeToken(id: string): Promise<TokenInfo | null>;

  /** Adds an instance, or puts it in the place of the one of the same id. */
  saveInstance(instance: StoredInstance): Promise<void>;
  /** By id. */
  instances(): Promise<StoredInstance[]>;
  /** Answers whether there was one. */
  removeInstance(id: string): Promise<boolean>;

  /** Daily upkeep; safe to call at any time. */
  maintain(): Promise<void>;
  close(): Promise<void>;
}
