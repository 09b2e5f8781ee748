import type { Attachment, EventBody } from '@devlm/protocol/events.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { RouteChecked } from '@devlm/protocol/routes.ts';
import type { ConversationSecrets } from '../actions/secrets/conversation-secrets.ts';
import type { Secrets } from '../actions/secrets/secrets.ts';
import { learnEnvFiles } from '../actions/secrets/uses.ts';
import { isEnvFile } from '../actions/secrets/values.ts';
import type { Turns } from '../agent/turns.ts';
import type { EventLog } from '../storage/event-log.ts';
import type { StoredConversation } from '../storage/ports/conversations.ts';
import type { Store } from '../storage/ports/store.ts';
import type { Workspaces } from '../workspace/workspaces.ts';
import { storeAttachments, withoutCredentials } from './attachments.ts';
import { existingConversation, existingTurn } from './lookup.ts';
import type { Reviews } from './reviews.ts';

/** A message as a client sends it. */
type NewTurn = RouteChecked<'turns.create'>['body'];

export interface NewTurnsDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly turns: Turns;
  readonly workspaces: Workspaces;
  readonly secrets: ConversationSecrets;
  readonly reviews: Reviews;
}

/** Maximum time that a message waits for the `.env` files of the user's window, in milliseconds. */
const envWaitMs = 1_000;

/** Adds the user's messages to conversations, as turns that the agent then answers. */
export class NewTurns {
  readonly #deps: NewTurnsDeps;

  constructor(deps: NewTurnsDeps) {
    this.#deps = deps;
  }

  /**
   * Appends a turn and queues it. Sending the same turn id again changes nothing and returns the same.
   *
   * @returns the id of the turn and the `seq` of its `turn.created` event
   * @throws ProblemError `not_found`, `empty_message`, `not_an_image`, `too_many_attachments`, those of
   *   `Turns.assertRoom` and of the store
   */
  async create(conversationId: string, turn: NewTurn): Promise<{ turnId: string; seq: number }> {
    try {
      return await this.#create(conversationId, turn);
    } catch (error) {
      // The same request was sent twice, because its response was lost.
      const known = await this.#deps.store.turns.get(conversationId, turn.turnId);
      if (known) return { turnId: known.turnId, seq: known.createdSeq };
      throw error;
    }
  }

  async #create(conversationId: string, turn: NewTurn): Promise<{ turnId: string; seq: number }> {
    const { store, log, turns, workspaces, reviews } = this.#deps;
    const conversation = await existingConversation(store, conversationId);
    const { projectId } = conversation;
    if (turn.parent !== null) await existingTurn(store, conversationId, turn.parent);
    // The prompt tells the model what became of the files.
    if (projectId !== null && workspaces.attached(projectId)) await reviews.settle(conversationId);
    await turns.assertRoom(conversation);
    const own = await this.#deps.secrets.of(conversationId);
    await this.#learnCredentials(own, projectId, turn);
    const stored = await storeAttachments(store, conversationId, turn);
    const attachments = stored.map((each) => withoutCredentials(own, each));
    if (turn.text.trim() === '' && attachments.length === 0) throw emptyMessage();
    const events = eventsOf(conversation, { ...turn, text: own.hide(turn.text) }, attachments);
    // The model is asked while the events are on their way to the disk; the client gets its response once they are there.
    const committed = () => turns.enqueue(conversationId, turn.turnId, projectId);
    const [created] = await log.append(conversationId, events, { committed });
    return { turnId: turn.turnId, seq: created?.seq ?? 0 };
  }

  /** Makes the values of `.env` files known: credentials that are not recognized by their form. */
  async #learnCredentials(own: Secrets, projectId: string | null, { attachments }: NewTurn): Promise<void> {
    for (const attachment of attachments)
      if (attachment.kind !== 'image' && isEnvFile(attachment.path)) own.addEnvFile(attachment.text);
    const { workspaces } = this.#deps;
    if (projectId === null || !workspaces.attached(projectId)) return;
    const soon = AbortSignal.timeout(envWaitMs);
    await workspaces
      .workspace(projectId, soon)
      .then((workspace) => learnEnvFiles(workspace, own, soon))
      .catch(() => undefined);
  }
}

/** Returns `turn.created`, and a title where the conversation has none. */
function eventsOf({ title }: StoredConversation, turn: NewTurn, attachments: Attachment[]): EventBody[] {
  const { turnId, parent, text, model, thinking, task, compact } = turn;
  const marks = { ...(task ? { task } : {}), ...(compact ? { compact } : {}) };
  const created: EventBody = { type: 'turn.created', turnId, parent, text, attachments, model, thinking, ...marks };
  if (title !== '') return [created];
  return [created, { type: 'conversation.renamed', title: titleFrom(text, attachments), by: 'server' }];
}

/** Returns the first line of the message, else the name of its first attachment, cut at a word. */
function titleFrom(text: string, attachments: readonly Attachment[]): string {
  const first = attachments[0];
  const line =
    text.trim().split('\n', 1)[0]?.trim() || (first && (first.kind === 'image' ? first.name : first.path)) || '';
  if (line.length <= 60) return line;
  const cut = line
    .slice(0, 60)
    .toWellFormed()
    .replace(/\ufffd$/, '');
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), 40)).trimEnd()}…`;
}

function emptyMessage(): ProblemError {
  const detail = 'Write a message or attach something.';
  return new ProblemError({ code: 'empty_message', status: 422, title: 'Nothing to send', detail });
}
