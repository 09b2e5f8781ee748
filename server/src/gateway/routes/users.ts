import type { Tokens } from '../identity/tokens.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes about users. */
export function userHandlers(tokens: Tokens): HandlersOf<'users'> {
  return {
    'users.add': ({ body }) => tokens.addUser(body),
    'users.list': async () => ({ items: tokens.users() }),
    'users.disable': ({ params }) => tokens.disableUser(params.userId),
  };
}
