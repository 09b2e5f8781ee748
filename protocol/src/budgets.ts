import * as z from 'zod';
import { BudgetPeriod } from './budget-warning.ts';
import { UsageTotal } from './views.ts';

/*
 * What may be spent, and what was.
 */

/** What a budget is about: one person, one project, all on the server, or one answer. */
const BudgetScope = z.enum(['user', 'project', 'team', 'turn']);
/**
 * What happens to a call that would pass the limit: the person is told once in the period, is asked, or the call is
 * refused. Who cannot be asked, such as a client of the Messages endpoint, is refused.
 */
const BudgetAction = z.enum(['warn', 'ask', 'stop']);

const budgetId = z.string().regex(/^[\w.-]{1,64}$/, 'expected letters, digits, . _ -');

export const BudgetTerms = z
  .object({
    scope: BudgetScope,
    /** The user or the project; null: each of them. */
    subject: z.string().min(1).max(200).nullable().default(null),
    period: BudgetPeriod,
    /** US dollars. */
    limitUsd: z.number().positive().max(1_000_000_000),
    action: BudgetAction,
  })
  .refine(({ scope, period }) => (scope === 'turn') === (period === 'turn'), {
    error: 'a budget of each answer has the period turn, and no other has',
    path: ['period'],
  })
  .refine(({ scope, subject }) => subject === null || scope === 'user' || scope === 'project', {
    error: 'only a user or a project can be named',
    path: ['subject'],
  });
export type BudgetTerms = z.infer<typeof BudgetTerms>;

export const Budget = z.intersection(z.object({ id: budgetId }), BudgetTerms);
export type Budget = z.infer<typeof Budget>;

export const UsageGroup = z.enum(['day', 'conversation', 'model', 'user', 'project']);
export type UsageGroup = z.infer<typeof UsageGroup>;

const day = z.iso.date();

export const UsageQuery = z.object({
  /** Days, both included. Default: today. */
  from: day.optional(),
  to: day.optional(),
  group: UsageGroup.default('day'),
  /** `me`: one's own alone, also with the scope `admin`. */
  of: z.enum(['me', 'all']).default('all'),
  /** Minutes east of UTC, so that days are the person's. Default: the server's. */
  offset: z.coerce.number().int().min(-840).max(840).optional(),
  /** Default: by the `Accept` header. */
  format: z.enum(['json', 'csv']).optional(),
});
export type UsageQuery = z.infer<typeof UsageQuery>;

/** Sum of the calls of one day, conversation, model, user or project. */
export const UsageRow = UsageTotal.extend({
  /** The day, or an id. Null: calls that belong to none. */
  key: z.string().nullable(),
  /** Of a conversation of one's own that is still there. */
  title: z.string().nullable(),
  calls: z.int().min(0),
});
export type UsageRow = z.infer<typeof UsageRow>;

export const UsageReport = z.object({
  from: day,
  to: day,
  group: UsageGroup,
  /** Days in their order, others by what they cost; the dearest 1,000. */
  rows: z.array(UsageRow),
  total: UsageTotal.extend({ calls: z.int().min(0) }),
});
export type UsageReport = z.infer<typeof UsageReport>;

export const budgetRoutes = {
  /** One's own usage; with the scope `admin`, everybody's. `text/csv` where the client asks for it. */
  'usage.report': {
    method: 'GET',
    path: '/backend/usage',
    query: UsageQuery,
    response: UsageReport,
    csv: true,
    page: true,
  },
  'budgets.list': { method: 'GET', path: '/admin/budgets', response: z.object({ items: z.array(Budget) }) },
  /** Sets a budget, or changes the one of this id. */
  'budgets.set': {
    method: 'PUT',
    path: '/admin/budgets/:budgetId',
    params: z.object({ budgetId }),
    body: BudgetTerms,
    response: Budget,
  },
  /** Answers the budget that is gone. */
  'budgets.remove': {
    method: 'DELETE',
    path: '/admin/budgets/:budgetId',
    params: z.object({ budgetId }),
    response: Budget,
  },
} as const;
