import type { BudgetTerms } from '@devlm/protocol/budgets.ts';
import type { Client } from './client.ts';

/** The budgets of the settings, by their names on the server. What a person sets for themselves, they are asked about. */
const terms = {
  perDay: { id: 'settings-day', scope: 'user', period: 'day' },
  perAnswer: { id: 'settings-answer', scope: 'turn', period: 'turn' },
} as const;

/** US dollars; 0: no limit. */
export type BudgetLimits = Readonly<Record<keyof typeof terms, number>>;

/** Tells the server what the settings say. */
export async function sendBudgets(server: Pick<Client, 'call'>, limits: BudgetLimits): Promise<void> {
  const { items } = await server.call('budgets.list', {});
  for (const name of ['perDay', 'perAnswer'] as const) {
    const { id, scope, period } = terms[name];
    const limitUsd = limits[name];
    const known = items.find((budget) => budget.id === id);
    if (limitUsd > 0) {
      const body: BudgetTerms = { scope, subject: null, period, limitUsd, action: 'ask' };
      if (known?.limitUsd !== limitUsd) await server.call('budgets.set', { params: { budgetId: id }, body });
    } else if (known) await server.call('budgets.remove', { params: { budgetId: id } });
  }
}
