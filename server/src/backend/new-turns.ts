import type { Attachment, EventBody } from '@devlm/protocol/events.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { RouteChecked } from '@devlm/protocol/routes.ts';
import type { ConversationSecrets } from '../actions/secrets/conversation-secrets.ts';
import type { Secrets } from '../actions/secrets/secrets.ts';
import { learnEnvFiles } from '../actions/secrets/uses.ts';
import { isEnvFile } from '../actions/secrets/values.ts';
import type { TurnScheduler } from '../agent/turn-scheduler.ts';
import type { EventLog } from '../storage/event-log.ts';
import type { StoredConversation } from '../storage/ports/conversations.ts';
import type { Store } from '../storage/ports/store.ts';
import type { Workspaces } from '../workspace/workspaces.ts';
import { storeAttachments, withoutCredentials } from './attachments.ts';
import { existingConversation, existingTurn } from './lookup.ts';
import type { Reviews } from './reviews.ts';

/** Message as sent by a client. */
type NewTurn = RouteChecked<'turns.create'>['body'];

/** Dependencies of `NewTurns`. */
export interface NewTurnsDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly turns: TurnScheduler;
  readonly workspaces: Workspaces;
  readonly secrets: ConversationSecrets;
  readonly reviews: Reviews;
}

/** Maximum time that a message waits for the `.env` files of the user's window, in milliseconds. */
const envWaitMs = 1_000;

/** Adds messages of users to conversations, as turns that the agent answers. */
export class NewTurns {
  readonly #deps: NewTurnsDeps;

  constructor(deps: NewTurnsDeps) {
    this.#deps = deps;
  }

  /**
   * Appends a turn and queues it. Sending the same turn id again changes nothing and returns the same result.
   *
   * @returns the id of the turn and the `seq` of its `turn.created` event
   * @throws ProblemError `not_found`, `empty_message`, `not_an_image`, `too_many_attachments`, and the errors of
   *   `TurnScheduler.assertRoom` and of the store
   */
  async create(conversationId: string, turn: NewTurn): Promise<{ turnId: string; seq: number }> {
    try {
      return await this.#create(conversationId, turn);
    } catch (error) {
      // A client that lost the response sends the same request again.
      const existing = await this.#deps.store.turns.get(conversationId, turn.turnId);
      if (existing) return { turnId: existing.turnId, seq: existing.createdSeq };
      throw error;
    }
  }

  async #create(conversationId: string, turn: NewTurn): Promise<{ turnId: string; seq: number }> {
    const { store, log, turns, workspaces, reviews } = this.#deps;
    const conversation = await existingConversation(store, conversationId);
    const { projectId } = conversation;
    if (turn.parent !== null) await existingTurn(store, conversationId, turn.parent);
    // Decisions left open are settled first, because the prompt tells the model what happened to the files.
    if (projectId !== null && workspaces.attached(projectId)) await reviews.settle(conversationId);
    await turns.assertRoom(conversation);
    const secrets = await this.#deps.secrets.of(conversationId);
    await this.#learnCredentials(secrets, projectId, turn);
    const stored = await storeAttachments(store, conversationId, turn);
    const attachments = stored.map((attachment) => withoutCredentials(secrets, attachment));
    if (turn.text.trim() === '' && attachments.length === 0) throw emptyMessage();
    const events = eventsOf(conversation, { ...turn, text: secrets.hide(turn.text) }, attachments);
    // The model is called while the events are being synced to disk. The client gets its response after that.
    const committed = () => turns.enqueue(conversationId, turn.turnId, projectId);
    const [created] = await log.append(conversationId, events, { committed });
    return { turnId: turn.turnId, seq: created?.seq ?? 0 };
  }

  /** Registers the values of `.env` files as credentials, since their form alone does not identify them. */
  async #learnCredentials(secrets: Secrets, projectId: string | null, { attachments }: NewTurn): Promise<void> {
    for (const attachment of attachments)
      if (attachment.kind !== 'image' && isEnvFile(attachment.path)) secrets.addEnvFile(attachment.text);
    const { workspaces } = this.#deps;
    if (projectId === null || !workspaces.attached(projectId)) return;
    const deadline = AbortSignal.timeout(envWaitMs);
    await workspaces
      .workspace(projectId, deadline)
      .then((workspace) => learnEnvFiles(workspace, secrets, deadline))
      .catch(() => undefined);
  }
}

/** Returns the `turn.created` event and, if the conversation has no title, an event that sets one. */
function eventsOf({ title }: StoredConversation, turn: NewTurn, attachments: Attachment[]): EventBody[] {
  const { turnId, parent, text, model, thinking, task, compact } = turn;
  const marks = { ...(task ? { task } : {}), ...(compact ? { compact } : {}) };
  const created: EventBody = { type: 'turn.created', turnId, parent, text, attachments, model, thinking, ...marks };
  if (title !== '') return [created];
  return [created, { type: 'conversation.renamed', title: titleFrom(text, attachments), by: 'server' }];
}

/** Returns the first line of the message, or the name of its first attachment, cut at a word boundary. */
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
  const detail = 'Enter a message or attach something.';
  return new ProblemError({ code: 'empty_message', status: 422, title: 'Nothing to send', detail });
}
