import type { TurnState } from '@devlm/protocol/state.ts';
import type { Reservation } from '../llm/budget-admission.ts';
import { budgetExceeded, describePassed } from '../llm/budget-words.ts';
import type { Budgets } from '../llm/budgets.ts';
import type { Passed, Spender } from '../storage/ports/budgets.ts';
import { goOn, openPause, pause, pausesOf, stopHere, stoppedAtPause } from './pause.ts';
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

/** Time for which the provider keeps a prompt in its cache, in milliseconds. */
const cacheTtlMs = 5 * 60_000;

/** The answer that raises the budget of a period; null if the budget cannot be raised. */
const raiseAnswers = {
  day: 'Raise it for today',
  week: 'Raise it for this week',
  month: 'Raise it for this month',
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
    const trouble = await sentinel?.look(log.branch, agreedTo(log.turn, 'sentinel'));
    if (trouble) await this.#ask(`sentinel:${trouble.kind}`, `${trouble.words} Go on?`, [goOn, stopHere], signal);
    for (;;) {
      const planned = { model: modelId, promptTokens, cachedTokens: cachedTokens(log.branch) };
      const exceptions = { despite: agreedTo(log.turn, 'budget'), warns: true };
      const admission = await budgets.admit(spender, planned, exceptions);
      if (admission.admitted) {
        for (const passed of admission.warnings) this.#warn(passed);
        return admission.reservation;
      }
      const { inTheWay } = admission;
      const canAsk = inTheWay.every(({ budget }) => budget.action === 'ask');
      const [first] = inTheWay;
      if (!canAsk || !first) throw budgetExceeded(inTheWay, new Date());
      const raise = raiseAnswers[first.budget.period];
      const options = [goOn, ...(raise ? [raise] : []), stopHere];
      await this.#ask(`budget:${first.budget.id}`, `${describePassed(first, new Date())} Go on?`, options, signal);
    }
  }

  async #ask(topic: string, question: string, options: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#applyAnswer(topic, await pause(this.#options.log, { topic, question, options }, signal));
  }

  /**
   * Applies an answer of the user: raises the budget if the answer says so, and stops the turn at any answer that was
   * not offered. The answer to go on needs no action, because it is read from the log.
   */
  async #applyAnswer(topic: string, answer: string | null): Promise<void> {
    if (answer === goOn) return;
    const { budgets, spender } = this.#options;
    const budget = (await budgets.list()).find(({ id }) => topic === `budget:${id}`);
    if (!budget || answer === null || answer !== raiseAnswers[budget.period]) throw stoppedAtPause();
    await budgets.raise(budget, spender);
  }

  #warn({ budget, limitUsd, spentUsd }: Passed): void {
    const { log } = this.#options;
    const warning = { budgetId: budget.id, period: budget.period, limitUsd, spentUsd };
    log.write({ type: 'budget.warned', turnId: log.turnId, warning });
  }
}

/** Returns the kinds of trouble or the budget ids that the user has agreed to in this turn. */
function agreedTo(turn: TurnState | undefined, kind: 'budget' | 'sentinel'): Set<string> {
  const agreed = pausesOf(turn).filter(({ topic, answer }) => answer === goOn && topic.startsWith(`${kind}:`));
  return new Set(agreed.map(({ topic }) => topic.slice(kind.length + 1)));
}

/**
 * Returns the number of prompt tokens that the provider most likely has in its cache: those of the step before, if it
 * was recent.
 */
function cachedTokens(branch: readonly TurnState[]): number {
  const turn = branch.findLast(({ steps }) => steps.some(({ usage, purpose }) => usage && !purpose));
  const ended = turn?.endedAt === undefined ? Date.now() : Date.parse(turn.endedAt);
  if (Date.now() - ended > cacheTtlMs) return 0;
  const usage = turn?.steps.findLast((step) => step.usage && !step.purpose)?.usage;
  return usage ? usage.cacheReadTokens + usage.cacheWriteTokens : 0;
}
