import type { TurnState } from '@devlm/protocol/state.ts';
import type { Reservation } from '../llm/budget-admission.ts';
import { budgetExceeded, describePassed } from '../llm/budget-words.ts';
import type { Budgets } from '../llm/budgets.ts';
import type { Passed, Spender } from '../storage/ports/budgets.ts';
import { goOn, openPause, pause, pausesOf, stopHere, stoppedAtPause } from './pause.ts';
import type { Sentinel } from './sentinel.ts';
import type { TurnLog } from './turn-log.ts';

/** Whose spending a gate watches, and by what. */
export interface SpendGateOptions {
  readonly budgets: Budgets;
  readonly log: TurnLog;
  readonly spender: Spender;
  readonly modelId: string;
  /** Null: it is turned off. */
  readonly sentinel: Sentinel | null;
}

/** How long the provider keeps a prompt in its cache, ms. */
const cacheKeptMs = 5 * 60_000;

const raises = {
  day: 'Raise it for today',
  week: 'Raise it for this week',
  month: 'Raise it for this month',
  turn: null,
} as const;

/** Stands before each call of a turn: budgets and the sentinel let it pass, stop it, or ask the person. */
export class SpendGate {
  readonly #options: SpendGateOptions;

  constructor(options: SpendGateOptions) {
    this.#options = options;
  }

  /** @throws ProblemError `budget_exceeded`, `paused`; the signal's reason */
  async admit(promptTokens: number, signal: AbortSignal): Promise<Reservation> {
    const { budgets, log, spender, modelId, sentinel } = this.#options;
    const left = await openPause(log, signal);
    if (left) await this.#heed(left.topic, left.answer);
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
      const asks = inTheWay.every(({ budget }) => budget.action === 'ask');
      const [first] = inTheWay;
      if (!asks || !first) throw budgetExceeded(inTheWay, new Date());
      const raise = raises[first.budget.period];
      const options = [goOn, ...(raise ? [raise] : []), stopHere];
      await this.#ask(`budget:${first.budget.id}`, `${describePassed(first, new Date())} Go on?`, options, signal);
    }
  }

  async #ask(topic: string, question: string, options: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#heed(topic, await pause(this.#options.log, { topic, question, options }, signal));
  }

  /** What lets the turn go on is read from the log again; anything that is not offered stops it. */
  async #heed(topic: string, answer: string | null): Promise<void> {
    if (answer === goOn) return;
    const { budgets, spender } = this.#options;
    const budget = (await budgets.list()).find(({ id }) => topic === `budget:${id}`);
    if (!budget || answer === null || answer !== raises[budget.period]) throw stoppedAtPause();
    await budgets.raise(budget, spender);
  }

  #warn({ budget, limitUsd, spentUsd }: Passed): void {
    const { log } = this.#options;
    const warning = { budgetId: budget.id, period: budget.period, limitUsd, spentUsd };
    log.write({ type: 'budget.warned', turnId: log.turnId, warning });
  }
}

/** What the person has let this turn go on with. */
function agreedTo(turn: TurnState | undefined, kind: 'budget' | 'sentinel'): Set<string> {
  const agreed = pausesOf(turn).filter(({ topic, answer }) => answer === goOn && topic.startsWith(`${kind}:`));
  return new Set(agreed.map(({ topic }) => topic.slice(kind.length + 1)));
}

/** What the provider most likely has of the prompt: that of the step before, if it was not long ago. */
function cachedTokens(branch: readonly TurnState[]): number {
  const turn = branch.findLast(({ steps }) => steps.some(({ usage, purpose }) => usage && !purpose));
  const ended = turn?.endedAt === undefined ? Date.now() : Date.parse(turn.endedAt);
  if (Date.now() - ended > cacheKeptMs) return 0;
  const usage = turn?.steps.findLast((step) => step.usage && !step.purpose)?.usage;
  return usage ? usage.cacheReadTokens + usage.cacheWriteTokens : 0;
}
