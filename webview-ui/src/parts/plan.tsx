import type { PlanItem } from '@devlm/protocol/tools.ts';
import { useComputed } from '@preact/signals';
import { useId, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { shownTurns } from '../state/conversation.ts';
import { shown } from '../state/shown-text.ts';
import { planOf } from '../state/turn-work.ts';
import { Icon } from './icon.tsx';

/** DevLM's plan above the composer: the current item, and the whole list on demand. */
export function Plan() {
  // Render again only if the plan changes, because the turns change far more often.
  const items = useComputed(() => planOf(shownTurns.value)).value;
  const [open, setOpen] = useState(false);
  const body = useId();
  if (!items || items.length === 0) return null;
  const done = items.filter(({ status }) => status === 'done').length;
  const current = items.find(({ status }) => status === 'active') ?? items.find(({ status }) => status === 'open');
  return (
    <section class="plan" aria-label={t('Plan')}>
      <button type="button" class="plan-label" aria-expanded={open} aria-controls={body} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'chevron-down' : 'chevron-right'} />
        <span class="plan-count">{t('Plan {0}/{1}', done, items.length)}</span>
        {!open && <span class="plan-present">{current ? shown(current.text) : t('All done')}</span>}
      </button>
      <ol class="plan-items" id={body} hidden={!open}>
        {items.map((item, index) => (
          <PlanEntry key={index} item={item} />
        ))}
      </ol>
    </section>
  );
}

function PlanEntry({ item: { text, status } }: { item: PlanItem }) {
  const icon = status === 'done' ? 'pass-filled' : status === 'active' ? 'circle-large-filled' : 'circle-large';
  const state = status === 'done' ? t('done') : status === 'active' ? t('in progress') : t('not started');
  return (
    <li class={`plan-item plan-${status}`} aria-current={status === 'active' ? 'step' : undefined}>
      <Icon name={icon} />
      <span>{shown(text)}</span>
      <span class="unseen">{state}</span>
    </li>
  );
}
