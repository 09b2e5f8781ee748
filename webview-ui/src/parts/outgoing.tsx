import { t } from '../l10n.ts';
import { editUnsent, retryOutgoing } from '../state/actions.ts';
import type { PendingMessage } from '../state/outbox.ts';
import { Chips } from './attachments.tsx';
import { Icon } from './icon.tsx';

/** A message that the server has not confirmed yet. */
export function UnconfirmedMessage({ message }: { message: PendingMessage }) {
  return (
    <div class="turn">
      <div class="user">
        <Chips attachments={message.attachments} />
        <div class="user-text" dir="auto">
          {message.text}
        </div>
        {message.problem ? (
          <div class="user-note user-failed" role="alert">
            <Icon name="error" />
            <span>{t('Not sent: {0}', message.problem.detail)}</span>
            <button type="button" class="link-button" onClick={() => retryOutgoing(message)}>
              {t('Try Again')}
            </button>
            <button type="button" class="link-button" onClick={() => editUnsent(message)}>
              {t('Edit')}
            </button>
          </div>
        ) : (
          <div class="user-note">{t('Sending...')}</div>
        )}
      </div>
    </div>
  );
}
