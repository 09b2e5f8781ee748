import type { TurnState } from '@devlm/protocol/state.ts';
import type { PauseTopic, Trouble } from '@devlm/protocol/tools.ts';
import type { Reservation } from '../llm/budget-admission.ts';
import { budgetExceeded, describeExceeded } from '../llm/budget-words.ts';
import type { Budgets } from '../llm/budgets.ts';
import { promptCacheTtlMs } from '../llm/prompt-cache.ts';
import type { ExceededBudget, Spender } from '../storage/ports/budgets.ts';
import { type LabelledOption, openPause, type PauseAnswer, pause, pausesOf, stoppedAtPause } from './pause.ts';
import type { Sentinel } from './sentinel.ts';
import type { TurnLog } from './turn-log.ts';

/** Options of `SpendGate`. */
export interface SpendGateOptions {
  readonly budgets: Budgets;
  readonly log: TurnLog;
  readonly spender: Spender;
  readonly modelId: string;
  /** The check for runaway turns; null if it is turned off. */
  readonly sentinel: Sentinel | null;
}

const continueOption: LabelledOption = { id: 'continue', label: 'Continue' };
const stopOption: LabelledOption = { id: 'stop', label: 'Stop' };

/** The labels of the option that raises the limit of a budget, by its period; null if the limit cannot be raised. */
const raiseLabels = {
  day: 'Raise the limit for today',
  week: 'Raise the limit for this week',
  month: 'Raise the limit for this month',
  turn: null,
} as const;

/** Checks budgets and the sentinel before each call of a turn, and lets it pass, stops it, or asks the user. */
export class SpendGate {
  readonly #options: SpendGateOptions;

  constructor(options: SpendGateOptions) {
    this.#options = options;
  }

  /**
   * Reserves the estimated cost of the next call. Asks the user first where a budget or the sentinel requires it.
   *
   * @throws ProblemError `budget_exceeded`, `paused`; the signal's reason
   */
  async admit(promptTokens: number, signal: AbortSignal): Promise<Reservation> {
    const { budgets, log, spender, modelId, sentinel } = this.#options;
    const resumed = await openPause(log, signal);
    if (resumed) await this.#applyAnswer(resumed.topic, resumed.answer);
    const sign = await sentinel?.check(log.branch, agreedTroubles(log.turn));
    if (sign) {
      const topic = { kind: 'sentinel', trouble: sign.trouble } as const;
      await this.#ask(topic, `${sign.explanation} Continue?`, [continueOption, stopOption], signal);
    }
    for (;;) {
      const planned = { model: modelId, promptTokens, cachedTokens: cachedTokens(log.branch) };
      const exceptions = { exemptBudgetIds: agreedBudgets(log.turn), warns: true };
      const admission = await budgets.admit(spender, planned, exceptions);
      if (admission.admitted) {
        for (const exceeded of admission.warnings) this.#warn(exceeded);
        return admission.reservation;
      }
      const { blockingBudgets } = admission;
      const canAsk = blockingBudgets.every(({ budget }) => budget.action === 'ask');
      const [first] = blockingBudgets;
      if (!canAsk || !first) throw budgetExceeded(blockingBudgets, new Date());
      const { id: budgetId, period } = first.budget;
      const label = raiseLabels[period];
      const raiseOptions: LabelledOption[] = label === null ? [] : [{ id: 'raise', label }];
      const options = [continueOption, ...raiseOptions, stopOption];
      await this.#ask(
        { kind: 'budget', budgetId },
        `${describeExceeded(first, new Date())} Continue?`,
        options,
        signal,
      );
    }
  }

  async #ask(
    topic: PauseTopic,
    question: string,
    options: readonly LabelledOption[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#applyAnswer(topic, await pause(this.#options.log, { topic, question, options }, signal));
  }

  /**
   * Applies an answer of the user: raises the limit of the budget if the answer says so, and stops the turn unless it
   * may continue. The answer to continue needs no action, because it is read from the log.
   */
  async #applyAnswer(topic: PauseTopic | undefined, answer: PauseAnswer | null): Promise<void> {
    if (answer === 'continue') return;
    if (answer !== 'raise' || topic?.kind !== 'budget') throw stoppedAtPause();
    const { budgets, spender } = this.#options;
    const budget = (await budgets.list()).find(({ id }) => id === topic.budgetId);
    if (!budget || raiseLabels[budget.period] === null) throw stoppedAtPause();
    await budgets.raise(budget, spender);
  }

  #warn({ budget, limitUsd, spentUsd }: ExceededBudget): void {
    const { log } = this.#options;
    const warning = { budgetId: budget.id, period: budget.period, limitUsd, spentUsd };
    log.write({ type: 'budget.warned', turnId: log.turnId, warning });
  }
}

/** Returns the topics of the pauses at which the user has let this turn continue. */
function agreedTopics(turn: TurnState | undefined): PauseTopic[] {
  return pausesOf(turn).flatMap(({ topic, answer }) => (topic && answer === 'continue' ? [topic] : []));
}

const agreedBudgets = (turn: TurnState | undefined): Set<string> =>
  new Set(agreedTopics(turn).flatMap((topic) => (topic.kind === 'budget' ? [topic.budgetId] : [])));

const agreedTroubles = (turn: TurnState | undefined): Set<Trouble> =>
  new Set(agreedTopics(turn).flatMap((topic) => (topic.kind === 'sentinel' ? [topic.trouble] : [])));

/**
 * Returns the number of prompt tokens that the provider most likely has in its cache: those of the step before, if it
 * was recent.
 */
function cachedTokens(branch: readonly TurnState[]): number {
  const turn = branch.findLast(({ steps }) => steps.some(({ usage, purpose }) => usage && !purpose));
  const ended = turn?.endedAt === undefined ? Date.now() : Date.parse(turn.endedAt);
  if (Date.now() - ended > promptCacheTtlMs) return 0;
  const usage = turn?.steps.findLast((step) => step.usage && !step.purpose)?.usage;
  return usage ? usage.cacheReadTokens + usage.cacheWriteTokens : 0;
}
