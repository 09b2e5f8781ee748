import { t } from '../l10n.ts';
import { screen, server } from '../state/app.ts';
import { openAsks, showNextAsk } from '../state/asks.ts';
import { conversation } from '../state/conversation.ts';
import { Icon, IconButton } from './icon.tsx';

/** The title of the current screen. The actions are in the title bar, which the editor draws above. */
export function Header() {
  const inChat = screen.value === 'chat';
  const title = inChat ? conversation.value?.title : screen.value === 'usage' ? t('Usage') : t('History');
  if (!title && openAsks.value.length === 0 && server.value.remote === undefined)
    return (
      <header class="unseen">
        <h1>{t('New chat')}</h1>
      </header>
    );
  return (
    <header class="header">
      {!inChat && (
        <IconButton
          icon="arrow-left"
          label={t('Back to Chat')}
          onClick={() => {
            screen.value = 'chat';
          }}
        />
      )}
      <h1 class="header-title" title={title}>
        {title || t('New chat')}
      </h1>
      <NextQuestionButton />
      <RemoteHost />
    </header>
  );
}

/** Shows the host of a remote server. */
function RemoteHost() {
  const { remote } = server.value;
  if (remote === undefined) return null;
  return (
    <span class="header-place" title={t('Your chats are stored on {0}', remote)}>
      <Icon name="server" />
      {remote}
    </span>
  );
}

/** Shows that questions wait for the user, and leads from one question to the next. */
function NextQuestionButton() {
  const count = openAsks.value.length;
  if (count === 0) return null;
  return (
    <button type="button" class="waiting" onClick={showNextAsk}>
      <Icon name="bell-dot" />
      {count === 1 ? t('Waiting for you') : t('{0} questions for you', count)}
    </button>
  );
}
