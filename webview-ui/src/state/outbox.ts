import type { OutgoingMessage } from '@devlm/protocol/page.ts';
import type { Problem } from '@devlm/protocol/problem.ts';
import { computed, signal } from '@preact/signals';
import { conversation } from './conversation.ts';

/** A message in transit to the server. It is shown until its event arrives, or until it is given up. */
export interface PendingMessage extends OutgoingMessage {
  /** Whether the server has accepted the message; its event is on the way. */
  readonly delivered?: boolean;
  readonly problem?: Problem;
}

/** All messages in transit. */
export const outbox = signal<readonly PendingMessage[]>([]);

/** Messages of the current conversation that the server has not confirmed yet. */
export const outgoing = computed(() => {
  const state = conversation.value;
  return outbox.value.filter((message) => message.conversationId === state?.id && !state.turns[message.turnId]);
});

/** Returns the messages that have to be sent again if the page is lost. */
export function unsent(): OutgoingMessage[] {
  return outbox.value.filter((message) => !message.delivered).map(({ delivered, problem, ...message }) => message);
}
