import { limits } from '@devlm/protocol/limits.ts';
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../l10n.ts';
import { canSend, focusRequests, queueFullText, sendDraft, stop, warmUp } from '../state/actions.ts';
import { announcement, attempt } from '../state/app.ts';
import { openAsks } from '../state/asks.ts';
import { openCount, shownTurns } from '../state/conversation.ts';
import { draft, removeAttachment, setDraft } from '../state/drafts.ts';
import { Chips } from './attachments.tsx';
import { ComposerTools } from './composer-tools.tsx';
import { takeDrop, takeFiles } from './incoming-files.ts';
import { isSendKey } from './keys.ts';
import { SuggestionList } from './suggestion-list.tsx';
import { runSlashCommand } from './suggestions.ts';
import { useSuggestions } from './use-suggestions.ts';
import { editing } from './user-message.tsx';

const listId = 'composer-suggestions';

/** The form for the next message. Files can be dropped anywhere on it. */
export function Composer() {
  const dropping = useSignal(false);
  return (
    <form
      class={`composer${dropping.value ? ' composer-drop' : ''}`}
      aria-label={t('New message')}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onDragOver={(event) => {
        event.preventDefault();
        dropping.value = true;
      }}
      onDragLeave={() => {
        dropping.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        dropping.value = false;
        const { dataTransfer } = event;
        if (dataTransfer) void attempt(() => takeDrop(dataTransfer));
      }}
    >
      <MessageBox />
    </form>
  );
}

/** The message field with its suggestions, attachments and tools. */
function MessageBox() {
  const field = useRef<HTMLTextAreaElement>(null);
  const { text, attachments } = draft.value;
  const suggestions = useSuggestions(field);
  const { list, active, refresh, close, take } = suggestions;

  useEffect(() => {
    if (focusRequests.value > 0) field.current?.focus();
  }, [focusRequests.value]);
  useEffect(() => field.current?.focus(), []);
  useLayoutEffect(() => fitHeight(field.current), [text]);
  // Show suggestions also if a command, not the keyboard, has entered the slash.
  useEffect(() => {
    if (text === '/') refresh();
  }, [text]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing || !(suggestions.handleKey(event) || handleMessageKey(event))) return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <>
      {list.length > 0 && <SuggestionList id={listId} items={list} active={active} take={take} />}
      <div class="composer-box">
        <Chips attachments={attachments} onRemove={removeAttachment} />
        <textarea
          ref={field}
          class="composer-text"
          dir="auto"
          rows={1}
          maxLength={limits.messageChars}
          placeholder={placeholder()}
          aria-label={t('Message')}
          aria-autocomplete="list"
          aria-controls={list.length > 0 ? listId : undefined}
          aria-activedescendant={list.length > 0 ? `${listId}-${active}` : undefined}
          value={text}
          onFocus={warmUp}
          onInput={(event) => {
            setDraft({ text: event.currentTarget.value });
            refresh();
          }}
          onClick={refresh}
          onBlur={close}
          onKeyDown={onKeyDown}
          onPaste={pasteFiles}
        />
        <ComposerTools />
      </div>
    </>
  );
}

function send(): void {
  const { text } = draft.value;
  if (text.trim().startsWith('/') && runSlashCommand(text)) return;
  if (canSend.value) void sendDraft();
  else if (text.trim() !== '') announcement.value = queueFullText();
}

/** Stops the answer, sends the message or edits the last one. Returns false for any other key. */
function handleMessageKey(event: KeyboardEvent): boolean {
  if (event.key === 'Escape' && openCount.value > 0) stop();
  else if (event.key === 'Enter' && isSendKey(event)) send();
  else return event.key === 'ArrowUp' && draft.value.text === '' && editLast();
  return true;
}

function pasteFiles(event: ClipboardEvent): void {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length === 0) return;
  event.preventDefault();
  void attempt(() => takeFiles(files));
}

function placeholder(): string {
  if (openAsks.value.length > 0) return t('DevLM is waiting for your answer above');
  return openCount.value > 0 ? t('Write the next message to queue it') : t('Ask about your code');
}

/** Opens the last message for editing. Returns false if it cannot be edited. */
function editLast(): boolean {
  const last = shownTurns.value.at(-1);
  if (!last || last.status === 'queued' || last.compact) return false;
  editing.value = last.id;
  return true;
}

/** Makes the field as high as its text, up to the limit of the stylesheet. */
function fitHeight(field: HTMLTextAreaElement | null): void {
  if (!field || CSS.supports('field-sizing', 'content')) return;
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight}px`;
}
