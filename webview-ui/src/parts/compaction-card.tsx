import { contextTokens } from '@devlm/protocol/compaction.ts';
import type { StepState } from '@devlm/protocol/state.ts';
import { useId, useState } from 'preact/hooks';
import { tokens } from '../format.ts';
import { t } from '../l10n.ts';
import { Markdown } from '../markdown/markdown.tsx';
import { Icon } from './icon.tsx';

/** Shows where the prompt was compacted, and the summary that replaces the earlier text for the model. */
export function CompactionCard({ step, live }: { step: StepState; live: boolean }) {
  const { compaction } = step;
  if (!compaction) {
    return (
      <div class="note">
        <Icon name={live ? 'loading' : 'info'} spin={live} />
        <span>
          {live ? t('Summarizing the conversation to make room...') : t('A summary was started here but is not used.')}
        </span>
      </div>
    );
  }
  const { tokensBefore, context, textChars, turns } = compaction;
  const sizes = t('{0} → {1} tokens', tokens(tokensBefore), tokens(contextTokens(context)));
  if (textChars !== null) {
    const why = step.problem && t('The conversation could not be summarized: {0}', step.problem.detail);
    return (
      <div class="note" title={why}>
        <Icon name="fold" />
        <span>
          {t('Long results and attachments above were shortened for the model.')} <span class="faint">{sizes}</span>
          {why && <div class="faint">{why}</div>}
        </span>
      </div>
    );
  }
  return (
    <Summary
      step={step}
      title={turns === 1 ? t('1 turn was summarized') : t('{0} turns were summarized', turns)}
      sizes={sizes}
    />
  );
}

function Summary({ step, title, sizes }: { step: StepState; title: string; sizes: string }) {
  const [open, setOpen] = useState(false);
  const body = useId();
  const text = step.blocks.flatMap((block) => (block.kind === 'text' ? [block.text] : [])).join('\n\n');
  return (
    <div class="fold compaction">
      <button type="button" class="fold-label" aria-expanded={open} aria-controls={body} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'chevron-down' : 'chevron-right'} />
        <span>
          {title} <span class="faint">{sizes}</span>
        </span>
      </button>
      <div class="fold-body" id={body} hidden={!open}>
        {open && (
          <>
            <p class="faint">
              {t('The model sees this summary instead of the messages above. You still have all of them.')}
            </p>
            <Markdown text={text} done />
          </>
        )}
      </div>
    </div>
  );
}
