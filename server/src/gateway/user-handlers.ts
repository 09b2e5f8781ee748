import type { Handlers } from './app.ts';
import type { Tokens } from './identity/tokens.ts';

type Names = Extract<keyof Handlers, `users.${string}` | `tokens.${string}`>;

/** What the routes of users and their tokens do. */
export function userHandlers(tokens: Tokens): Pick<Handlers, Names> {
  return {
    'users.add': ({ body }) => tokens.addUser(body),
    'users.list': async () => ({ items: tokens.users() }),
    'users.disable': ({ params }) => tokens.disableUser(params.userId),
    'tokens.create': ({ body }) => tokens.create(body),
    'tokens.list': async () => ({ items: tokens.list() }),
    'tokens.revoke': ({ params }) => tokens.revoke(params.tokenId),
    'tokens.rotateKey': ({ body }) => tokens.rotateKey(body),
  };
}
