import type { Problem } from '@devlm/protocol/problem.ts';
import type { AskState, TurnState } from '@devlm/protocol/state.ts';
import type { AskAnswer } from '@devlm/protocol/tools.ts';
import { computed, effect, type Signal, signal } from '@preact/signals';
import { t } from '../l10n.ts';
import { problemOf, transport } from '../transport.ts';
import { showSibling } from './actions.ts';
import { announcement, runCommand, screen, showToast } from './app.ts';
import { conversation, jumpToLatest, openTurns, shownTurns, windowEnd } from './conversation.ts';
import { oneLine } from './shown-text.ts';

/*
 * Questions that the tools of the current conversation ask the user. The events alone tell whether a question is
 * open; this file only holds the answers that the user is writing.
 */

/** A question that waits for an answer. */
export interface OpenAsk {
  readonly key: string;
  readonly turnId: string;
  readonly callId: string;
  readonly ask: AskState;
}

/** The state of an answer: whether it is being sent, and what the user has written so far. It outlives the card. */
export interface AnswerState {
  /** True from the click until the event arrives. */
  readonly sending: Signal<boolean>;
  readonly problem: Signal<Problem | null>;
  readonly text: Signal<string>;
  /** Whether the field for a note is open. */
  readonly noteOpen: Signal<boolean>;
}

/** Time after which an accepted answer may be given again if its event does not arrive, in milliseconds. */
const confirmMs = 15_000;
/** Maximum wait for a card to appear, in milliseconds. */
const appearMs = 3_000;
/** Maximum number of questions whose state is kept. */
const maxKept = 200;
/** Time after a key press in which the user counts as typing, in milliseconds. */
const typingMs = 2_000;

const keyOf = (turnId: string, callId: string) => `${turnId} ${callId}`;

/** Returns the id of the element of a question. */
export const askElementId = (turnId: string, callId: string) => `ask-${keyOf(turnId, callId).replaceAll(/\W/g, '-')}`;

function openAsksOf(turn: TurnState): OpenAsk[] {
  const step = turn.steps.at(-1);
  if (turn.status !== 'running' || !step) return [];
  return Object.entries(step.calls).flatMap(([callId, { ask, answer }]) =>
    ask && !answer && !step.results[callId] ? [{ key: keyOf(turn.id, callId), turnId: turn.id, callId, ask }] : [],
  );
}

let previous: readonly OpenAsk[] = [];

/** All open questions of the current conversation, oldest first. */
export const openAsks = computed<readonly OpenAsk[]>(() => {
  const current = openTurns.value.flatMap(openAsksOf);
  const isSame = current.length === previous.length && current.every(({ ask }, index) => ask === previous[index]?.ask);
  if (!isSame) previous = current;
  return previous;
});

const answerStates = new Map<string, AnswerState>();

/** Returns the state of the answer to a question. */
export function answerStateOf(turnId: string, callId: string): AnswerState {
  const key = keyOf(turnId, callId);
  const existing = answerStates.get(key);
  if (existing) return existing;
  const created = {
    sending: signal(false),
    problem: signal<Problem | null>(null),
    text: signal(''),
    noteOpen: signal(false),
  };
  answerStates.set(key, created);
  return created;
}

/** Sends an answer. The card changes only when the event arrives. */
export async function sendAnswer(turnId: string, callId: string, body: AskAnswer): Promise<void> {
  const conversationId = conversation.peek()?.id;
  const { sending, problem } = answerStateOf(turnId, callId);
  if (conversationId === undefined || sending.peek()) return;
  sending.value = true;
  problem.value = null;
  try {
    await transport.call('asks.answer', { params: { conversationId, turnId, callId }, body });
  } catch (error) {
    sending.value = false;
    problem.value = problemOf(error);
    announcement.value = t('Your answer was not accepted: {0}', problem.value.detail);
    return;
  }
  setTimeout(() => {
    sending.value = false;
  }, confirmMs);
}

/** Adds the rule that a question offers to the user's settings, then allows the call. */
export async function allowAlways(turnId: string, callId: string): Promise<void> {
  const conversationId = conversation.peek()?.id;
  const { sending, problem } = answerStateOf(turnId, callId);
  if (conversationId === undefined || sending.peek()) return;
  sending.value = true;
  problem.value = null;
  try {
    await transport.editor({ action: 'alwaysAllow', conversationId, turnId, callId });
  } catch (error) {
    problem.value = problemOf(error);
    announcement.value = t('The rule was not added: {0}', problem.value.detail);
    return;
  } finally {
    sending.value = false;
  }
  showToast(t('A rule was added to your settings.'), {
    label: t('Open Settings'),
    run: () => runCommand('openSettings'),
  });
  await sendAnswer(turnId, callId, { kind: 'approval', allow: true });
}

/** Key of the question that had the focus last. */
let focused: string | null = null;

/** Focuses the question after the one that was focused last, or the first one. */
export function showNextAsk(): void {
  const asks = openAsks.peek();
  screen.value = 'chat';
  const next = asks[(asks.findIndex(({ key }) => key === focused) + 1) % asks.length];
  if (!next) return;
  if (!shownTurns.peek().some(({ id }) => id === next.turnId)) {
    if (windowEnd.peek() === null) showSibling(next.turnId);
    else jumpToLatest();
  }
  void focusSoon(next);
}

/** Focuses a question whose card may have to be rendered or loaded first. */
async function focusSoon(ask: OpenAsk): Promise<void> {
  const end = performance.now() + appearMs;
  while (!focusAsk(ask) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
}

/**
 * Focuses the card of a question. The card receives the focus, not a button, so that Enter does nothing. Returns
 * whether the card exists.
 */
export function focusAsk({ turnId, callId }: Pick<OpenAsk, 'turnId' | 'callId'>): boolean {
  const card = document.getElementById(askElementId(turnId, callId));
  if (card) focused = keyOf(turnId, callId);
  card?.focus({ preventScroll: true });
  card?.scrollIntoView({ block: 'nearest' });
  return card !== null;
}

/** Focuses a card that has appeared by itself, if it is visible and the user is not doing anything else. */
export function offerAsk(turnId: string, callId: string): void {
  const card = document.getElementById(askElementId(turnId, callId));
  if (!card || isBusyElsewhere()) return;
  const { top, bottom } = card.getBoundingClientRect();
  if (bottom <= 0 || top >= window.innerHeight) return;
  focused = keyOf(turnId, callId);
  card.focus({ preventScroll: true });
}

let lastKey = Number.NEGATIVE_INFINITY;

/** Returns whether the user is doing something that moving the focus would disturb. */
function isBusyElsewhere(): boolean {
  const active = document.activeElement;
  // In a card, even of this question, the user is about to answer: the field for a note is empty at first.
  const isFree = active === null || active === document.body || (isEmptyField(active) && !active.closest('.ask'));
  return !isFree || !document.hasFocus() || performance.now() - lastKey < typingMs;
}

function isEmptyField(element: Element): boolean {
  const isField = element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement;
  return isField && element.value.trim() === '';
}

/** Announces each question once, and removes the state of those that are over. */
export function watchAsks(): void {
  const announced = new Set<string>();
  document.addEventListener(
    'keydown',
    () => {
      lastKey = performance.now();
    },
    { capture: true, passive: true },
  );
  effect(() => {
    const asks = openAsks.value;
    const fresh = asks.filter(({ key }) => !announced.has(key));
    for (const { key } of fresh) announced.add(key);
    keepNewest(announced);
    keepNewest(answerStates);
    const [first] = fresh;
    if (!first) return;
    const { ask } = first;
    const about = oneLine(ask.kind === 'approval' ? ask.title : ask.question, 200);
    // Announce after the other announcements of the same events.
    setTimeout(() => {
      announcement.value =
        asks.length > 1
          ? t('DevLM is waiting for you: {0} ({1} open questions)', about, asks.length)
          : t('DevLM is waiting for you: {0}', about);
    });
  });
}

function keepNewest(kept: Set<string> | Map<string, unknown>): void {
  for (const key of kept.keys()) if (kept.size > maxKept) kept.delete(key);
}
