import type { Event } from '@devlm/protocol/events.ts';
import type { Conversations } from '../../backend/conversations.ts';
import type { Context } from '../../context.ts';
import { notFound } from '../../storage/problems.ts';
import { httpProblem } from '../problems.ts';
import type { StreamMessage } from '../sse.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes about conversations, their events and the images in them. */
export function conversationHandlers(
  conversations: Conversations,
  { store, log, provider }: Pick<Context, 'store' | 'log' | 'provider'>,
): HandlersOf<'conversations' | 'blobs'> {
  return {
    'conversations.list': ({ query }, { identity }) => conversations.list(query, identity.user),
    'conversations.create': ({ body }, { identity }) => conversations.create(body, identity.user),
    'conversations.get': ({ params, query }) => conversations.get(params.conversationId, query.limit),
    'conversations.rename': ({ params, body }) => conversations.rename(params.conversationId, body.title),
    'conversations.delete': ({ params }) => conversations.delete(params.conversationId),
    'conversations.restore': ({ params }) => conversations.restore(params.conversationId),
    'conversations.branch': ({ params, body }) => conversations.branch(params.conversationId, body),
    'conversations.show': ({ params, body }) => conversations.show(params.conversationId, body.turnId),
    'conversations.export': ({ params }) => conversations.export(params.conversationId),
    'conversations.events': async ({ params, query }, { signal, lastEventId }) => {
      const { conversationId } = params;
      const conversation = await store.conversations.get(conversationId);
      if (!conversation) throw httpProblem('not_found', 'The conversation does not exist.');
      const after = lastEventId ?? query.after;
      // A database that was restored from a backup has fewer events than a page may have seen.
      if (after > conversation.lastSeq)
        throw httpProblem(
          'events_ahead',
          'The conversation has fewer events than you have read. Read it again from the start.',
        );
      provider.handOver();
      return withIds(log.subscribe(conversationId, after, signal));
    },
    'blobs.get': async ({ params }, { identity }) => {
      const blob = await store.blobs.get(params.hash, identity.user);
      if (!blob) throw notFound('image');
      return { mediaType: blob.mediaType, data: Buffer.from(blob.data).toString('base64') };
    },
  };
}

async function* withIds(source: AsyncIterable<readonly Event[]>): AsyncGenerator<StreamMessage[]> {
  for await (const events of source) yield events.map((event) => ({ id: event.seq, data: event }));
}
