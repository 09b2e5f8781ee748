import type { Conversations } from '../../backend/conversations.ts';
import type { NewTurns } from '../../backend/new-turns.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes about the turns of a conversation and the questions that tools ask in them. */
export function turnHandlers(conversations: Conversations, newTurns: NewTurns): HandlersOf<'turns' | 'asks'> {
  return {
    'turns.list': ({ params, query }) => conversations.turns(params.conversationId, query),
    'turns.create': ({ params, body }) => newTurns.create(params.conversationId, body),
    'turns.stop': ({ params }) => conversations.stopTurn(params.conversationId, params.turnId),
    'asks.answer': ({ params, body }) => conversations.answerAsk(params, body),
  };
}
