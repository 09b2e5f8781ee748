import { type AlwaysRule, offeredRule } from '@devlm/protocol/permissions.ts';
import type { AskState, QuestionOption, ToolCallState } from '@devlm/protocol/state.ts';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { focusComposer } from '../state/actions.ts';
import { allowAlways, answerStateOf, askElementId, focusAsk, offerAsk, openAsks, sendAnswer } from '../state/asks.ts';
import { ruleWords } from '../state/rule-words.ts';
import { oneLine, shown, shownStrictly } from '../state/shown-text.ts';
import { AskDetail } from './ask-detail.tsx';
import { Icon } from './icon.tsx';
import { isSendKey } from './keys.ts';

/** Time for which a new card ignores answers, in milliseconds: a press in that time was meant for something else. */
const armDelayMs = 500;
/** Delay before the card is offered to the focus, in milliseconds. */
const offerDelayMs = 100;
/** Maximum length of a note, in UTF-16 code units. */
const maxNoteChars = 4_000;
/** Maximum length of an answer, in UTF-16 code units. */
const maxTextChars = 20_000;

interface AskViewProps {
  turnId: string;
  callId: string;
  call: ToolCallState;
  /** Whether the turn waits for the answer. */
  open: boolean;
  /** Receives the focus when the card disappears. */
  returnFocus: { readonly current: HTMLElement | null };
}

/** A question that a tool asks the user, or its outcome. */
export function AskView({ turnId, callId, call: { ask, answer: given }, open, returnFocus }: AskViewProps) {
  if (!ask) return null;
  if (open) return <AskCard turnId={turnId} callId={callId} ask={ask} returnFocus={returnFocus} />;
  const [icon, words] = outcome(ask, given);
  return (
    <div class="ask-outcome">
      <Icon name={icon} />
      <span>{words}</span>
    </div>
  );
}

function outcome(ask: AskState, given: ToolCallState['answer']): [string, string] {
  if (!given) return ['circle-slash', t('This was not answered.')];
  if (given.kind === 'question') return ['comment', t('You answered: {0}', shown(given.text))];
  const title = ask.kind === 'approval' ? oneLine(ask.title, 200) : '';
  if (given.allow) return ['pass', t('You allowed: {0}', title)];
  return given.note
    ? ['circle-slash', t('You denied this with a note: {0}', shown(given.note))]
    : ['circle-slash', t('You denied: {0}', title)];
}

/** The question with its answers. The card receives the focus, never a button, so that Enter alone allows nothing. */
function AskCard({ turnId, callId, ask, returnFocus }: Omit<AskViewProps, 'call' | 'open'> & { ask: AskState }) {
  const card = useRef<HTMLFieldSetElement>(null);
  const [armed, setArmed] = useState(false);
  const { sending, problem, noteOpen } = answerStateOf(turnId, callId);
  const id = useId();
  useEffect(() => {
    const timers = [
      setTimeout(() => setArmed(true), armDelayMs),
      // By then the transcript has scrolled to its end again.
      setTimeout(() => offerAsk(turnId, callId), offerDelayMs),
    ];
    return () => timers.forEach(clearTimeout);
  }, []);
  useLayoutEffect(
    () => () => {
      if (!card.current?.contains(document.activeElement)) return;
      // A second press of the same key must not reach anything that answers.
      setTimeout(() => {
        const next = openAsks.peek().find((candidate) => candidate.callId !== callId || candidate.turnId !== turnId);
        if (!next || !focusAsk(next)) returnFocus.current?.focus({ preventScroll: true });
      });
    },
    [],
  );
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || event.isComposing) return;
    // Outside the card, Escape stops the whole answer.
    event.preventDefault();
    event.stopPropagation();
    if (noteOpen.value) {
      noteOpen.value = false;
      card.current?.focus();
    } else focusComposer();
  };
  const busy = !armed || sending.value;
  return (
    <fieldset
      ref={card}
      id={askElementId(turnId, callId)}
      class="ask"
      tabIndex={-1}
      aria-labelledby={`${id}title`}
      aria-describedby={ask.kind === 'approval' ? `${id}reason` : undefined}
      onKeyDown={onKeyDown}
    >
      <div class="ask-title" id={`${id}title`}>
        <Icon name={ask.kind === 'approval' ? 'shield' : 'comment-discussion'} />
        <span>{ask.kind === 'approval' ? shownStrictly(ask.title) : shown(ask.question)}</span>
      </div>
      {ask.kind === 'approval' && (
        <p class="ask-reason" id={`${id}reason`}>
          {shownStrictly(ask.reason)}
        </p>
      )}
      {ask.kind === 'approval' ? (
        <>
          <AskDetail ask={ask} />
          <ApprovalButtons turnId={turnId} callId={callId} busy={busy} rule={offeredRule(ask.rule)} />
        </>
      ) : (
        <QuestionField turnId={turnId} callId={callId} busy={busy} options={ask.options} />
      )}
      {problem.value && (
        <div class="ask-problem">
          <Icon name="error" />
          <span>{t('Your answer was not accepted: {0}', problem.value.detail)}</span>
        </div>
      )}
    </fieldset>
  );
}

interface AskAnswerProps {
  turnId: string;
  callId: string;
  /** Whether answers are ignored now. */
  busy: boolean;
}

function ApprovalButtons({ turnId, callId, busy, rule }: AskAnswerProps & { rule: AlwaysRule | null }) {
  const { noteOpen, text, sending } = answerStateOf(turnId, callId);
  const decide = (allow: boolean, note?: string) => {
    if (!busy) void sendAnswer(turnId, callId, { kind: 'approval', allow, ...(note ? { note } : {}) });
  };
  if (noteOpen.value) {
    return (
      <TextAnswer
        label={t('What DevLM should do instead')}
        send={t('Deny')}
        maxChars={maxNoteChars}
        value={text}
        busy={busy}
        sending={sending.value}
        onSend={(note) => decide(false, note)}
        onCancel={() => {
          noteOpen.value = false;
        }}
      />
    );
  }
  return (
    <div class="ask-actions">
      <button type="button" class="button" aria-disabled={busy} onClick={() => decide(true)}>
        {t('Allow')}
      </button>
      <button type="button" class="button button-secondary" aria-disabled={busy} onClick={() => decide(false)}>
        {t('Deny')}
      </button>
      <button
        type="button"
        class="link-button"
        aria-disabled={sending.value}
        onClick={() => {
          if (!sending.peek()) noteOpen.value = true;
        }}
      >
        {t('Deny with a Note...')}
      </button>
      {sending.value && <Sending />}
      {rule && (
        <button
          type="button"
          class="link-button ask-always"
          title={t('Adds this rule to your user settings, where it applies to all projects, and allows this call.')}
          aria-disabled={busy}
          onClick={() => {
            if (!busy) void allowAlways(turnId, callId);
          }}
        >
          {t('Always Allow: {0}', ruleWords(rule))}
        </button>
      )}
    </div>
  );
}

function QuestionField({ turnId, callId, busy, options }: AskAnswerProps & { options: readonly QuestionOption[] }) {
  const { text, sending } = answerStateOf(turnId, callId);
  const send = (words: string, option?: QuestionOption) => {
    // A server of version 0.1.0 recognizes the choice by its text.
    if (!busy)
      void sendAnswer(turnId, callId, { kind: 'question', text: words, ...(option ? { option: option.id } : {}) });
  };
  return (
    <>
      {options.length > 0 && (
        <div class="ask-options">
          {options.map((option) => (
            <button
              key={option.id}
              type="button"
              class="button button-secondary"
              aria-disabled={busy}
              onClick={() => send(option.label, option)}
            >
              {shown(option.label)}
            </button>
          ))}
        </div>
      )}
      <TextAnswer
        label={options.length > 0 ? t('Another answer') : t('Your answer')}
        send={t('Answer')}
        maxChars={maxTextChars}
        value={text}
        busy={busy}
        sending={sending.value}
        onSend={(words) => send(words)}
      />
    </>
  );
}

interface TextAnswerProps {
  label: string;
  send: string;
  maxChars: number;
  value: { value: string };
  busy: boolean;
  sending: boolean;
  onSend(text: string): void;
  /** Closes the field. Set if it was opened by a button. */
  onCancel?(): void;
}

function TextAnswer({ label, send, maxChars, value, busy, sending, onSend, onCancel }: TextAnswerProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (onCancel) field.current?.focus({ preventScroll: true });
  }, []);
  const text = value.value.trim();
  const blocked = busy || (text === '' && !onCancel);
  const submit = () => {
    if (!blocked) onSend(text);
  };
  return (
    <div class="ask-text">
      <textarea
        ref={field}
        class="field ask-field"
        dir="auto"
        rows={1}
        maxLength={maxChars}
        placeholder={label}
        aria-label={label}
        readOnly={sending}
        value={value.value}
        onInput={(event) => {
          value.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.isComposing || !isSendKey(event)) return;
          event.preventDefault();
          event.stopPropagation();
          if (!event.repeat) submit();
        }}
      />
      <div class="ask-actions">
        <button type="button" class="button button-secondary" aria-disabled={blocked} onClick={submit}>
          {send}
        </button>
        {onCancel && (
          <button type="button" class="link-button" onClick={onCancel}>
            {t('Cancel')}
          </button>
        )}
        {sending && <Sending />}
      </div>
    </div>
  );
}

function Sending() {
  return (
    <span class="faint">
      <Icon name="loading" spin /> {t('Sending...')}
    </span>
  );
}
