import * as z from 'zod';

/** The period of a budget. Days, weeks (from Monday) and months begin at midnight in the time zone of the server. */
export const BudgetPeriod = z.enum(['day', 'week', 'month', 'turn']);
export type BudgetPeriod = z.infer<typeof BudgetPeriod>;

/** A warning that spending has reached a limit that only warns. */
export const BudgetWarning = z.object({
  budgetId: z.string(),
  period: BudgetPeriod,
  /** Limit in US dollars. */
  limitUsd: z.number(),
  /** Amount spent, including the expected cost of calls under way, in US dollars. */
  spentUsd: z.number(),
});
export type BudgetWarning = z.infer<typeof BudgetWarning>;
