import type { NewAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { OutgoingMessage, TaskAnswer } from '@devlm/protocol/page.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import { computed, signal } from '@preact/signals';
import { newId } from '../ids.ts';
import { t } from '../l10n.ts';
import { problemOf, transport } from '../transport.ts';
import { attempt, pickedModel, projectId, screen, server, showToast, thinking } from './app.ts';
import {
  beginConversation,
  closeConversation,
  conversation,
  conversationBegun,
  jumpToLatest,
  openConversation,
  openCount,
  opening,
  openTurns,
  runningTurn,
  summary,
  whenOpened,
} from './conversation.ts';
import { clearDraft, draft, flushView, freeDraft, saveSoon, setDraft, switchDraft } from './drafts.ts';
import { type Outgoing, outbox, outgoing } from './outbox.ts';

/** The composer's focus is wanted whenever this grows. */
export const focusRequests = signal(0);

/** Puts the focus where the person writes. */
export function focusComposer(): void {
  focusRequests.value += 1;
}

/** Shows an empty conversation; it begins with its first message. */
export function newConversation(): void {
  closeConversation();
  switchDraft(null);
  screen.value = 'chat';
  focusComposer();
}

/** Shows a conversation of the history. */
export function showConversation(id: string): void {
  switchDraft(id);
  screen.value = 'chat';
  void openConversation(id).then(saveSoon);
  focusComposer();
}

/** Whether the composer holds something that can be sent now. */
export const canSend = computed(
  () => (draft.value.text.trim() !== '' || draft.value.attachments.length > 0) && openCount.value <= limits.queuedTurns,
);

let waiting = false;
const shown = () => conversation.value;

/** Sends what the composer holds. While an answer is being written it waits its turn on the server. */
export async function sendDraft(): Promise<void> {
  if (waiting) return;
  if (!conversation.value && opening.value) {
    const { id } = opening.value;
    waiting = true;
    await whenOpened();
    waiting = false;
    // Another conversation is shown by now: the draft has stayed with the one it was written in.
    if ((shown()?.id ?? opening.value?.id) !== id) return;
    const problem = shown() ? undefined : opening.value?.problem;
    if (problem) {
      showToast(problem.detail, undefined, 'error');
      return;
    }
  }
  if (!canSend.value) return;
  const { text, attachments } = draft.value;
  const conversationId = conversation.value?.id ?? newId();
  if (!conversation.value) beginConversation(conversationId);
  clearDraft(conversationId);
  postNext(conversationId, text, attachments);
}

/** Sends a message that a button wrote for the person. The draft stays. */
export function sendText(text: string): void {
  const conversationId = conversation.value?.id;
  if (conversationId === undefined) return;
  if (openCount.value > limits.queuedTurns) showToast(t('Too many messages wait. Try again when one is answered.'));
  else postNext(conversationId, text, []);
}

/** Has the conversation summed up, so that the next messages have room. */
export function compactNow(): void {
  const state = conversation.value;
  if (!state || state.head === null) showToast(t('There is nothing to summarise yet.'));
  else if (openCount.value > 0) showToast(t('Wait until DevLM has answered.'));
  else {
    const { id: conversationId, head: parent } = state;
    post({ conversationId, turnId: newId(), parent, text: '/compact', attachments: [], compact: true });
  }
}

/** Sends the message of a command, in the shown conversation or a new one. The draft stays. */
export async function sendTask({ message, problems }: TaskAnswer): Promise<void> {
  if (problems.length > 0) showToast(problems.join('\n'));
  if (!message) return;
  screen.value = 'chat';
  await whenOpened();
  if (openCount.value > limits.queuedTurns) {
    showToast(t('Too many messages wait. Try again when one is answered.'));
    return;
  }
  const conversationId = conversation.value?.id ?? newId();
  if (!conversation.value) {
    const kept = draft.value;
    beginConversation(conversationId);
    clearDraft(conversationId);
    setDraft(kept);
  }
  postNext(conversationId, message.text, message.attachments, message.task);
}

/** Sends a message at the end of the open conversation. */
function postNext(conversationId: string, text: string, attachments: readonly NewAttachment[], task?: Task): void {
  const parent = outgoing.value.at(-1)?.turnId ?? conversation.value?.head ?? null;
  const begins = summary.value === null;
  post({ conversationId, turnId: newId(), parent, begins, text, attachments: [...attachments], task });
}

/** The last message of each conversation on its way: one goes after the other. */
const lines = new Map<string, Promise<void>>();

function post(message: Outgoing): void {
  const { conversationId, turnId } = message;
  outbox.value = [...outbox.value.filter((other) => other.turnId !== turnId), message];
  saveSoon();
  flushView();
  if (conversation.value?.id === conversationId) jumpToLatest();
  const line = (lines.get(conversationId) ?? Promise.resolve()).then(() => deliver(message));
  lines.set(conversationId, line);
  void line.then(() => {
    if (lines.get(conversationId) === line) lines.delete(conversationId);
  });
}

async function deliver(message: Outgoing): Promise<void> {
  const { conversationId, turnId, text, attachments, attachmentsOf, task } = message;
  try {
    if (message.begins) {
      const body = { id: conversationId, projectId: projectId.value };
      conversationBegun(await transport.call('conversations.create', { body }));
    }
    await transport.call('turns.create', {
      params: { conversationId },
      body: {
        turnId,
        parent: parentOf(message),
        text,
        attachments,
        attachmentsOf,
        task,
        model: pickedModel.value,
        thinking: thinking.value,
        compact: message.compact,
      },
    });
  } catch (error) {
    change(turnId, { problem: problemOf(error) });
    return;
  }
  change(turnId, { delivered: true });
  // The event is on its way; what it confirms need not be kept for long.
  setTimeout(() => giveUp(turnId), 60_000);
}

/** What a message follows, as known when it goes out: one before it may have failed since it was written. */
function parentOf({ conversationId, parent, sibling }: Outgoing): string | null {
  if (sibling) return parent;
  const state = conversation.value?.id === conversationId ? conversation.value : null;
  const mine = outbox.value.filter((other) => other.conversationId === conversationId && !state?.turns[other.turnId]);
  const taken = mine.findLast((other) => other.delivered)?.turnId;
  if (taken !== undefined) return taken;
  return state ? state.head : parent;
}

function change(turnId: string, news: Partial<Outgoing>): void {
  outbox.value = outbox.value.map((other) => (other.turnId === turnId ? { ...other, ...news } : other));
  saveSoon();
}

/** Sends what was still on its way when the page was lost. The ids are the same: nothing is doubled. */
export async function resume(messages: readonly OutgoingMessage[]): Promise<void> {
  outbox.value = messages;
  await whenOpened();
  for (const message of messages) {
    if (conversation.value?.turns[message.turnId]) giveUp(message.turnId);
    else post(message);
  }
}

/** Sends a message again that did not arrive. The same id: if it did arrive after all, nothing is doubled. */
export function retryOutgoing(message: Outgoing): void {
  post({ ...message, problem: undefined });
}

/** Takes a message that did not arrive back into the composer. */
export function takeBack(message: Outgoing): void {
  giveUp(message.turnId);
  if (summary.value === null && outgoing.value.length === 0) {
    // Its conversation was never made.
    freeDraft();
    closeConversation();
  }
  restoreText(message.text, message.attachments);
}

function giveUp(turnId: string): void {
  outbox.value = outbox.value.filter((other) => other.turnId !== turnId);
  saveSoon();
}

function restoreText(text: string, attachments: readonly NewAttachment[] = []): void {
  const present = draft.value;
  const joined = present.text.trim() === '' ? text : `${text}\n\n${present.text}`;
  setDraft({ text: joined, attachments: [...attachments, ...present.attachments].slice(0, limits.attachments) });
  focusComposer();
}

/** Takes a waiting message out of the queue, back into the composer. */
export function unqueue(turn: TurnState): void {
  void attempt(async () => {
    await stopTurn(turn.id);
    const texts = turn.attachments.filter((attachment) => attachment.kind !== 'image');
    restoreText(turn.text, texts);
  });
}

/** Stops the answer that is being written. */
export function stop(): void {
  const turnId = runningTurn.value ?? openTurns.value[0]?.id;
  if (turnId !== undefined) void attempt(() => stopTurn(turnId));
}

function stopTurn(turnId: string): Promise<unknown> {
  return transport.call('turns.stop', { params: { conversationId: conversation.value?.id ?? '', turnId } });
}

/** Asks again with another text: a sibling of the turn. Its attachments are taken over. */
export function resend(turn: TurnState, text: string): void {
  const conversationId = conversation.value?.id;
  if (conversationId === undefined) return;
  post({
    conversationId,
    turnId: newId(),
    parent: turn.parent,
    sibling: true,
    text,
    attachments: [],
    attachmentsOf: turn.attachments.length > 0 ? turn.id : undefined,
    compact: turn.compact,
    task: turn.task,
  });
}

/** Shows another version of a message and what followed it. */
export function showSibling(turnId: string): void {
  const conversationId = conversation.value?.id ?? '';
  void attempt(() => transport.call('conversations.show', { params: { conversationId }, body: { turnId } }));
}

/** Goes on from a turn in a new conversation. */
export function branchFrom(turnId: string): void {
  void attempt(async () => {
    const conversationId = conversation.value?.id ?? '';
    const created = await transport.call('conversations.branch', {
      params: { conversationId },
      body: { id: newId(), turnId },
    });
    showConversation(created.id);
    showToast(t('This is a new conversation with a copy of everything up to that answer.'));
  });
}

/** Saves the open conversation as a markdown file. */
export function exportConversation(): void {
  const conversationId = conversation.value?.id;
  if (conversationId === undefined) showToast(t('There is no conversation to export yet.'));
  else void attempt(() => transport.editor({ action: 'exportConversation', conversationId }));
}

/** Lets the server start while the person is still writing. */
export function warmUp(): void {
  if (server.value.state === 'idle') void transport.call('server.info', {}).catch(() => undefined);
}
