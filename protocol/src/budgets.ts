import * as z from 'zod';
import { BudgetPeriod } from './budget-warning.ts';
import { UsageTotal } from './views.ts';

/*
 * Budgets and usage.
 */

/** What a budget limits: one user, one project, the whole server, or one turn. */
const BudgetScope = z.enum(['user', 'project', 'team', 'turn']);
/**
 * What happens to a call that would exceed the limit: the user is warned once per period, the user is asked, or the call
 * is refused. A caller that cannot be asked, such as a client of the Messages endpoint, is refused.
 */
const BudgetAction = z.enum(['warn', 'ask', 'stop']);

const budgetId = z.string().regex(/^[\w.-]{1,64}$/, 'expected 1 to 64 letters, digits, dots, underscores or dashes');

/** The terms of a budget. */
export const BudgetTerms = z
  .object({
    scope: BudgetScope,
    /** Id of the user or project. Null: the limit applies to each of them separately. */
    subject: z.string().min(1).max(200).nullable().default(null),
    period: BudgetPeriod,
    /** Limit in US dollars. */
    limitUsd: z.number().positive().max(1_000_000_000),
    action: BudgetAction,
  })
  .refine(({ scope, period }) => (scope === 'turn') === (period === 'turn'), {
    error: 'the scope turn requires the period turn, and other scopes do not allow it',
    path: ['period'],
  })
  .refine(({ scope, subject }) => subject === null || scope === 'user' || scope === 'project', {
    error: 'allowed only with the scope user or project',
    path: ['subject'],
  });
export type BudgetTerms = z.infer<typeof BudgetTerms>;

/** A budget. */
export const Budget = z.intersection(z.object({ id: budgetId }), BudgetTerms);
export type Budget = z.infer<typeof Budget>;

/** What a usage report is grouped by. */
export const UsageGroup = z.enum(['day', 'conversation', 'model', 'user', 'project']);
export type UsageGroup = z.infer<typeof UsageGroup>;

const day = z.iso.date();

/** A query for a usage report. */
export const UsageQuery = z.object({
  /** First day. Default: today. */
  from: day.optional(),
  /** Last day, inclusive. Default: today. */
  to: day.optional(),
  group: UsageGroup.default('day'),
  /** `me`: only the caller's own usage, even with the scope `admin`. */
  of: z.enum(['me', 'all']).default('all'),
  /** Minutes east of UTC, so that days are those of the user. Default: the server's offset. */
  offset: z.coerce.number().int().min(-840).max(840).optional(),
  /** Default: by the `Accept` header. */
  format: z.enum(['json', 'csv']).optional(),
});
export type UsageQuery = z.infer<typeof UsageQuery>;

/** Sum of the calls of one day, conversation, model, user or project. */
export const UsageRow = UsageTotal.extend({
  /** The day, or the id that the row is grouped by. Null: calls without such an id. */
  key: z.string().nullable(),
  /** Title of the conversation, if it exists and belongs to the caller; otherwise null. */
  title: z.string().nullable(),
  calls: z.int().min(0),
});
export type UsageRow = z.infer<typeof UsageRow>;

/** A usage report. */
export const UsageReport = z.object({
  from: day,
  to: day,
  group: UsageGroup,
  /** Days in chronological order, other groups by descending cost; at most 1,000. */
  rows: z.array(UsageRow),
  total: UsageTotal.extend({ calls: z.int().min(0) }),
});
export type UsageReport = z.infer<typeof UsageReport>;

/** Routes for budgets and usage. */
export const budgetRoutes = {
  /** Returns the caller's usage; with the scope `admin`, that of all users. `text/csv` if the client requests it. */
  'usage.report': {
    method: 'GET',
    path: '/backend/usage',
    query: UsageQuery,
    response: UsageReport,
    csv: true,
    page: true,
  },
  'budgets.list': { method: 'GET', path: '/admin/budgets', response: z.object({ items: z.array(Budget) }) },
  /** Creates a budget, or changes the one with this id. */
  'budgets.set': {
    method: 'PUT',
    path: '/admin/budgets/:budgetId',
    params: z.object({ budgetId }),
    body: BudgetTerms,
    response: Budget,
  },
  /** Removes a budget and returns it. */
  'budgets.remove': {
    method: 'DELETE',
    path: '/admin/budgets/:budgetId',
    params: z.object({ budgetId }),
    response: Budget,
  },
} as const;
