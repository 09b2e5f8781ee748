import type { BudgetPeriod } from '@devlm/protocol/budget-warning.ts';

/** Returns the midnight at which a period began, in the server's time zone; null for `turn`, which has no beginning. */
export function periodStart(period: BudgetPeriod, now: Date): Date | null {
  const start = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  if (period === 'turn') return null;
  if (period === 'week') start.setDate(start.getDate() - ((start.getDay() + 6) % 7));
  if (period === 'month') start.setDate(1);
  return start;
}

/** Returns the time at which the next period begins; null for `turn`. */
export function periodEnd(period: BudgetPeriod, now: Date): Date | null {
  const end = periodStart(period, now);
  if (period === 'day') end?.setDate(end.getDate() + 1);
  if (period === 'week') end?.setDate(end.getDate() + 7);
  if (period === 'month') end?.setMonth(end.getMonth() + 1);
  return end;
}
