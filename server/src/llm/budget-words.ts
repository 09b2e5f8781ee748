import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ExceededBudget } from '../storage/ports/budgets.ts';
import { periodEnd } from './budget-periods.ts';

const periodWords = { day: ' today', week: ' this week', month: ' this month', turn: '' } as const;
const scopeWords = { user: 'one user', project: 'this project', team: 'all users', turn: 'one answer' } as const;

const usd = (amount: number): string => `$${amount.toFixed(amount < 1 ? 3 : 2)}`;

/** Returns sentences with the budget, the amount spent, and the time when its period ends. */
export function describeExceeded({ budget, spentUsd, limitUsd }: ExceededBudget, now: Date): string {
  const { scope, period, id } = budget;
  const end = periodEnd(period, now);
  const resets = end
    ? ` The budget resets on ${end.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' })}.`
    : '';
  const limit = `${usd(limitUsd)} for ${scopeWords[scope]}${periodWords[period]}`;
  return `The next call would exceed the budget ${id} of ${limit}: ${usd(spentUsd)} is already spent or reserved.${resets}`;
}

/** Returns the problem of a call that budgets do not admit. */
export function budgetExceeded(blockingBudgets: readonly ExceededBudget[], now: Date): ProblemError {
  const [first] = blockingBudgets;
  const why = first ? `${describeExceeded(first, now)} ` : '';
  return new ProblemError({
    code: 'budget_exceeded',
    status: 402,
    title: 'Budget exceeded',
    detail: `${why}Your administrator can change this limit with "devlm budget". You can change your own limit in Settings.`,
    action: 'open-settings',
  });
}
