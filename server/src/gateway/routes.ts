import { Conversations } from '../backend/conversations.ts';
import { NewTurns } from '../backend/new-turns.ts';
import { Reviews } from '../backend/reviews.ts';
import { WorkspaceFiles } from '../backend/workspace-files.ts';
import type { Context } from '../context.ts';
import type { Tokens } from './identity/tokens.ts';
import { conversationHandlers } from './routes/conversations.ts';
import { editorHandlers } from './routes/editor.ts';
import { executionHandlers } from './routes/executions.ts';
import type { Handlers } from './routes/handler.ts';
import { instanceHandlers } from './routes/instances.ts';
import { reviewHandlers } from './routes/reviews.ts';
import { sentRequestHandlers } from './routes/sent-requests.ts';
import { serverHandlers } from './routes/server.ts';
import { tokenHandlers } from './routes/tokens.ts';
import { turnHandlers } from './routes/turns.ts';
import { usageHandlers } from './routes/usage.ts';
import { userHandlers } from './routes/users.ts';
import { workspaceHandlers } from './routes/workspace.ts';

/**
 * Returns the handler of each route of the protocol's table. A new route needs a handler in the file of its group in
 * `routes/`. Without one, the compiler reports an error there, or here if the group is new.
 *
 * @param shutdown ends this server; called after the response to `server.shutdown` has been sent
 */
export function createHandlers(context: Context, tokens: Tokens, shutdown: () => void): Handlers {
  const { store, log, turns, secrets, notices } = context;
  const { workspaces } = context.toolbox;
  const conversations = new Conversations({ store, log, turns, workspaces, secrets, notices });
  const reviews = new Reviews({ store, log, workspaces });
  const newTurns = new NewTurns({ store, log, turns, workspaces, secrets, reviews });
  return {
    ...serverHandlers(context, shutdown),
    ...conversationHandlers(conversations, context),
    ...turnHandlers(conversations, newTurns),
    ...sentRequestHandlers(context.sentRequests),
    ...reviewHandlers(reviews),
    ...executionHandlers(context.executions),
    ...editorHandlers(context),
    ...workspaceHandlers(new WorkspaceFiles(context)),
    ...usageHandlers(context),
    ...instanceHandlers(context.instances),
    ...tokenHandlers(tokens),
    ...userHandlers(tokens),
  };
}
