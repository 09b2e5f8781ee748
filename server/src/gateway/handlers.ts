import { runAction } from '../backend/actions.ts';
import { Conversations } from '../backend/conversations.ts';
import { type Executions, LiveExecution, replay } from '../backend/executions.ts';
import { findNamed, readPage } from '../backend/mentions.ts';
import { NewTurns } from '../backend/new-turns.ts';
import { Reviews } from '../backend/reviews.ts';
import { WorkspaceFiles } from '../backend/workspace-files.ts';
import type { Context } from '../context.ts';
import type { Tokens } from './identity/tokens.ts';
import { httpProblem } from './problems.ts';
import { conversationHandlers } from './routes/conversations.ts';
import type { Handlers } from './routes/handler.ts';
import { instanceHandlers } from './routes/instances.ts';
import { reviewHandlers } from './routes/reviews.ts';
import { tokenHandlers } from './routes/tokens.ts';
import { turnHandlers } from './routes/turns.ts';
import { usageHandlers } from './routes/usage.ts';
import { userHandlers } from './routes/users.ts';
import { workspaceHandlers } from './routes/workspace.ts';
import type { StreamMessage } from './sse.ts';

/** What each route does. `shutdown` ends this server after its answer has gone out. */
export function createHandlers(context: Context, tokens: Tokens, shutdown: () => void): Handlers {
  const { store, log, turns, provider, notices, executions, secrets, logger } = context;
  const { workspaces } = context.toolbox;
  const conversations = new Conversations({ store, log, turns, workspaces, secrets, notices });
  const reviews = new Reviews({ store, log, workspaces });
  const newTurns = new NewTurns({ store, log, turns, workspaces, secrets, reviews });
  return {
    'server.info': async () => context.info(),
    // A window opens its streams after it has sent the credential, if it has one.
    'server.events': async (_input, { identity, signal }) => {
      provider.handOver();
      return notices.subscribe(() => context.info(), identity.user, signal);
    },
    'server.shutdown': async ({ body }) => {
      if (turns.busy > 0 || executions.busy > 0)
        throw httpProblem(
          'busy',
          'The server is answering or running a program. It can be replaced when it has finished.',
          {
            retryAfterMs: 5_000,
          },
        );
      logger.info({ for: body.version }, 'giving way to another version');
      setImmediate(shutdown);
    },
    'server.credential': async ({ body }) => {
      if (provider.setCredential(body)) notices.send({ type: 'info.changed', info: context.info() });
      return context.info();
    },
    ...userHandlers(tokens),
    ...tokenHandlers(tokens),
    ...instanceHandlers(context.instances),
    ...usageHandlers(context),
    'models.list': async (_input, { signal }) => ({
      models: await provider.models(signal),
      default: await provider.defaultModel(signal),
    }),
    'executions.run': async ({ body }, { identity, signal, wantsStream }) => {
      const started = await executions.start(body, identity.user);
      if (wantsStream) return toMessages(started, signal);
      if (!(started instanceof LiveExecution)) return started;
      // Nobody would hear of it: a client that wants the answer alone has gone.
      const cancel = () => started.cancel();
      signal.addEventListener('abort', cancel, { once: true });
      if (signal.aborted) cancel();
      return await started.ended.finally(() => signal.removeEventListener('abort', cancel));
    },
    'executions.get': async ({ params }, { signal, wantsStream }) =>
      wantsStream ? toMessages(await executions.find(params.executionId), signal) : executions.get(params.executionId),
    'executions.cancel': ({ params }) => executions.cancel(params.executionId),
    'executions.list': async ({ query }) => ({ items: await executions.list(query.conversationId) }),
    'snippets.get': ({ params }, { identity }) => executions.snippet(params.hash, identity.user),
    'sandbox.status': () => executions.status(),
    'actions.run': async (input, { identity, signal }) => {
      context.toolbox.workspaces.assertOwn(input.body.projectId, identity.user);
      return runAction(context.toolbox, input, identity.user, signal);
    },
    'symbols.find': async ({ params, query }, { identity, signal }) => {
      context.toolbox.workspaces.assertOwn(params.projectId, identity.user);
      return findNamed(context.toolbox, params.projectId, query.query, signal);
    },
    'pages.read': ({ body }, { signal }) => readPage(context.toolbox, body.url, signal),
    ...workspaceHandlers(new WorkspaceFiles(context)),
    'editor.attach': async ({ body }, { identity, signal }) => context.editors.attach(body, signal, identity.user),
    'editor.answer': async ({ params, body }) => context.editors.answer(params.requestId, body),
    ...conversationHandlers(conversations, context),
    ...turnHandlers(conversations, newTurns),
    ...reviewHandlers(reviews),
  };
}

async function* toMessages(
  run: Awaited<ReturnType<Executions['find']>>,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage[]> {
  const heard = run instanceof LiveExecution ? run.follow(signal) : [replay(run)];
  try {
    for await (const events of heard) yield events.map((data) => ({ data }));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
