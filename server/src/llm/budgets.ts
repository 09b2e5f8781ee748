import { randomUUID } from 'node:crypto';
import type { Budget, BudgetTerms } from '@devlm/protocol/budgets.ts';
import type { Usage } from '@devlm/protocol/events.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Logger } from 'pino';
import type { Spender } from '../storage/ports/budgets.ts';
import type { Store } from '../storage/ports/store.ts';
import type { Admission, Exceptions, Planned, Reservation } from './budget-admission.ts';
import { periodStart } from './budget-periods.ts';
import { budgetExceeded } from './budget-words.ts';
import type { Provider } from './provider.ts';

/**
 * Output tokens that are expected of a call: most answers and steps are shorter. One that is longer passes the budget
 * by no more than itself. The bound of an answer, 32,000 tokens as a rule, would stop people long before their limit.
 */
const expectedOutput = 4_000;
/** Reservations of a server that died lapse after this; one that lives renews them three times in it. */
const lapseMs = 120_000;
/** How long it may take until a budget that another server has set counts here. */
const listKeptMs = 5_000;
/** Each is looked at before each call. */
const mostBudgets = 100;
const none: Reservation = { release: async () => undefined };

/**
 * Decides before each call whether it may be made. A call counts with an estimate while it is under way, and with
 * what the ledger has of it afterwards; so calls at the same time pass a limit by no more than what each of them
 * cost beyond its estimate. Where no budget is set it costs nothing.
 */
export class Budgets implements Disposable {
  readonly #store: Store;
  readonly #provider: Provider;
  readonly #logger: Logger;
  readonly #now: () => Date;
  readonly #node = randomUUID();
  #open = 0;
  #renewing: NodeJS.Timeout | undefined;
  #any: { readonly value: boolean; readonly until: number } | undefined;

  constructor(store: Store, provider: Provider, logger: Logger, now = () => new Date()) {
    this.#store = store;
    this.#provider = provider;
    this.#logger = logger;
    this.#now = now;
  }

  list(): Promise<Budget[]> {
    return this.#store.budgets.list();
  }

  /** @throws ProblemError `conflict` when there are too many */
  async set(id: string, terms: BudgetTerms): Promise<Budget> {
    const budget = { id, ...terms };
    const others = (await this.list()).filter((one) => one.id !== id);
    if (others.length >= mostBudgets)
      throw new ProblemError({
        code: 'conflict',
        status: 409,
        title: 'Conflict',
        detail: `There are ${mostBudgets} budgets already. Remove one first.`,
      });
    await this.#store.budgets.save(budget);
    this.#any = undefined;
    return budget;
  }

  /** @throws ProblemError `not_found` */
  async remove(id: string): Promise<Budget> {
    const removed = await this.#store.budgets.remove(id);
    this.#any = undefined;
    if (removed) return removed;
    throw new ProblemError({ code: 'not_found', status: 404, title: 'Not found', detail: 'There is no such budget.' });
  }

  async admit(spender: Spender, planned: Planned, { despite, warns }: Exceptions = {}): Promise<Admission> {
    if (!(await this.#anyBudget())) return { admitted: true, reservation: none, warnings: [] };
    const id = randomUUID();
    const decision = await this.#store.budgets.reserve({
      ...spender,
      id,
      node: this.#node,
      amountUsd: this.estimate(planned),
      until: new Date(this.#now().getTime() + lapseMs),
      despite: despite ?? new Set(),
      warns: warns ?? false,
      since: (budget) => periodStart(budget.period, this.#now()),
    });
    if (!decision.admitted) return { admitted: false, inTheWay: decision.inTheWay };
    return { admitted: true, reservation: this.#reservation(id), warnings: decision.warnings };
  }

  /**
   * As `admit`, where nobody can be asked.
   * @throws ProblemError `budget_exceeded`
   */
  async reserve(spender: Spender, planned: Planned): Promise<Reservation> {
    const admission = await this.admit(spender, planned);
    if (!admission.admitted) throw budgetExceeded(admission.inTheWay, this.#now());
    return admission.reservation;
  }

  /** Adds the limit once more, for this person, project or team, until the end of the period. */
  async raise(budget: Budget, spender: Spender): Promise<void> {
    const since = (one: Budget) => periodStart(one.period, this.#now());
    await this.#store.budgets.raise(budget, { ...spender, since, usd: budget.limitUsd });
  }

  /** What a call will cost, most likely. US dollars; with the dearest price where that of the model is not known. */
  estimate({ model, promptTokens, cachedTokens = 0, maxTokens = expectedOutput }: Planned): number {
    const cacheReadTokens = Math.min(promptTokens, cachedTokens);
    const usage: Usage = {
      inputTokens: promptTokens - cacheReadTokens,
      outputTokens: Math.min(maxTokens, expectedOutput),
      cacheReadTokens,
      cacheWriteTokens: 0,
    };
    return this.#provider.countedCost(this.#provider.pool.modelsOf(model)[0] ?? model, usage);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#renewing);
  }

  async #anyBudget(): Promise<boolean> {
    if (!this.#any || performance.now() > this.#any.until) {
      const value = (await this.#store.budgets.list()).length > 0;
      this.#any = { value, until: performance.now() + listKeptMs };
    }
    return this.#any.value;
  }

  #reservation(id: string): Reservation {
    this.#open++;
    this.#renewing ??= setInterval(() => this.#renew(), lapseMs / 3).unref();
    let released = false;
    return {
      release: async () => {
        if (released) return;
        released = true;
        if (--this.#open === 0) {
          clearInterval(this.#renewing);
          this.#renewing = undefined;
        }
        // What is not released lapses.
        await this.#store.budgets
          .release(id)
          .catch((error: unknown) => this.#logger.warn({ err: error }, 'a reservation could not be released'));
      },
    };
  }

  #renew(): void {
    this.#store.budgets
      .renew(this.#node, new Date(this.#now().getTime() + lapseMs))
      .catch((error: unknown) => this.#logger.warn({ err: error }, 'reservations could not be renewed'));
  }
}
