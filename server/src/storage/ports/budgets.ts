import type { Budget } from '@devlm/protocol/budgets.ts';

/** User, project, conversation and turn that a call is charged to. */
export interface Spender {
  readonly userId: string;
  readonly projectId: string | null;
  readonly conversationId: string | null;
  readonly turnId: string | null;
}

/** A call that asks to be admitted. */
export interface BudgetRequest extends Spender {
  /** Id of the reservation. */
  readonly id: string;
  /** Server that makes the call. It renews its reservations. */
  readonly node: string;
  /** Expected cost of the call, in US dollars. */
  readonly amountUsd: number;
  /** Time at which the reservation expires unless it is renewed. */
  readonly until: Date;
  /** Ids of the budgets that the user allows this call to exceed. */
  readonly exemptBudgetIds: ReadonlySet<string>;
  /** Whether a warning would reach the user. A warning is given once per period. */
  readonly warns: boolean;
  /** Returns the start of the current period of a budget; null if each turn is a period. */
  readonly since: (budget: Budget) => Date | null;
}

/** A budget that a call would exceed. */
export interface ExceededBudget {
  readonly budget: Budget;
  /** Amount spent plus open reservations, in US dollars. */
  readonly spentUsd: number;
  /** Limit including raises, in US dollars. */
  readonly limitUsd: number;
}

/** Result of `BudgetStore.reserve`. */
export interface BudgetDecision {
  readonly admitted: boolean;
  /** Exceeded budgets that prevent the call. */
  readonly blockingBudgets: readonly ExceededBudget[];
  /** Exceeded budgets that only warn and have not warned in this period. */
  readonly warnings: readonly ExceededBudget[];
}

/** The budgets and the reservations of running calls. Every method is atomic. */
export interface BudgetStore {
  /** Returns all budgets, ordered by id. */
  list(): Promise<Budget[]>;
  /** Adds a budget, or replaces the one with the same id. */
  save(budget: Budget): Promise<void>;
  /** Removes a budget. Returns it, or null if there was none. */
  remove(id: string): Promise<Budget | null>;
  /**
   * Decides whether a call is admitted, and reserves its expected cost if it is. All servers that share the store make
   * their decisions one at a time, so that each decision counts the calls that were admitted before.
   */
  reserve(request: BudgetRequest): Promise<BudgetDecision>;
  /** Extends all reservations of a server until the given time. */
  renew(node: string, until: Date): Promise<void>;
  /** Removes a reservation whose call has ended and is in the ledger. */
  release(id: string): Promise<void>;
  /** Raises the limit until the end of the period, for the subject that the budget applies to. */
  raise(budget: Budget, by: Raise): Promise<void>;
}

/** Raise of a budget's limit. */
export interface Raise extends Spender, Pick<BudgetRequest, 'since'> {
  /** Amount of the raise, in US dollars. */
  readonly usd: number;
}
