import type { Passed } from '../storage/ports/budgets.ts';

/*
 * What budgets and callers say to each other about a call before it is made.
 */

/** What is known of a call before it is made. */
export interface Planned {
  /** A model's id or an alias. */
  readonly model: string;
  readonly promptTokens: number;
  /** Of those, what the provider has most likely in its cache. Default: none. */
  readonly cachedTokens?: number;
  /** The most that the answer may hold. Default: not known. */
  readonly maxTokens?: number;
}

/** What a call may cost, set aside until what it did cost is in the ledger. */
export interface Reservation {
  /** Once the ledger has the call. Never rejects. */
  release(): Promise<void>;
}

/** Whether a call may be made, and what of the budgets is to be told. */
export type Admission =
  | { readonly admitted: true; readonly reservation: Reservation; readonly warnings: readonly Passed[] }
  | { readonly admitted: false; readonly inTheWay: readonly Passed[] };

/** What a call may do that others may not. */
export interface Exceptions {
  /** Budgets that the person lets this call pass. */
  readonly despite?: ReadonlySet<string>;
  /** A warning would reach the person. */
  readonly warns?: boolean;
}
