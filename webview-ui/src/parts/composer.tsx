import { limits } from '@devlm/protocol/limits.ts';
import { FilesAnswer } from '@devlm/protocol/page.ts';
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { canSend, focusRequests, sendDraft, stop, warmUp } from '../state/actions.ts';
import { announcement, attempt, screen } from '../state/app.ts';
import { openAsks } from '../state/asks.ts';
import { openCount, runningTurn, shownTurns } from '../state/conversation.ts';
import { attach, detach, draft, setDraft } from '../state/drafts.ts';
import { transport } from '../transport.ts';
import { attachSelection } from './attaching.ts';
import { Chips } from './attachments.tsx';
import { Icon, IconButton } from './icon.tsx';
import { takeDrop, takeFiles } from './incoming-files.ts';
import { sends } from './keys.ts';
import { MenuButton } from './menu.tsx';
import { Meter } from './meter.tsx';
import { ModelPicker, ThinkingToggle } from './model-picker.tsx';
import type { Suggestion } from './suggestion.ts';
import { SuggestionList } from './suggestion-list.tsx';
import { runSlashCommand, suggest, type Trigger, triggerAt } from './suggestions.ts';
import { editing } from './user-message.tsx';

/** Pause in typing after which files are looked for. */
const suggestMs = 100;
const listId = 'composer-suggestions';

/** Where the person writes. */
export function Composer() {
  const field = useRef<HTMLTextAreaElement>(null);
  const { text, attachments } = draft.value;
  const { items, active, setActive, refresh, close } = useSuggestions(field);
  const dropping = useSignal(false);
  const busy = openCount.value > 0;

  useEffect(() => {
    if (focusRequests.value > 0) field.current?.focus();
  }, [focusRequests.value]);
  useEffect(() => field.current?.focus(), []);
  useLayoutEffect(() => grow(field.current), [text]);
  // Also when a command, and not the keyboard, has put it there.
  useEffect(() => {
    if (text === '/') refresh();
  }, [text]);

  const send = () => {
    if (text.trim().startsWith('/') && runSlashCommand(text)) return;
    if (canSend.value) void sendDraft();
    else if (text.trim() !== '') announcement.value = t('Too many messages are waiting. Wait for an answer first.');
  };
  const take = (item: Suggestion) => {
    const start = items.trigger?.start ?? 0;
    close();
    item.take((replacement, more = false) => {
      const element = field.current;
      if (!element) return;
      // In the field itself and at once: what is typed next stands behind it, however late it is drawn.
      element.setRangeText(replacement, start, element.selectionStart, 'end');
      setDraft({ text: element.value });
      if (more) refresh();
    });
    if (screen.value === 'chat') field.current?.focus();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    const open = items.list.length > 0;
    const chosen = items.list[active];
    if (open && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      setActive((active + (event.key === 'ArrowDown' ? 1 : -1) + items.list.length) % items.list.length);
    } else if (open && chosen && !event.shiftKey && (event.key === 'Enter' || event.key === 'Tab')) take(chosen);
    else if (open && event.key === 'Escape') close();
    else if (event.key === 'Escape' && busy) stop();
    else if (event.key === 'Enter' && sends(event)) send();
    else if (event.key === 'ArrowUp' && text === '' && editLast()) {
      // The message's own field has the focus now.
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

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
      {items.list.length > 0 && <SuggestionList id={listId} items={items.list} active={active} take={take} />}
      <div class="composer-box">
        <Chips attachments={attachments} onRemove={detach} />
        <textarea
          ref={field}
          class="composer-text"
          dir="auto"
          rows={1}
          maxLength={limits.messageChars}
          placeholder={placeholder(busy)}
          aria-label={t('Message')}
          aria-autocomplete="list"
          aria-controls={items.list.length > 0 ? listId : undefined}
          aria-activedescendant={items.list.length > 0 ? `${listId}-${active}` : undefined}
          value={text}
          onFocus={warmUp}
          onInput={(event) => {
            setDraft({ text: event.currentTarget.value });
            refresh();
          }}
          onClick={refresh}
          onBlur={close}
          onKeyDown={onKeyDown}
          onPaste={(event) => {
            const files = [...(event.clipboardData?.files ?? [])];
            if (files.length === 0) return;
            event.preventDefault();
            void attempt(() => takeFiles(files));
          }}
        />
        <div class="composer-tools" role="toolbar" aria-label={t('Message tools')}>
          <MenuButton
            label={t('Attach')}
            side="above"
            items={[
              { label: t('Files...'), icon: 'files', run: () => void attempt(pickFiles) },
              { label: t('Selection'), icon: 'list-selection', run: attachSelection },
            ]}
          >
            <Icon name="add" />
          </MenuButton>
          <ModelPicker />
          <ThinkingToggle />
          <span class="composer-gap" />
          <Meter />
          {runningTurn.value && (
            <IconButton icon="debug-stop" label={t('Stop (Escape)')} class="icon-button stop" onClick={stop} />
          )}
          {(!runningTurn.value || text.trim() !== '' || attachments.length > 0) && (
            <button
              type="submit"
              class="icon-button send"
              disabled={!canSend.value}
              title={busy ? t('Queue') : t('Send')}
              aria-label={busy ? t('Queue') : t('Send')}
            >
              <Icon name="send" />
            </button>
          )}
        </div>
      </div>
    </form>
  );
}

function placeholder(busy: boolean): string {
  if (openAsks.value.length > 0) return t('DevLM waits for your answer above');
  return busy ? t('Write the next message; it waits its turn') : t('Ask about your code');
}

function editLast(): boolean {
  const last = shownTurns.value.at(-1);
  if (!last || last.status === 'queued' || last.compact) return false;
  editing.value = last.id;
  return true;
}

async function pickFiles(): Promise<void> {
  attach(FilesAnswer.parse(await transport.editor({ action: 'pickFiles' })));
}

/** The field is as high as its text, up to what the stylesheet allows. */
function grow(field: HTMLTextAreaElement | null): void {
  if (!field || CSS.supports('field-sizing', 'content')) return;
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight}px`;
}

function useSuggestions(field: { current: HTMLTextAreaElement | null }) {
  const [items, setItems] = useState<{ trigger: Trigger | null; list: readonly Suggestion[] }>({
    trigger: null,
    list: [],
  });
  const [active, setActive] = useState(0);
  const wanted = useRef(0);
  const close = () => {
    wanted.current += 1;
    setItems({ trigger: null, list: [] });
  };
  const refresh = () => {
    wanted.current += 1;
    const mine = wanted.current;
    const element = field.current;
    const trigger =
      element && element.selectionStart === element.selectionEnd
        ? triggerAt(element.value, element.selectionStart)
        : null;
    if (!trigger) {
      setItems({ trigger: null, list: [] });
      return;
    }
    const show = async () => {
      if (mine !== wanted.current) return;
      const list = await suggest(trigger).catch(() => []);
      if (mine !== wanted.current) return;
      setActive(0);
      setItems({ trigger, list });
      announcement.value = list.length === 0 ? t('Nothing fits') : t('{0} suggestions', list.length);
    };
    setTimeout(() => void show(), trigger.kind === 'file' ? suggestMs : 0);
  };
  return { items, active, setActive, refresh, close };
}
