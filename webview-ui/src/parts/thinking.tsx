import type { BlockState } from '@devlm/protocol/state.ts';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { duration } from '../format.ts';
import { t } from '../l10n.ts';
import { Markdown } from '../markdown/markdown.tsx';
import { settings } from '../state/app.ts';
import { Icon } from './icon.tsx';

/** The model's thinking before an answer, collapsed unless the settings say otherwise. */
export function Thinking({ block, live }: { block: BlockState; live: boolean }) {
  const active = live && !block.done;
  const [chosen, setOpen] = useState<boolean | null>(null);
  const open = chosen ?? settings.value.expandThinking;
  const durationMs = useActiveDuration(active);
  const body = useId();
  const hidden = block.text === '' && !active;
  const label = active
    ? t('Thinking...')
    : durationMs === null
      ? t('Thought')
      : t('Thought for {0}', duration(durationMs));
  if (hidden) return <div class="fold-label faint">{t('Thought (hidden by the provider)')}</div>;
  return (
    <div class="fold">
      <button type="button" class="fold-label" aria-expanded={open} aria-controls={body} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'chevron-down' : 'chevron-right'} />
        <span class={active ? 'shimmer' : ''}>{label}</span>
      </button>
      <div class="fold-body thinking" id={body} hidden={!open}>
        {open && <Markdown text={block.text} done={!active} />}
      </div>
    </div>
  );
}

/** Returns how long a state was active, in milliseconds, or null if its start was not observed. */
function useActiveDuration(active: boolean): number | null {
  const start = useRef(active ? Date.now() : null);
  const [durationMs, setTook] = useState<number | null>(null);
  useEffect(() => {
    if (active) start.current ??= Date.now();
    else if (start.current !== null) setTook(Date.now() - start.current);
  }, [active]);
  return durationMs;
}
