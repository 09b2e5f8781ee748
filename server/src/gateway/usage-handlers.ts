import { usageCsv, usageReport } from '../backend/usage.ts';
import type { Context } from '../context.ts';
import type { Handlers } from './app.ts';
import type { Identity } from './identity/tokens.ts';

type Names = Extract<keyof Handlers, `budgets.${string}` | 'usage.report'>;

/** What the routes of usage and budgets do. */
export function usageHandlers({ store, budgets }: Pick<Context, 'store' | 'budgets'>): Pick<Handlers, Names> {
  return {
    'usage.report': async ({ query }, { identity, wantsCsv }) => {
      const report = await usageReport(store, query, askerOf(identity));
      return query.format === 'csv' || (wantsCsv && query.format === undefined) ? usageCsv(report) : report;
    },
    'budgets.list': async () => ({ items: await budgets.list() }),
    'budgets.set': ({ params, body }) => budgets.set(params.budgetId, body),
    'budgets.remove': ({ params }) => budgets.remove(params.budgetId),
  };
}

const askerOf = ({ user, scopes }: Identity) => ({ user, everybodys: scopes.has('admin') });
