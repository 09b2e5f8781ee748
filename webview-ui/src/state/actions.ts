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
import { clearDraft, detachDraft, draft, flushView, saveSoon, setDraft, switchDraft } from './drafts.ts';
import { outbox, outgoing, type PendingMessage } from './outbox.ts';

/** Focuses the composer whenever this number increases. */
export const focusRequests = signal(0);

/** Focuses the composer. */
export function focusComposer(): void {
  focusRequests.value += 1;
}

/** Shows a new conversation, which is created with its first message. */
export function newConversation(): void {
  closeConversation();
  switchDraft(null);
  screen.value = 'chat';
  focusComposer();
}

/** Shows an existing conversation. */
export function showConversation(id: string): void {
  switchDraft(id);
  screen.value = 'chat';
  void openConversation(id).then(saveSoon);
  focusComposer();
}

/** Whether the composer has something that can be sent now. */
export const canSend = computed(
  () => (draft.value.text.trim() !== '' || draft.value.attachments.length > 0) && openCount.value <= limits.queuedTurns,
);

/** Returns the text for a message that cannot be sent because the queue is full. */
export function queueFullText(): string {
  return t('Too many messages are queued. Try again when one has been answered.');
}

let isWaiting = false;
const currentConversation = () => conversation.value;

/** Sends the draft. While an answer is being written, the server queues the message. */
export async function sendDraft(): Promise<void> {
  if (isWaiting) return;
  if (!conversation.value && opening.value) {
    const { id } = opening.value;
    isWaiting = true;
    await whenOpened();
    isWaiting = false;
    // Another conversation is shown now: the draft stays with the one it was written in.
    if ((currentConversation()?.id ?? opening.value?.id) !== id) return;
    const problem = currentConversation() ? undefined : opening.value?.problem;
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

/** Sends a message that a button has written. The draft stays. */
export function sendText(text: string): void {
  const conversationId = conversation.value?.id;
  if (conversationId === undefined) return;
  if (openCount.value > limits.queuedTurns) showToast(queueFullText());
  else postNext(conversationId, text, []);
}

/** Summarizes the conversation, so that the next messages have room. */
export function compactNow(): void {
  const state = conversation.value;
  if (!state || state.head === null) showToast(t('There is nothing to summarize yet.'));
  else if (openCount.value > 0) showToast(t('Wait until DevLM has answered.'));
  else {
    const { id: conversationId, head: parent } = state;
    post({ conversationId, turnId: newId(), parent, text: '/compact', attachments: [], compact: true });
  }
}

/** Sends the message of a task, in the current conversation or a new one. The draft stays. */
export async function sendTask({ message, problems }: TaskAnswer): Promise<void> {
  if (problems.length > 0) showToast(problems.join('\n'));
  if (!message) return;
  screen.value = 'chat';
  await whenOpened();
  if (openCount.value > limits.queuedTurns) {
    showToast(queueFullText());
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

/** Sends a message at the end of the current conversation. */
function postNext(conversationId: string, text: string, attachments: readonly NewAttachment[], task?: Task): void {
  const parent = outgoing.value.at(-1)?.turnId ?? conversation.value?.head ?? null;
  const isFirst = summary.value === null;
  post({ conversationId, turnId: newId(), parent, begins: isFirst, text, attachments: [...attachments], task });
}

/** The last message in transit of each conversation. Messages of a conversation are sent in order. */
const sendQueues = new Map<string, Promise<void>>();

function post(message: PendingMessage): void {
  const { conversationId, turnId } = message;
  outbox.value = [...outbox.value.filter((entry) => entry.turnId !== turnId), message];
  saveSoon();
  flushView();
  if (conversation.value?.id === conversationId) jumpToLatest();
  const queue = (sendQueues.get(conversationId) ?? Promise.resolve()).then(() => deliver(message));
  sendQueues.set(conversationId, queue);
  void queue.then(() => {
    if (sendQueues.get(conversationId) === queue) sendQueues.delete(conversationId);
  });
}

async function deliver(message: PendingMessage): Promise<void> {
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
    updateOutgoing(turnId, { problem: problemOf(error) });
    return;
  }
  updateOutgoing(turnId, { delivered: true });
  // The confirming event is on its way, so the message is not needed for long.
  setTimeout(() => removeOutgoing(turnId), 60_000);
}

/** Returns the parent of a message at the time of sending: the message before it may have failed in the meantime. */
function parentOf({ conversationId, parent, sibling }: PendingMessage): string | null {
  if (sibling) return parent;
  const state = conversation.value?.id === conversationId ? conversation.value : null;
  const pending = outbox.value.filter(
    (entry) => entry.conversationId === conversationId && !state?.turns[entry.turnId],
  );
  const deliveredId = pending.findLast((entry) => entry.delivered)?.turnId;
  if (deliveredId !== undefined) return deliveredId;
  return state ? state.head : parent;
}

function updateOutgoing(turnId: string, changes: Partial<PendingMessage>): void {
  outbox.value = outbox.value.map((entry) => (entry.turnId === turnId ? { ...entry, ...changes } : entry));
  saveSoon();
}

/** Sends the messages that were in transit when the page was lost. They keep their ids, so none is duplicated. */
export async function resume(messages: readonly OutgoingMessage[]): Promise<void> {
  outbox.value = messages;
  await whenOpened();
  for (const message of messages) {
    if (conversation.value?.turns[message.turnId]) removeOutgoing(message.turnId);
    else post(message);
  }
}

/** Sends a message again that was not delivered. It keeps its id, so it is not duplicated if it was. */
export function retryOutgoing(message: PendingMessage): void {
  post({ ...message, problem: undefined });
}

/** Moves an undelivered message back into the composer. */
export function editUnsent(message: PendingMessage): void {
  removeOutgoing(message.turnId);
  if (summary.value === null && outgoing.value.length === 0) {
    // The conversation of the message was never created.
    detachDraft();
    closeConversation();
  }
  restoreText(message.text, message.attachments);
}

function removeOutgoing(turnId: string): void {
  outbox.value = outbox.value.filter((entry) => entry.turnId !== turnId);
  saveSoon();
}

function restoreText(text: string, attachments: readonly NewAttachment[] = []): void {
  const current = draft.value;
  const joined = current.text.trim() === '' ? text : `${text}\n\n${current.text}`;
  setDraft({ text: joined, attachments: [...attachments, ...current.attachments].slice(0, limits.attachments) });
  focusComposer();
}

/** Removes a waiting message from the queue and moves it back into the composer. */
export function removeFromQueue(turn: TurnState): void {
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

/** Sends another version of a message, as a sibling of the turn. It keeps the attachments. */
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

/** Shows another version of a message and the turns after it. */
export function showSibling(turnId: string): void {
  const conversationId = conversation.value?.id ?? '';
  void attempt(() => transport.call('conversations.show', { params: { conversationId }, body: { turnId } }));
}

/** Continues from a turn in a new conversation. */
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

/** Saves the current conversation as a Markdown file. */
export function exportConversation(): void {
  const conversationId = conversation.value?.id;
  if (conversationId === undefined) showToast(t('There is no conversation to export yet.'));
  else void attempt(() => transport.editor({ action: 'exportConversation', conversationId }));
}

/** Shows what was sent to the model for the newest answer. */
export function showSentRequests(): void {
  const { id: conversationId, head: turnId } = conversation.value ?? {};
  if (conversationId === undefined || !turnId) showToast(t('Nothing was sent to the model in this conversation yet.'));
  else void attempt(() => transport.editor({ action: 'showSentRequests', conversationId, turnId }));
}

/** Starts the server while the user is still typing. */
export function warmUp(): void {
  if (server.value.state === 'idle') void transport.call('server.info', {}).catch(() => undefined);
}
