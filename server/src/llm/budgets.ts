import { randomUUID } from 'node:crypto';
import type { Budget, BudgetTerms } from '@devlm/protocol/budgets.ts';
import type { Usage } from '@devlm/protocol/events.ts';
import type { Logger } from 'pino';
import type { Spender } from '../storage/ports/budgets.ts';
import type { Store } from '../storage/ports/store.ts';
import { conflict, notFound } from '../storage/problems.ts';
import type { BudgetAdmission, Exceptions, Planned, Reservation } from './budget-admission.ts';
import { periodStart } from './budget-periods.ts';
import { budgetExceeded } from './budget-words.ts';
import type { Provider } from './provider.ts';

/**
 * Expected output of a call, in tokens. Most answers and steps are shorter, and a longer one exceeds the budget by no
 * more than its own cost. The upper bound of an answer, usually 32,000 tokens, would stop users long before their
 * limit.
 */
const expectedOutputTokens = 4_000;
/**
 * Time after which reservations of a dead server expire, in milliseconds. A live server renews them three times in this
 * period.
 */
const reservationTtlMs = 120_000;
/** Maximum time until a budget that another server has set takes effect here, in milliseconds. */
const listTtlMs = 5_000;
/** Maximum number of budgets. Each one is checked before each call. */
const maxBudgets = 100;
const noReservation: Reservation = { release: async () => undefined };

/**
 * Decides before each call whether it may be made. A call counts with an estimate while it is under way, and with its
 * cost in the ledger afterwards. So simultaneous calls exceed a limit by no more than the difference between their
 * costs and their estimates. Nothing is read or written for a call if no budget is set.
 */
export class Budgets implements Disposable {
  readonly #store: Store;
  readonly #provider: Provider;
  readonly #logger: Logger;
  readonly #now: () => Date;
  readonly #node = randomUUID();
  #openReservations = 0;
  #renewalTimer: NodeJS.Timeout | undefined;
  #hasBudgets: { readonly value: boolean; readonly until: number } | undefined;

  constructor(store: Store, provider: Provider, logger: Logger, now = () => new Date()) {
    this.#store = store;
    this.#provider = provider;
    this.#logger = logger;
    this.#now = now;
  }

  /** Returns all budgets. */
  list(): Promise<Budget[]> {
    return this.#store.budgets.list();
  }

  /**
   * Adds or replaces a budget.
   *
   * @throws ProblemError `conflict` if there are too many
   */
  async set(id: string, terms: BudgetTerms): Promise<Budget> {
    const budget = { id, ...terms };
    const otherBudgets = (await this.list()).filter((existing) => existing.id !== id);
    if (otherBudgets.length >= maxBudgets)
      throw conflict(`The maximum of ${maxBudgets} budgets has been reached. Remove one first.`);
    await this.#store.budgets.save(budget);
    this.#hasBudgets = undefined;
    return budget;
  }

  /**
   * Removes a budget.
   *
   * @throws ProblemError `not_found`
   */
  async remove(id: string): Promise<Budget> {
    const removed = await this.#store.budgets.remove(id);
    this.#hasBudgets = undefined;
    if (removed) return removed;
    throw notFound('budget');
  }

  /** Decides whether a call may be made, and reserves its estimated cost if so. */
  async admit(
    spender: Spender,
    planned: Planned,
    { exemptBudgetIds, warns }: Exceptions = {},
  ): Promise<BudgetAdmission> {
    if (!(await this.#anyBudget())) return { admitted: true, reservation: noReservation, warnings: [] };
    const id = randomUUID();
    const decision = await this.#store.budgets.reserve({
      ...spender,
      id,
      node: this.#node,
      amountUsd: this.estimate(planned),
      until: new Date(this.#now().getTime() + reservationTtlMs),
      exemptBudgetIds: exemptBudgetIds ?? new Set(),
      warns: warns ?? false,
      since: (budget) => periodStart(budget.period, this.#now()),
    });
    if (!decision.admitted) return { admitted: false, blockingBudgets: decision.blockingBudgets };
    return { admitted: true, reservation: this.#reservation(id), warnings: decision.warnings };
  }

  /**
   * Reserves the estimated cost of a call whose caller cannot be asked.
   *
   * @throws ProblemError `budget_exceeded`
   */
  async reserve(spender: Spender, planned: Planned): Promise<Reservation> {
    const admission = await this.admit(spender, planned);
    if (!admission.admitted) throw budgetExceeded(admission.blockingBudgets, this.#now());
    return admission.reservation;
  }

  /** Raises a budget by its limit until the end of the period, for the user, project or team of the spender. */
  async raise(budget: Budget, spender: Spender): Promise<void> {
    const since = (raised: Budget) => periodStart(raised.period, this.#now());
    await this.#store.budgets.raise(budget, { ...spender, since, usd: budget.limitUsd });
  }

  /**
   * Returns the estimated cost of a call in US dollars. For a model without a known price, the highest known price is
   * used.
   */
  estimate({ model, promptTokens, cachedTokens = 0, maxTokens = expectedOutputTokens }: Planned): number {
    const cacheReadTokens = Math.min(promptTokens, cachedTokens);
    const usage: Usage = {
      inputTokens: promptTokens - cacheReadTokens,
      outputTokens: Math.min(maxTokens, expectedOutputTokens),
      cacheReadTokens,
      cacheWriteTokens: 0,
    };
    return this.#provider.countedCost(this.#provider.pool.modelsOf(model)[0] ?? model, usage);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#renewalTimer);
  }

  async #anyBudget(): Promise<boolean> {
    if (!this.#hasBudgets || performance.now() > this.#hasBudgets.until) {
      const value = (await this.#store.budgets.list()).length > 0;
      this.#hasBudgets = { value, until: performance.now() + listTtlMs };
    }
    return this.#hasBudgets.value;
  }

  #reservation(id: string): Reservation {
    this.#openReservations++;
    this.#renewalTimer ??= setInterval(() => this.#renew(), reservationTtlMs / 3).unref();
    let released = false;
    return {
      release: async () => {
        if (released) return;
        released = true;
        if (--this.#openReservations === 0) {
          clearInterval(this.#renewalTimer);
          this.#renewalTimer = undefined;
        }
        // A reservation that is not released expires.
        await this.#store.budgets
          .release(id)
          .catch((error: unknown) => this.#logger.warn({ err: error }, 'cannot release a budget reservation'));
      },
    };
  }

  #renew(): void {
    this.#store.budgets
      .renew(this.#node, new Date(this.#now().getTime() + reservationTtlMs))
      .catch((error: unknown) => this.#logger.warn({ err: error }, 'cannot renew budget reservations'));
  }
}
