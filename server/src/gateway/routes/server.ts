import type { Context } from '../../context.ts';
import { httpProblem } from '../problems.ts';
import type { HandlersOf } from './handler.ts';

/**
 * Returns the handlers of the routes about the server itself and the models that it offers.
 *
 * @param shutdown ends this server; called after the response has been sent
 */
export function serverHandlers(context: Context, shutdown: () => void): HandlersOf<'server' | 'models'> {
  const { provider, notices, turns, executions, logger } = context;
  return {
    'server.info': async () => context.info(),
    // A window opens its streams after it has sent the credential, if it has one.
    'server.events': async (_input, { identity, signal }) => {
      provider.handOver();
      return notices.subscribe(() => context.info(), identity.user, signal);
    },
    'server.shutdown': async ({ body }) => {
      if (turns.busy > 0 || executions.busy > 0) throw busy();
      logger.info({ for: body.version }, 'shutting down for another version');
      setImmediate(shutdown);
    },
    'server.credential': async ({ body }) => {
      if (provider.setCredential(body)) notices.send({ type: 'info.changed', info: context.info() });
      return context.info();
    },
    'models.list': async (_input, { signal }) => ({
      models: await provider.models(signal),
      default: await provider.defaultModel(signal),
    }),
  };
}

const busy = () =>
  httpProblem(
    'busy',
    'The server cannot be replaced while it is answering or running a program. Try again when it has finished.',
    {
      retryAfterMs: 5_000,
    },
  );
