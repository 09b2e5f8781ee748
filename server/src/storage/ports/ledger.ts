import type { UsageGroup, UsageReport } from '@devlm/protocol/budgets.ts';
import type { Usage } from '@devlm/protocol/events.ts';
import type { UsageTotal } from '@devlm/protocol/views.ts';
import type { Spender } from './budgets.ts';

/** One call to a model. */
export interface LedgerCall extends Spender {
  /** Time of the call, in milliseconds since 1970. */
  readonly at: number;
  /** `chat`: step of an answer; `search`: call by a tool; `api`: call by a client of the Messages endpoint. */
  readonly purpose: 'chat' | 'compaction' | 'search' | 'api';
  /** Name of the model at the provider; null if unknown. */
  readonly model: string | null;
  /** Id of the instance; null if unknown. */
  readonly instance: string | null;
  readonly usage: Usage;
  /** Cost in US dollars; null if the price of the model is unknown. */
  readonly costUsd: number | null;
  /** Amount that budgets count, in US dollars. */
  readonly countedUsd: number;
  /** Time until the end of the answer, in milliseconds; null if not measured. */
  readonly latencyMs: number | null;
  /** Time until the first byte of the answer, in milliseconds; null if not measured. */
  readonly firstTokenMs: number | null;
  /** `cut`: the answer did not reach its end. */
  readonly outcome: 'answered' | 'cut';
}

/** Query of a usage report. */
export interface UsageSpan {
  readonly from: Date;
  /** End of the span, exclusive. */
  readonly to: Date;
  readonly group: UsageGroup;
  /** Time zone that days end in, in minutes east of UTC. */
  readonly offset: number;
  /** The only user whose calls are counted; null: all users. */
  readonly userId: string | null;
  /** User who asks. Titles of other users' conversations are left out. */
  readonly askedBy: string;
}

/** Maximum number of rows in a usage report; the most expensive rows are kept. */
export const maxUsageRows = 1_000;

/** The calls to models and their costs. Every method is atomic. */
export interface LedgerStore {
  /** Adds a call that is not a step of a turn; the steps of turns are added with their events. */
  add(call: LedgerCall): Promise<void>;
  /** Returns one row per day, conversation, model, user or project, at most `maxUsageRows` of them, and the total. */
  report(query: UsageSpan): Promise<Pick<UsageReport, 'rows' | 'total'>>;
  /**
   * Returns the cost in US dollars of each of the user's turns since `since`, newest first, at most `limit` of
   * them. The turn `except` is left out.
   */
  turnCosts(userId: string, since: Date, limit: number, except: string): Promise<number[]>;
  /**
   * Returns the sum of all calls since `since`, including those of abandoned steps and excluding copies that
   * `ConversationStore.branch` made.
   * @param userId only this user's calls; default: those of all users
   */
  usageSince(since: Date, userId?: string): Promise<UsageTotal>;
}
