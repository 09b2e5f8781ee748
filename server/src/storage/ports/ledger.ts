import type { UsageGroup, UsageReport } from '@devlm/protocol/budgets.ts';
import type { Usage } from '@devlm/protocol/events.ts';
import type { UsageTotal } from '@devlm/protocol/views.ts';
import type { Spender } from './budgets.ts';

/** One call of a model, as the ledger has it. */
export interface LedgerCall extends Spender {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `chat`: a step of an answer. `search`: what a tool asked. `api`: a client of the Messages endpoint. */
  readonly purpose: 'chat' | 'compaction' | 'search' | 'api';
  /** As the provider names it; null where it has not said. */
  readonly model: string | null;
  /** Null where it is not known. */
  readonly instance: string | null;
  readonly usage: Usage;
  /** US dollars; null when the model's price is not known. */
  readonly costUsd: number | null;
  /** What budgets count. */
  readonly countedUsd: number;
  /** Milliseconds until the end of the answer; null where nobody measured. */
  readonly latencyMs: number | null;
  /** Milliseconds until the first byte of the answer. */
  readonly firstTokenMs: number | null;
  /** `cut`: it did not come to its end. */
  readonly outcome: 'answered' | 'cut';
}

export interface UsageSpan {
  readonly from: Date;
  /** Not included. */
  readonly to: Date;
  readonly group: UsageGroup;
  /** Minutes east of UTC: where a day ends. */
  readonly offset: number;
  /** Null: everybody's. */
  readonly userId: string | null;
  /** Who asks: titles of other people's conversations are not told. */
  readonly askedBy: string;
}

/** Maximum number of rows in a usage report; the most expensive rows are kept. */
export const usageRows = 1_000;

/** The calls of models and what they cost. Every method is atomic. */
export interface LedgerStore {
  /** Adds a call that is not a step of a turn; the steps of turns are added with their events. */
  add(call: LedgerCall): Promise<void>;
  /** Returns one row per day, conversation, model, user or project, at most `usageRows` of them, and the total. */
  report(query: UsageSpan): Promise<Pick<UsageReport, 'rows' | 'total'>>;
  /**
   * Returns the cost in US dollars of each of the user's turns since `since`, newest first, at most `limit` of
   * them. The turn `except` is left out.
   */
  turnCosts(userId: string, since: Date, limit: number, except: string): Promise<number[]>;
  /**
   * Returns the sum of all calls since `since`, including those of abandoned steps and excluding copies that
   * `ConversationStore.branch` made.
   * @param userId only this user's calls; default: everybody's
   */
  usageSince(since: Date, userId?: string): Promise<UsageTotal>;
}
