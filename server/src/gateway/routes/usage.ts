import { startOfDay } from '../../backend/notices.ts';
import { usageCsv, usageReport } from '../../backend/usage.ts';
import type { Context } from '../../context.ts';
import type { Identity } from '../identity/tokens.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes about usage and budgets. */
export function usageHandlers({ store, budgets }: Pick<Context, 'store' | 'budgets'>): HandlersOf<'usage' | 'budgets'> {
  return {
    'usage.today': ({ query }, { identity }) =>
      store.ledger.usageSince(startOfDay(new Date(), query.offset), identity.user),
    'usage.report': async ({ query }, { identity, wantsCsv }) => {
      const report = await usageReport(store, query, askerOf(identity));
      return query.format === 'csv' || (wantsCsv && query.format === undefined) ? usageCsv(report) : report;
    },
    'budgets.list': async () => ({ items: await budgets.list() }),
    'budgets.set': ({ params, body }) => budgets.set(params.budgetId, body),
    'budgets.remove': ({ params }) => budgets.remove(params.budgetId),
  };
}

const askerOf = ({ user, scopes }: Identity) => ({ user, seesAllUsers: scopes.has('admin') });
