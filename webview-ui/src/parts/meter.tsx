import { useComputed } from '@preact/signals';
import { dollars, tokens } from '../format.ts';
import { t } from '../l10n.ts';
import { model, models, settings } from '../state/app.ts';
import { shownTurns, summary } from '../state/conversation.ts';

/** How full the model's context is with this conversation, and what the conversation cost. */
export function Meter() {
  const used = useComputed(() => {
    for (const turn of [...shownTurns.value].reverse()) {
      for (const step of [...turn.steps].reverse()) {
        const { usage } = step;
        if (!usage) continue;
        const count = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens + usage.outputTokens;
        return { count, model: step.model };
      }
    }
    return null;
  }).value;
  if (!used) return null;
  const info = model.value ?? models.value?.list.find((entry) => entry.id === used.model);
  const size = info?.contextTokens ?? null;
  const share = size === null ? null : Math.min(1, used.count / size);
  const cost = summary.value?.costUsd ?? 0;
  const context =
    size === null
      ? t('{0} tokens in context', tokens(used.count))
      : t('{0} of {1} tokens of context used', tokens(used.count), tokens(size));
  const total = settings.value.showCost && cost > 0 ? dollars(cost) : '';
  const title = total === '' ? context : `${context}\n${t('This conversation: {0}', total)}`;
  return (
    <div class={`meter${share !== null && share > 0.85 ? ' meter-full' : ''}`} title={title}>
      {share === null ? (
        <span>{tokens(used.count)}</span>
      ) : (
        <>
          <meter class="meter-bar" min={0} max={1} value={share} aria-label={context} />
          <span aria-hidden="true">{Math.max(1, Math.round(share * 100))}%</span>
        </>
      )}
      {total !== '' && <span class="meter-cost">{total}</span>}
    </div>
  );
}
