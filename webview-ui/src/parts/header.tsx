import { t } from '../l10n.ts';
import { screen } from '../state/app.ts';
import { conversation } from '../state/conversation.ts';
import { IconButton } from './icon.tsx';

/** What is shown. The actions are in the title bar that the editor draws above. */
export function Header() {
  const inHistory = screen.value === 'history';
  const title = inHistory ? t('History') : conversation.value?.title;
  if (!title)
    return (
      <header class="unseen">
        <h1>{t('New chat')}</h1>
      </header>
    );
  return (
    <header class="header">
      {inHistory && (
        <IconButton
          icon="arrow-left"
          label={t('Back to Chat')}
          onClick={() => {
            screen.value = 'chat';
          }}
        />
      )}
      <h1 class="header-title" title={title}>
        {title}
      </h1>
    </header>
  );
}
