import { randomUUID } from 'node:crypto';
import type { NewAttachment, ReceivedEvent } from '@devlm/protocol/events.ts';
import type { SavedView } from '@devlm/protocol/page.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import type { ServerConnection } from '../connection/connection.ts';

/** Dependencies of `askForProposal`. */
export interface ProposalsOptions {
  readonly connection: ServerConnection;
  readonly projectId: () => string | null;
  readonly view: () => Pick<SavedView, 'model' | 'thinking'>;
}

/** The result of a request for text. */
export interface ProposalEnd {
  /** The proposed text. Null if the model proposed none; `problem` then has the reason, if known. */
  readonly text: string | null;
  readonly problem: string | null;
}

/**
 * Requests text that the model proposes instead of writing it to a file, in a separate conversation, which stays in
 * the history. Returns as soon as the text is available.
 *
 * @throws the signal's reason if aborted, after stopping the turn
 */
export async function askForProposal(
  { connection, projectId, view }: ProposalsOptions,
  ask: { readonly task: Task; readonly text: string; readonly attachments: readonly NewAttachment[] },
  signal: AbortSignal,
): Promise<ProposalEnd> {
  const conversationId = randomUUID();
  const turnId = randomUUID();
  const { model, thinking } = view();
  await connection.call('conversations.create', { body: { id: conversationId, projectId: projectId() } }, { signal });
  const body = {
    turnId,
    parent: null,
    model,
    thinking,
    task: ask.task,
    text: ask.text,
    attachments: [...ask.attachments],
  };
  await connection.call('turns.create', { params: { conversationId }, body });
  const done = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<ProposalEnd>();
  const onEvents = async (events: ReceivedEvent[]) => {
    for (const event of events) {
      const end = endOf(event);
      if (end) resolve(end);
    }
  };
  const stop = () => {
    reject(signal.reason);
    connection.call('turns.stop', { params: { conversationId, turnId } }).catch(() => undefined);
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  connection.follow(conversationId, 0, onEvents, done.signal).catch(reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', stop);
    done.abort();
  }
}

/** Returns the result that an event contains, or null. */
function endOf(event: ReceivedEvent): ProposalEnd | null {
  if (event.type === 'tool.ended' && 'details' in event && event.details?.proposal)
    return { text: event.details.proposal.text, problem: null };
  if (event.type === 'turn.ended' && 'outcome' in event) return { text: null, problem: event.problem?.detail ?? null };
  return null;
}
