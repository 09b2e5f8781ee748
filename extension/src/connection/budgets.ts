import type { BudgetTerms } from '@devlm/protocol/budgets.ts';
import type { Client } from './client.ts';

/** Ids and periods of the budgets in the settings. Their action is always `ask`, because the user has set them. */
const terms = {
  perDay: { id: 'settings-day', scope: 'user', period: 'day' },
  perAnswer: { id: 'settings-answer', scope: 'turn', period: 'turn' },
} as const;

/** The limits of the settings in US dollars. 0 means no limit. */
export type BudgetLimits = Readonly<Record<keyof typeof terms, number>>;

/** Sets or removes the budgets on the server so that they match the settings. */
export async function sendBudgets(server: Pick<Client, 'call'>, limits: BudgetLimits): Promise<void> {
  const { items } = await server.call('budgets.list', {});
  for (const name of ['perDay', 'perAnswer'] as const) {
    const { id, scope, period } = terms[name];
    const limitUsd = limits[name];
    const existing = items.find((budget) => budget.id === id);
    if (limitUsd > 0) {
      const body: BudgetTerms = { scope, subject: null, period, limitUsd, action: 'ask' };
      if (existing?.limitUsd !== limitUsd) await server.call('budgets.set', { params: { budgetId: id }, body });
    } else if (existing) await server.call('budgets.remove', { params: { budgetId: id } });
  }
}
