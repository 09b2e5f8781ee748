import type { NewAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { Problem } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/reducer.ts';
import { computed, signal } from '@preact/signals';
import { newId } from '../ids.ts';
import { t } from '../l10n.ts';
import { problemOf, transport } from '../transport.ts';
import { attempt, pickedModel, projectId, screen, server, showToast, thinking } from './app.ts';
import {
  beginConversation,
  closeConversation,
  conversation,
  jumpToLatest,
  openConversation,
  openCount,
  openTurns,
  runningTurn,
} from './conversation.ts';
import { clearDraft, draft, saveSoon, setDraft, switchDraft } from './drafts.ts';

/** A message on its way to the server: shown until its event comes back, or until it is given up. */
export interface Outgoing {
  readonly conversationId: string;
  readonly turnId: string;
  readonly parent: string | null;
  readonly text: string;
  readonly attachments: readonly NewAttachment[];
  readonly attachmentsOf?: string;
  readonly problem?: Problem;
}

const outbox = signal<readonly Outgoing[]>([]);

/** Messages of the open conversation that the server has not confirmed yet. */
export const outgoing = computed(() => {
  const state = conversation.value;
  return outbox.value.filter((message) => message.conversationId === state?.id && !state.turns[message.turnId]);
});

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

let sending = false;

/** Sends what the composer holds. While an answer is being written it waits its turn on the server. */
export async function sendDraft(): Promise<void> {
  if (!canSend.value || sending) return;
  const { text, attachments } = draft.value;
  const existing = conversation.value;
  const conversationId = existing?.id ?? newId();
  const turnId = newId();
  if (!existing) {
    sending = true;
    try {
      beginConversation(
        await transport.call('conversations.create', { body: { id: conversationId, projectId: projectId.value } }),
      );
    } catch (error) {
      // Nothing was sent and nothing is lost: the text is still in the composer.
      showToast(problemOf(error).detail, undefined, 'error');
      return;
    } finally {
      sending = false;
    }
  }
  clearDraft(conversationId);
  const last = outgoing.value.at(-1)?.turnId ?? conversation.value?.head ?? null;
  await post({ conversationId, turnId, parent: last, text, attachments });
}

async function post(message: Outgoing): Promise<void> {
  outbox.value = [...outbox.value.filter((other) => other.turnId !== message.turnId), message];
  jumpToLatest();
  const { conversationId, turnId, parent, text, attachments, attachmentsOf } = message;
  try {
    await transport.call('turns.create', {
      params: { conversationId },
      body: {
        turnId,
        parent,
        text,
        attachments: [...attachments],
        attachmentsOf,
        model: pickedModel.value,
        thinking: thinking.value,
      },
    });
  } catch (error) {
    const problem = problemOf(error);
    outbox.value = outbox.value.map((other) => (other.turnId === turnId ? { ...other, problem } : other));
    return;
  }
  // The event is on its way; what it confirms need not be kept for long.
  setTimeout(() => giveUp(turnId), 60_000);
}

/** Sends a message again that did not arrive. The same id: if it did arrive after all, nothing is doubled. */
export function retryOutgoing(message: Outgoing): void {
  void post({ ...message, problem: undefined });
}

/** Takes a message that did not arrive back into the composer. */
export function takeBack(message: Outgoing): void {
  giveUp(message.turnId);
  restoreText(message.text, message.attachments);
}

function giveUp(turnId: string): void {
  outbox.value = outbox.value.filter((other) => other.turnId !== turnId);
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
  void post({
    conversationId,
    turnId: newId(),
    parent: turn.parent,
    text,
    attachments: [],
    attachmentsOf: turn.attachments.length > 0 ? turn.id : undefined,
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
