import type { ExceededBudget } from '../storage/ports/budgets.ts';

/* Types that budgets and their callers share: the admission of a call before it is made. */

/** A planned call. */
export interface Planned {
  /** Model id or alias. */
  readonly model: string;
  /** Estimated size of the prompt, in tokens. */
  readonly promptTokens: number;
  /** Number of prompt tokens that the provider most likely has in its cache. Default: 0. */
  readonly cachedTokens?: number;
  /** Upper bound of the answer, in tokens. Default: unknown. */
  readonly maxTokens?: number;
}

/** Estimated cost of a call, reserved until its actual cost is in the ledger. */
export interface Reservation {
  /** Releases the reservation, once the ledger has the call. Never rejects. */
  release(): Promise<void>;
}

/** Decision whether a call may be made, with the budgets that prevent it or that are worth a warning. */
export type BudgetAdmission =
  | { readonly admitted: true; readonly reservation: Reservation; readonly warnings: readonly ExceededBudget[] }
  | { readonly admitted: false; readonly blockingBudgets: readonly ExceededBudget[] };

/** Exceptions for a call. */
export interface Exceptions {
  /** Ids of budgets that the user lets this call exceed. */
  readonly exemptBudgetIds?: ReadonlySet<string>;
  /** Whether a warning would reach the user. Default: false. */
  readonly warns?: boolean;
}
