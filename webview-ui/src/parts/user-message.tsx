import { placeholder } from '@devlm/protocol/placeholder.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import { signal } from '@preact/signals';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { focusComposer, removeFromQueue, resend, showSibling } from '../state/actions.ts';
import type { RestoreWhat } from '../state/reviews.ts';
import { Chips } from './attachments.tsx';
import { Icon, IconButton } from './icon.tsx';
import { isSendKey } from './keys.ts';
import { RestoreConfirm, RestoreMenu } from './restore.tsx';

/** Id of the turn whose message is being edited. */
export const editing = signal<string | null>(null);

/** Length above which a message is folded, in UTF-16 code units. */
const foldAboveChars = 1_500;
/** Number of lines above which a message is folded. */
const foldAboveLines = 16;

interface UserMessageProps {
  turn: TurnState;
}

/** The user's message. It is not rendered again while only the answer grows. */
export function UserMessage({ turn }: UserMessageProps) {
  const { id, siblings, status } = turn;
  const waiting = status === 'queued';
  const running = status === 'running';
  const unanswered = status === 'stopped' && turn.steps.length === 0;
  return useMemo(() => <Message turn={turn} />, [id, siblings, waiting, running, unanswered]);
}

function Message({ turn }: UserMessageProps) {
  const [unfolded, setUnfolded] = useState(false);
  const [restoring, setRestoring] = useState<RestoreWhat | null>(null);
  const isLong = turn.text.length > foldAboveChars || turn.text.split('\n', foldAboveLines + 1).length > foldAboveLines;
  if (editing.value === turn.id) return <MessageEditor turn={turn} />;
  const place = turn.siblings.indexOf(turn.id);
  const sibling = (offset: number) => {
    const id = turn.siblings[place + offset];
    if (id !== undefined) showSibling(id);
  };
  return (
    <div class="user">
      <Chips attachments={turn.attachments} />
      {turn.text !== '' && (
        <div class={`user-text${isLong && !unfolded ? ' user-folded' : ''}`} dir="auto">
          {turn.text}
        </div>
      )}
      {isLong && (
        <button type="button" class="link-button" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
          {unfolded ? t('Show less') : t('Show more')}
        </button>
      )}
      {placeholder.test(turn.text) && (
        <div class="user-note">
          <Icon name="lock" />
          <span>
            {t(
              'A credential in this message was replaced before the message was stored or sent. Tools receive it only after you agree.',
            )}
          </span>
        </div>
      )}
      {turn.status === 'queued' && (
        <div class="user-note">
          <Icon name="clock" />
          <span>{t('Queued')}</span>
          <button type="button" class="link-button" onClick={() => removeFromQueue(turn)}>
            {t('Remove from Queue')}
          </button>
        </div>
      )}
      {turn.status === 'stopped' && turn.steps.length === 0 && (
        <div class="user-note">{t('Stopped before it was answered')}</div>
      )}
      <div class="user-tools" role="toolbar" aria-label={t('Message')}>
        {turn.siblings.length > 1 && (
          <span class="siblings">
            <IconButton
              icon="chevron-left"
              label={t('Previous Version')}
              disabled={place <= 0}
              onClick={() => sibling(-1)}
            />
            <span>
              {place + 1}/{turn.siblings.length}
            </span>
            <IconButton
              icon="chevron-right"
              label={t('Next Version')}
              disabled={place >= turn.siblings.length - 1}
              onClick={() => sibling(1)}
            />
          </span>
        )}
        {turn.status !== 'queued' && !turn.compact && (
          <IconButton
            icon="edit"
            label={t('Edit and Resend')}
            onClick={() => {
              editing.value = turn.id;
            }}
          />
        )}
        {turn.status !== 'queued' && turn.status !== 'running' && <RestoreMenu onPick={setRestoring} />}
      </div>
      {restoring && <RestoreConfirm key={restoring} turn={turn} what={restoring} onClose={() => setRestoring(null)} />}
    </div>
  );
}

function MessageEditor({ turn }: UserMessageProps) {
  const [text, setText] = useState(turn.text);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(turn.text.length, turn.text.length);
  }, []);
  const close = () => {
    editing.value = null;
    focusComposer();
  };
  const send = () => {
    if (text.trim() === '') return;
    close();
    resend(turn, text);
  };
  return (
    <form
      class="user user-editing"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Chips attachments={turn.attachments} />
      <textarea
        ref={field}
        class="user-editor"
        aria-label={t('Edit your message')}
        dir="auto"
        rows={Math.min(12, text.split('\n').length + 1)}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.isComposing) return;
          if (event.key === 'Escape') close();
          else if (event.key === 'Enter' && isSendKey(event)) send();
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <div class="form-actions">
        <button type="button" class="button button-secondary" onClick={close}>
          {t('Cancel')}
        </button>
        <button type="submit" class="button" disabled={text.trim() === ''}>
          {t('Send')}
        </button>
      </div>
    </form>
  );
}
