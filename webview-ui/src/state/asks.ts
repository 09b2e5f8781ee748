import type { Problem } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { Ask, AskAnswer } from '@devlm/protocol/tools.ts';
import { computed, effect, type Signal, signal } from '@preact/signals';
import { t } from '../l10n.ts';
import { problemOf, transport } from '../transport.ts';
import { showSibling } from './actions.ts';
import { announcement, runCommand, screen, showToast } from './app.ts';
import { conversation, jumpToLatest, openTurns, shownTurns, windowEnd } from './conversation.ts';
import { oneLine } from './shown-text.ts';

/*
 * What the tools of the open conversation ask the person. Whether something is asked or answered
 * is known from the events alone; here is only what the person is about to say.
 */

/** An ask that waits for an answer. */
export interface OpenAsk {
  readonly key: string;
  readonly turnId: string;
  readonly callId: string;
  readonly ask: Ask;
}

/** What is on its way, and what the person has written so far. It outlives the card. */
export interface Answering {
  /** From the click until the event comes. */
  readonly sending: Signal<boolean>;
  readonly problem: Signal<Problem | null>;
  readonly text: Signal<string>;
  /** The field for a note is open. */
  readonly noting: Signal<boolean>;
}

/** An answer that was taken but whose event does not come for so long may be given again. */
const confirmMs = 15_000;
/** Longest time that a card is waited for. */
const appearMs = 3_000;
/** Most asks about which something is remembered. */
const mostKept = 200;
/** A key pressed this short a time ago: the person writes. */
const typingMs = 2_000;

const keyOf = (turnId: string, callId: string) => `${turnId} ${callId}`;

/** The id of the element of an ask. */
export const askElementId = (turnId: string, callId: string) => `ask-${keyOf(turnId, callId).replaceAll(/\W/g, '-')}`;

function openAsksOf(turn: TurnState): OpenAsk[] {
  const step = turn.steps.at(-1);
  if (turn.status !== 'running' || !step) return [];
  return Object.entries(step.calls).flatMap(([callId, { ask, answer }]) =>
    ask && !answer && !step.results[callId] ? [{ key: keyOf(turn.id, callId), turnId: turn.id, callId, ask }] : [],
  );
}

let previous: readonly OpenAsk[] = [];

/** All that waits for the person in the open conversation, oldest first. */
export const openAsks = computed<readonly OpenAsk[]>(() => {
  const found = openTurns.value.flatMap(openAsksOf);
  const same = found.length === previous.length && found.every(({ ask }, index) => ask === previous[index]?.ask);
  if (!same) previous = found;
  return previous;
});

const answerings = new Map<string, Answering>();

/** What is known of the answer to an ask. */
export function answeringOf(turnId: string, callId: string): Answering {
  const key = keyOf(turnId, callId);
  const known = answerings.get(key);
  if (known) return known;
  const made = {
    sending: signal(false),
    problem: signal<Problem | null>(null),
    text: signal(''),
    noting: signal(false),
  };
  answerings.set(key, made);
  return made;
}

/** Sends an answer. The card changes when its event comes, and not before. */
export async function answer(turnId: string, callId: string, body: AskAnswer): Promise<void> {
  const conversationId = conversation.peek()?.id;
  const answering = answeringOf(turnId, callId);
  const { sending, problem } = answering;
  if (conversationId === undefined || sending.peek()) return;
  sending.value = true;
  problem.value = null;
  try {
    await transport.call('asks.answer', { params: { conversationId, turnId, callId }, body });
  } catch (error) {
    sending.value = false;
    problem.value = problemOf(error);
    announcement.value = t('The answer was not sent: {0}', problem.value.detail);
    return;
  }
  setTimeout(() => {
    sending.value = false;
  }, confirmMs);
}

/** Adds the rule that an ask offers to the person's settings, and then says yes. */
export async function allowAlways(turnId: string, callId: string): Promise<void> {
  const conversationId = conversation.peek()?.id;
  const { sending, problem } = answeringOf(turnId, callId);
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
  await answer(turnId, callId, { kind: 'approval', allow: true });
}

/** The ask that had the focus last. */
let focused: string | null = null;

/** Shows the ask after the one that was shown last, or the first, and puts the focus there. */
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

/** The card may have to be built or loaded first. */
async function focusSoon(ask: OpenAsk): Promise<void> {
  const end = performance.now() + appearMs;
  while (!focusAsk(ask) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Shows the card. The focus goes to it and not to a button of it: Enter does nothing there. */
export function focusAsk({ turnId, callId }: Pick<OpenAsk, 'turnId' | 'callId'>): boolean {
  const card = document.getElementById(askElementId(turnId, callId));
  if (card) focused = keyOf(turnId, callId);
  card?.focus({ preventScroll: true });
  card?.scrollIntoView({ block: 'nearest' });
  return card !== null;
}

/** The same for a card that has come by itself: only where it is in sight, and nobody is disturbed. */
export function offerAsk(turnId: string, callId: string): void {
  const card = document.getElementById(askElementId(turnId, callId));
  if (!card || isBusyElsewhere()) return;
  const { top, bottom } = card.getBoundingClientRect();
  if (bottom <= 0 || top >= window.innerHeight) return;
  focused = keyOf(turnId, callId);
  card.focus({ preventScroll: true });
}

let lastKey = Number.NEGATIVE_INFINITY;

/** Whether the person is in the middle of something that a moving focus would break. */
function isBusyElsewhere(): boolean {
  const active = document.activeElement;
  // In a card, also of this very ask, they are about to answer: a field for a note is empty at first.
  const free = active === null || active === document.body || (isEmptyField(active) && !active.closest('.ask'));
  return !free || !document.hasFocus() || performance.now() - lastKey < typingMs;
}

function isEmptyField(element: Element): boolean {
  const isField = element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement;
  return isField && element.value.trim() === '';
}

/** Says each ask once, and forgets what belongs to asks that are over. */
export function watchAsks(): void {
  const said = new Set<string>();
  document.addEventListener(
    'keydown',
    () => {
      lastKey = performance.now();
    },
    { capture: true, passive: true },
  );
  effect(() => {
    const asks = openAsks.value;
    const fresh = asks.filter(({ key }) => !said.has(key));
    for (const { key } of fresh) said.add(key);
    keepNewest(said);
    keepNewest(answerings);
    const [first] = fresh;
    if (!first) return;
    const { ask } = first;
    const about = oneLine(ask.kind === 'approval' ? ask.title : ask.question, 200);
    // After what else the same events have to say.
    setTimeout(() => {
      announcement.value =
        asks.length > 1
          ? t('DevLM waits for you: {0} ({1} questions are open)', about, asks.length)
          : t('DevLM waits for you: {0}', about);
    });
  });
}

function keepNewest(kept: Set<string> | Map<string, unknown>): void {
  for (const key of kept.keys()) if (kept.size > mostKept) kept.delete(key);
}
