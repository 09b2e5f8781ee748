import { t } from '../l10n.ts';
import { focusComposer } from '../state/actions.ts';
import { setDraft } from '../state/drafts.ts';
import { Icon } from './icon.tsx';

/** Suggestions that are shown before the first message. */
export function EmptyState() {
  const ideas = [
    { icon: 'search', text: t('Explain how this project is structured') },
    { icon: 'bug', text: t('Find the bug in the selected code') },
    { icon: 'beaker', text: t('Write tests for the open file') },
  ];
  return (
    <div class="empty">
      <Icon name="comment-discussion" />
      <h2>{t('Ask about your code')}</h2>
      <ul class="ideas">
        {ideas.map(({ icon, text }) => (
          <li key={text}>
            <button
              type="button"
              class="idea"
              onClick={() => {
                setDraft({ text });
                focusComposer();
              }}
            >
              <Icon name={icon} />
              <span>{text}</span>
            </button>
          </li>
        ))}
      </ul>
      <p class="faint">
        {t('Type @ to attach files and / for commands. Paste images, or drop files while holding Shift.')}
      </p>
    </div>
  );
}
