import type { Tokens } from '../identity/tokens.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes about the tokens of users and the keys that sign them. */
export function tokenHandlers(tokens: Tokens): HandlersOf<'tokens'> {
  return {
    'tokens.create': ({ body }) => tokens.create(body),
    'tokens.list': async () => ({ items: tokens.list() }),
    'tokens.revoke': ({ params }) => tokens.revoke(params.tokenId),
    'tokens.rotateKey': ({ body }) => tokens.rotateKey(body),
  };
}
