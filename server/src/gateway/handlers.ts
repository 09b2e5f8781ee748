import type { Event } from '@devlm/protocol/events.ts';
import { conversationHandlers } from '../backend/conversations.ts';
import { startOfDay } from '../backend/notices.ts';
import type { Context } from '../context.ts';
import type { Handlers } from './app.ts';
import { httpProblem } from './problems.ts';
import type { StreamMessage } from './sse.ts';

/** What each route does. `shutdown` ends this server after its answer has gone out. */
export function createHandlers(context: Context, shutdown: () => void): Handlers {
  const { store, log, turns, provider, notices, logger } = context;
  return {
    'server.info': async () => context.info(),
    // A window opens its streams after it has sent the credential, if it has one.
    'server.events': async (_input, { signal }) => {
      provider.handOver();
      return notices.subscribe(() => context.info(), signal);
    },
    'server.shutdown': async ({ body }) => {
      if (turns.busy > 0)
        throw httpProblem('busy', 'The server is answering. It can be replaced when it has finished.', {
          retryAfterMs: 5_000,
        });
      logger.info({ for: body.version }, 'giving way to another version');
      setImmediate(shutdown);
    },
    'server.credential': async ({ body }) => {
      if (provider.setCredential(body)) notices.send({ type: 'info.changed', info: context.info() });
      return context.info();
    },
    'usage.today': ({ query }) => store.usageSince(startOfDay(new Date(), query.offset)),
    'models.list': async (_input, { signal }) => ({
      models: await provider.models(signal),
      default: await provider.defaultModel(signal),
    }),
    'conversations.events': async ({ params, query }, { signal, lastEventId }) => {
      const { conversationId } = params;
      const conversation = await store.conversation(conversationId);
      if (!conversation) throw httpProblem('not_found', 'There is no such conversation.');
      const after = lastEventId ?? query.after;
      // A database that was restored from a backup has fewer events than a page may have seen.
      if (after > conversation.lastSeq)
        throw httpProblem('events_ahead', 'This conversation has fewer events than you have read. Read it again.');
      provider.handOver();
      return withIds(log.subscribe(conversationId, after, signal));
    },
    ...conversationHandlers({ store, log, turns, changed: (id) => notices.conversationChanged(id) }),
  };
}

async function* withIds(source: AsyncIterable<readonly Event[]>): AsyncGenerator<StreamMessage[]> {
  for await (const events of source) yield events.map((event) => ({ id: event.seq, data: event }));
}
