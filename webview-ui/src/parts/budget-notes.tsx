import type { TurnState } from '@devlm/protocol/state.ts';
import { dollars } from '../format.ts';
import { t } from '../l10n.ts';
import { Icon } from './icon.tsx';

/** Warnings about budgets that only warn and whose limit was reached before a step. */
export function BudgetNotes({ warnings, step }: { warnings: TurnState['warnings']; step: number }) {
  const stepWarnings = (warnings ?? []).filter((warning) => warning.step === step);
  return stepWarnings.map(({ budgetId, period, limitUsd, spentUsd }) => {
    const [limit, spent] = [dollars(limitUsd), dollars(spentUsd)];
    const words = {
      day: t('Budget for today: {0} of {1} spent.', spent, limit),
      week: t('Budget for this week: {0} of {1} spent.', spent, limit),
      month: t('Budget for this month: {0} of {1} spent.', spent, limit),
      turn: t('Budget for one answer: {0} of {1} spent.', spent, limit),
    };
    return (
      <div key={budgetId} class="note">
        <Icon name="warning" />
        <span>{words[period]}</span>
      </div>
    );
  });
}
