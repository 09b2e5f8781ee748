import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Passed } from '../storage/ports/budgets.ts';
import { periodEnd } from './budget-periods.ts';

const periodWords = { day: 'today', week: 'this week', month: 'this month', turn: 'one answer' } as const;
const scopeWords = {
  user: 'of one person',
  project: 'of this project',
  team: 'of everybody',
  turn: 'of an answer',
} as const;

const usd = (amount: number): string => `$${amount.toFixed(amount < 1 ? 3 : 2)}`;

/** Returns a sentence with the budget, the amount spent, and the time when its period ends. */
export function describePassed({ budget, spentUsd, limitUsd }: Passed, now: Date): string {
  const { scope, period, id } = budget;
  const end = periodEnd(period, now);
  const resets = end
    ? ` It begins anew on ${end.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' })}.`
    : '';
  return `The next call would pass the budget ${id} ${scopeWords[scope]}: ${usd(limitUsd)} for ${periodWords[period]}, of which ${usd(spentUsd)} are spent or set aside.${resets}`;
}

/** Returns the problem of a call that budgets do not admit. */
export function budgetExceeded(inTheWay: readonly Passed[], now: Date): ProblemError {
  const [first] = inTheWay;
  const why = first ? `${describePassed(first, now)} ` : '';
  return new ProblemError({
    code: 'budget_exceeded',
    status: 402,
    title: 'The budget is spent',
    detail: `${why}Who runs the server can change it with devlm budget, and everybody their own in the settings.`,
    action: 'open-settings',
  });
}
