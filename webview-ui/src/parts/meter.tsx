import type { ContextParts } from '@devlm/protocol/compaction.ts';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { dollars, tokens } from '../format.ts';
import { t } from '../l10n.ts';
import { compactNow } from '../state/actions.ts';
import { settings } from '../state/app.ts';
import { cacheBreakWords } from '../state/cache-words.ts';
import { type ContextUse, contextUse, lastCacheBreak } from '../state/context-use.ts';
import { openCount, summary } from '../state/conversation.ts';

/** Share of the context window from which the meter warns. */
const warnShare = 0.75;

/** Shows how full the context window is. Opens a panel with its contents and the cost of the conversation. */
export function Meter() {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const id = useId();
  const used = contextUse.value;
  useLayoutEffect(() => {
    if (open) panel.current?.focus();
  }, [open]);
  useEffect(() => {
    if (!open) return;
    const onOutsideEvent = ({ target }: Event) => {
      const inside = target instanceof Node && (panel.current?.contains(target) || button.current?.contains(target));
      if (!inside) setOpen(false);
    };
    document.addEventListener('pointerdown', onOutsideEvent);
    document.addEventListener('focusin', onOutsideEvent);
    return () => {
      document.removeEventListener('pointerdown', onOutsideEvent);
      document.removeEventListener('focusin', onOutsideEvent);
    };
  }, [open]);
  if (!used) return null;
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const share = used.size === null ? null : Math.min(1, used.tokens / used.size);
  const words =
    used.size === null
      ? t('{0} context tokens used', tokens(used.tokens))
      : t('{0} of {1} context tokens used', tokens(used.tokens), tokens(used.size));
  return (
    <div class="meter-anchor">
      <button
        ref={button}
        type="button"
        class={`meter${share !== null && share >= warnShare ? ' meter-full' : ''}`}
        title={words}
        aria-haspopup="dialog"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => (open ? close() : setOpen(true))}
      >
        {share === null ? <span>{tokens(used.tokens)}</span> : <Ring share={share} />}
        {share !== null && <span class="meter-share">{Math.max(1, Math.round(share * 100))}%</span>}
        <span class="unseen"> {words}</span>
      </button>
      {open && (
        <div
          ref={panel}
          id={id}
          class="menu menu-above meter-panel"
          role="dialog"
          aria-label={t('Context')}
          tabIndex={-1}
          onKeyDown={(event) => {
            if (event.key !== 'Escape') return;
            event.preventDefault();
            event.stopPropagation();
            close();
          }}
        >
          <MeterPanel used={used} words={words} onDone={close} />
        </div>
      )}
    </div>
  );
}

function Ring({ share }: { share: number }) {
  return (
    <svg class="meter-ring" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6" />
      <circle class="meter-used" cx="8" cy="8" r="6" pathLength={1} stroke-dasharray={`${Math.max(0.02, share)} 1`} />
    </svg>
  );
}

function MeterPanel({ used, words, onDone }: { used: ContextUse; words: string; onDone(): void }) {
  const { parts, size } = used;
  const cost = summary.value?.costUsd ?? 0;
  const busy = openCount.value > 0;
  const total = Math.max(size ?? 0, used.tokens);
  const cacheBreak = lastCacheBreak.value;
  const rows = parts ? rowsOf(parts).filter(({ count }) => count > 0) : [];
  return (
    <>
      <div class="meter-title">{words}</div>
      {rows.length > 0 && (
        <>
          <svg class="meter-stack" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
            {rows.map(({ key, count }, index) => (
              <rect
                key={key}
                class={`part-${key}`}
                x={(100 * rows.slice(0, index).reduce((sum, row) => sum + row.count, 0)) / total}
                y="0"
                width={(100 * count) / total}
                height="4"
              />
            ))}
          </svg>
          <dl class="meter-parts">
            {rows.map(({ key, label, count }) => (
              <div key={key}>
                <dt>
                  <svg class="meter-key" viewBox="0 0 8 8" aria-hidden="true">
                    <rect class={`part-${key}`} width="8" height="8" />
                  </svg>
                  {label}
                </dt>
                <dd>{tokens(count)}</dd>
              </div>
            ))}
            {size !== null && (
              <div>
                <dt>
                  <svg class="meter-key" viewBox="0 0 8 8" aria-hidden="true">
                    <rect class="part-free" width="8" height="8" />
                  </svg>
                  {t('Free')}
                </dt>
                <dd>{tokens(Math.max(0, size - used.tokens))}</dd>
              </div>
            )}
          </dl>
        </>
      )}
      {settings.value.showCost && cost > 0 && <div class="faint">{t('This conversation: {0}', dollars(cost))}</div>}
      {cacheBreak && <p class="faint">{cacheBreakWords(cacheBreak)}</p>}
      <p class="faint">
        {t('When the context is full, DevLM summarizes older messages automatically. You keep all of them.')}
      </p>
      <button
        type="button"
        class="button button-secondary"
        disabled={busy}
        title={busy ? t('Wait until DevLM has answered.') : undefined}
        onClick={() => {
          onDone();
          compactNow();
        }}
      >
        {t('Summarize Now')}
      </button>
    </>
  );
}

/** Returns the parts of the context in the order of the prompt. The keys are class names. */
function rowsOf(parts: ContextParts) {
  const labels: Record<keyof ContextParts, string> = {
    tools: t('Tool definitions'),
    system: t('System prompt'),
    rules: t('Project rules'),
    files: t('Attached files and project map'),
    results: t('Tool calls and results'),
    conversation: t('Conversation'),
  };
  const keys = ['tools', 'system', 'rules', 'files', 'results', 'conversation'] as const;
  return keys.map((key) => ({ key, label: labels[key], count: parts[key] }));
}
