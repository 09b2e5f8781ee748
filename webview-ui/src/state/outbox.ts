import type { OutgoingMessage } from '@devlm/protocol/page.ts';
import type { Problem } from '@devlm/protocol/problem.ts';
import { computed, signal } from '@preact/signals';
import { conversation } from './conversation.ts';

/** A message on its way to the server: shown until its event comes back, or until it is given up. */
export interface Outgoing extends OutgoingMessage {
  /** The server has taken it; its event is on the way. */
  readonly delivered?: boolean;
  readonly problem?: Problem;
}

export const outbox = signal<readonly Outgoing[]>([]);

/** Messages of the open conversation that the server has not confirmed yet. */
export const outgoing = computed(() => {
  const state = conversation.value;
  return outbox.value.filter((message) => message.conversationId === state?.id && !state.turns[message.turnId]);
});

/** What has to be sent again when the page is lost. */
export function unsent(): OutgoingMessage[] {
  return outbox.value.filter((message) => !message.delivered).map(({ delivered, problem, ...message }) => message);
}
