import { addTurns, emptyConversation, shownPath } from '@devlm/protocol/reducer.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { StoredConversation } from '../storage/ports/conversations.ts';
import type { Store } from '../storage/ports/store.ts';
import type { TurnRow } from '../storage/ports/turns.ts';
import { notFound } from '../storage/problems.ts';

/*
 * Lookups of the conversations, turns and branches that a request names.
 */

/**
 * Returns the conversation with the given id.
 *
 * @param deletedToo whether a conversation that is marked as deleted is returned as well; default: false
 * @throws ProblemError `not_found`
 */
export async function existingConversation(
  store: Pick<Store, 'conversations'>,
  id: string,
  { deletedToo = false }: { readonly deletedToo?: boolean } = {},
): Promise<StoredConversation> {
  const row = await store.conversations.get(id);
  if (!row || (row.deletedAt && !deletedToo)) throw notFound('conversation');
  return row;
}

/**
 * Returns the turn with the given id.
 *
 * @throws ProblemError `not_found`
 */
export async function existingTurn(
  store: Pick<Store, 'turns'>,
  conversationId: string,
  turnId: string,
): Promise<TurnRow> {
  const row = await store.turns.get(conversationId, turnId);
  if (!row) throw notFound('message');
  return row;
}

/**
 * Returns the folded turns of the branch that ends in the given turn, oldest first.
 *
 * @param head id of the last turn of the branch; null for a conversation without turns
 * @param maxTurns maximum number of turns, counted from the last; default: all
 * @throws ProblemError `not_found`
 */
export async function branchOf(
  store: Pick<Store, 'turns'>,
  conversationId: string,
  head: string | null,
  maxTurns = Number.MAX_SAFE_INTEGER,
): Promise<readonly TurnState[]> {
  if (head === null) return [];
  const { turns } = await store.turns.branchOf(conversationId, head, maxTurns);
  return shownPath(addTurns(emptyConversation(conversationId), turns), head).turns;
}
