import type { Budget } from '@devlm/protocol/budgets.ts';

/** Whose call it is. */
export interface Spender {
  readonly userId: string;
  readonly projectId: string | null;
  readonly conversationId: string | null;
  readonly turnId: string | null;
}

export interface Asking extends Spender {
  /** Of the reservation. */
  readonly id: string;
  /** The server that asks; it renews what it holds. */
  readonly node: string;
  /** What the call is expected to cost, US dollars. */
  readonly amountUsd: number;
  /** When the reservation lapses, unless it is renewed. */
  readonly until: Date;
  /** Budgets that the person lets this call pass. */
  readonly despite: ReadonlySet<string>;
  /** Whether a warning reaches the person: it is given once in a period. */
  readonly warns: boolean;
  /** When the period of a budget began; null: each turn is one. */
  readonly since: (budget: Budget) => Date | null;
}

/** A budget that a call would pass. */
export interface Passed {
  readonly budget: Budget;
  /** What was spent, and what open reservations hold. */
  readonly spentUsd: number;
  /** The limit, with what it was raised by. */
  readonly limitUsd: number;
}

export interface Decision {
  readonly admitted: boolean;
  /** Those that stand in its way. */
  readonly inTheWay: readonly Passed[];
  /** Those that only warn, and have not yet. */
  readonly warnings: readonly Passed[];
}

/** Of a store: what may be spent. Every method is atomic. */
export interface BudgetStore {
  /** By id. */
  list(): Promise<Budget[]>;
  /** Sets it, or changes the one of the same id. */
  save(budget: Budget): Promise<void>;
  /** Answers the one that is gone; null: there was none. */
  remove(id: string): Promise<Budget | null>;
  /**
   * Decides whether a call may be made, and sets aside what it is expected to cost. One decision at a time over all
   * servers of the store: what one admits the next one counts.
   */
  reserve(asking: Asking): Promise<Decision>;
  /** What a server has set aside holds until then. */
  renew(node: string, until: Date): Promise<void>;
  /** The call has ended, and what it cost is in the ledger. */
  release(id: string): Promise<void>;
  /** For whom the budget counts is allowed so much more until the end of the period. */
  raise(budget: Budget, by: Raise): Promise<void>;
}

export interface Raise extends Spender, Pick<Asking, 'since'> {
  readonly usd: number;
}
