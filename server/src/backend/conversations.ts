import { limits } from '@devlm/protocol/limits.ts';
import { answerState } from '@devlm/protocol/questions.ts';
import { joinDeltas } from '@devlm/protocol/reducer.ts';
import type { Aside } from '@devlm/protocol/review.ts';
import type { AskState } from '@devlm/protocol/state.ts';
import type { AskAnswer } from '@devlm/protocol/tools.ts';
import type { ConversationSnapshot, ConversationSummary, TurnPage } from '@devlm/protocol/views.ts';
import type { ConversationSecrets } from '../actions/secrets/conversation-secrets.ts';
import type { TurnScheduler } from '../agent/turn-scheduler.ts';
import type { EventLog } from '../storage/event-log.ts';
import type { ListOptions, NewConversation } from '../storage/ports/conversations.ts';
import type { Store } from '../storage/ports/store.ts';
import { conflict, notFound } from '../storage/problems.ts';
import type { Workspaces } from '../workspace/workspaces.ts';
import { toMarkdown } from './export.ts';
import { branchOf, existingConversation, existingTurn } from './lookup.ts';
import type { Notices } from './notices.ts';
import { summaryOf } from './summary.ts';

/** Dependencies of `Conversations`. */
export interface ConversationsDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly turns: TurnScheduler;
  readonly workspaces: Workspaces;
  readonly secrets: ConversationSecrets;
  readonly notices: Pick<Notices, 'conversationChanged'>;
}

/** Number of the newest events that are searched for a restore. */
const asideEvents = 50;

/**
 * The conversations of this server: their list, their content, and all operations of users except sending messages
 * (`NewTurns`) and reviewing changes (`Reviews`). Methods that take the id of a conversation throw `not_found` if the
 * conversation does not exist or is deleted.
 */
export class Conversations {
  readonly #deps: ConversationsDeps;

  constructor(deps: ConversationsDeps) {
    this.#deps = deps;
  }

  /** Returns one page of the user's conversations, most recently changed first. */
  list(options: ListOptions, userId: string): Promise<{ items: ConversationSummary[]; next: string | null }> {
    return this.#deps.store.conversations.list({ ...options, userId });
  }

  /**
   * Creates a conversation. Creating the same id again returns the existing one.
   *
   * @throws ProblemError `not_found` if the folder of the project belongs to another user, `conflict` if the id does
   */
  async create(conversation: Omit<NewConversation, 'userId'>, userId: string): Promise<ConversationSummary> {
    const { store, workspaces, secrets, notices } = this.#deps;
    workspaces.assertOwn(conversation.projectId, userId);
    const title = (await secrets.of(conversation.id)).hide(conversation.title).slice(0, limits.titleChars);
    const created = await store.conversations.create({ ...conversation, title, userId });
    notices.conversationChanged(created.id);
    return created;
  }

  /**
   * Returns a conversation with the newest turns of its shown branch.
   *
   * @param limit maximum number of turns
   */
  async get(conversationId: string, limit: number): Promise<ConversationSnapshot> {
    const { store } = this.#deps;
    const row = await existingConversation(store, conversationId);
    const { head, lastSeq } = row;
    const page =
      head === null ? { turns: [], older: null } : await pageOf(store, conversationId, { at: head, limit }, lastSeq);
    const aside = await asideOf(store, conversationId, lastSeq);
    return { conversation: summaryOf(row), head, lastSeq, page, aside };
  }

  /** Sets the title that the user entered. */
  async rename(conversationId: string, title: string): Promise<ConversationSummary> {
    const { store, log } = this.#deps;
    await existingConversation(store, conversationId);
    await log.append(conversationId, [{ type: 'conversation.renamed', title, by: 'person' }]);
    return summaryOf(await existingConversation(store, conversationId));
  }

  /** Marks a conversation as deleted and stops its turns and commands. `restore` removes the mark. */
  async delete(conversationId: string): Promise<void> {
    const { store, turns, workspaces, notices } = this.#deps;
    const { projectId } = await existingConversation(store, conversationId, { deletedToo: true });
    // A deleted conversation must not continue to cause costs.
    await store.conversations.setDeleted(conversationId, true);
    await turns.stopAll(conversationId);
    if (projectId !== null) workspaces.stopCommands(projectId, conversationId);
    notices.conversationChanged(conversationId);
  }

  /** Restores a deleted conversation. */
  async restore(conversationId: string): Promise<ConversationSummary> {
    const { store, notices } = this.#deps;
    await existingConversation(store, conversationId, { deletedToo: true });
    await store.conversations.setDeleted(conversationId, false);
    notices.conversationChanged(conversationId);
    return summaryOf(await existingConversation(store, conversationId));
  }

  /**
   * Copies a conversation up to and including a turn into a new conversation.
   *
   * @param id id of the copy
   * @throws ProblemError also `conflict` if another conversation has the id of the copy
   */
  async branch(conversationId: string, { id, turnId }: { id: string; turnId: string }): Promise<ConversationSummary> {
    const { store, notices } = this.#deps;
    await existingConversation(store, conversationId);
    await existingTurn(store, conversationId, turnId);
    const branched = await store.conversations.branch({ conversationId, turnId }, id);
    notices.conversationChanged(branched.id);
    return branched;
  }

  /** Shows another branch: moves the head to the newest turn at or below the given one. */
  async show(conversationId: string, turnId: string): Promise<void> {
    const { store, log } = this.#deps;
    const { head } = await existingConversation(store, conversationId);
    await existingTurn(store, conversationId, turnId);
    const newest = await store.turns.newestBelow(conversationId, turnId);
    if (newest !== head) await log.append(conversationId, [{ type: 'head.moved', turnId: newest }]);
  }

  /** Returns the shown branch of a conversation as Markdown. */
  async export(conversationId: string): Promise<{ title: string; markdown: string }> {
    const { store } = this.#deps;
    const { head, title } = await existingConversation(store, conversationId);
    return { title, markdown: toMarkdown(title, await branchOf(store, conversationId, head)) };
  }

  /** Returns the turn `at` and its ancestors, at most `limit` of them. */
  async turns(conversationId: string, range: { at: string; limit: number }): Promise<TurnPage> {
    const { store } = this.#deps;
    await existingConversation(store, conversationId);
    await existingTurn(store, conversationId, range.at);
    return pageOf(store, conversationId, range);
  }

  /** Stops a running turn, or removes a queued one from the queue. Does nothing if the turn has ended. */
  async stopTurn(conversationId: string, turnId: string): Promise<void> {
    const { store, turns } = this.#deps;
    await existingTurn(store, conversationId, turnId);
    await turns.stop(conversationId, turnId);
  }

  /**
   * Answers a question that a tool asked the user. The first answer counts; a later one changes nothing.
   *
   * @throws ProblemError also `conflict` if the turn has ended or the question is of another kind
   */
  async answerAsk(
    { conversationId, turnId, callId }: { conversationId: string; turnId: string; callId: string },
    answer: AskAnswer,
  ): Promise<void> {
    const { store, log } = this.#deps;
    await existingConversation(store, conversationId);
    const turn = (await branchOf(store, conversationId, turnId, 1)).at(-1);
    const step = turn?.steps.find(({ calls }) => calls[callId]?.ask);
    const call = step?.calls[callId];
    if (!step || !call?.ask) throw notFound('question');
    if (call.answer) return;
    if (turn?.status !== 'running')
      throw conflict('The question can no longer be answered because the turn has ended.');
    if (call.ask.kind !== answer.kind) throw conflict('The answer does not match the kind of the question.');
    await log.append(conversationId, [
      { type: 'ask.answered', turnId, stepId: step.id, callId, answer: checkedAnswer(call.ask, answer) },
    ]);
  }
}

/** Returns an answer with the id of the option that it chooses. Throws `conflict` if there is no such option. */
function checkedAnswer(ask: AskState, answer: AskAnswer): AskAnswer {
  const state = answerState(ask, answer);
  if (state.kind === 'approval') return state;
  const { option, ...words } = state;
  if (option !== null) return { ...words, option };
  if (answer.kind === 'question' && answer.option !== undefined)
    throw conflict('The question has no such option. Choose one of its options, or answer in your own words.');
  return words;
}

/**
 * Returns the turn `at` and its ancestors, at most `limit` of them.
 *
 * @param lastSeq sequence number of the last event to include: the stream delivers later ones; default: all
 */
async function pageOf(
  store: Store,
  conversationId: string,
  { at, limit }: { at: string; limit: number },
  lastSeq = Number.MAX_SAFE_INTEGER,
): Promise<TurnPage> {
  const { turns: records, older } = await store.turns.branchOf(conversationId, at, limit);
  const turns = records.map(({ turnId, siblings, events }) => ({
    turnId,
    siblings: [...siblings],
    events: joinDeltas(events.filter(({ seq }) => seq <= lastSeq)),
  }));
  return { turns, older };
}

/** Returns the turns that a restore has set aside, or null if a message was sent since. */
async function asideOf(store: Store, conversationId: string, lastSeq: number): Promise<Aside | null> {
  // Only renames and review decisions can follow a restore.
  const tail = await store.events.read(conversationId, Math.max(0, lastSeq - asideEvents), asideEvents);
  const last = tail.findLast(({ seq, type }) => seq <= lastSeq && (type === 'head.moved' || type === 'turn.created'));
  return last?.type === 'head.moved' ? (last.aside ?? null) : null;
}
