import * as z from 'zod';

/** Days, weeks (from Monday) and months begin at midnight where the server is. */
export const BudgetPeriod = z.enum(['day', 'week', 'month', 'turn']);
export type BudgetPeriod = z.infer<typeof BudgetPeriod>;

/** What was spent has come to a limit that only warns. */
export const BudgetWarning = z.object({
  budgetId: z.string(),
  period: BudgetPeriod,
  /** US dollars. */
  limitUsd: z.number(),
  /** What was spent, and what calls under way are expected to cost. */
  spentUsd: z.number(),
});
export type BudgetWarning = z.infer<typeof BudgetWarning>;
