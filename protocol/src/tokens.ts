import * as z from 'zod';
import { Id } from './ids.ts';

/*
 * Tokens: they give programs other than the editor access to a part of the server for a limited time.
 */

/** Id of the user of an embedded server, where all clients are the same user. */
export const localUser = 'local';

/** A scope of a token. Each gives access to the routes below one prefix: `/llm`, `/execute`, `/backend`, `/admin`. */
export const Scope = z.enum(['llm', 'execute', 'backend', 'admin']);
export type Scope = z.infer<typeof Scope>;

/** A token to create. */
export const NewToken = z.object({
  /** Description that the user chooses. */
  name: z.string().trim().min(1).max(100),
  scopes: z.array(Scope).min(1).max(Scope.options.length),
  /** Days until the token expires. */
  days: z.int().min(1).max(3650),
  /** Name of the user that the token belongs to. Default: `local`. */
  user: z.string().min(1).max(100).optional(),
});
export type NewToken = z.infer<typeof NewToken>;

/** A request for a new signing key. */
export const RotateKey = z.object({
  /** Whether the older keys are removed too, which revokes every token. */
  forget: z.boolean().default(false),
});
export type RotateKey = z.infer<typeof RotateKey>;

/** A token as it is listed. The token itself is shown only once, when it is created. */
export const TokenInfo = NewToken.omit({ days: true, user: true }).extend({
  id: z.string(),
  userId: z.string(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  revokedAt: z.iso.datetime().nullable(),
});
export type TokenInfo = z.infer<typeof TokenInfo>;

/** Routes for tokens and the keys that sign them. */
export const tokenRoutes = {
  /** Creates a token. Only this response contains it. */
  'tokens.create': {
    method: 'POST',
    path: '/admin/tokens',
    body: NewToken,
    response: z.object({ token: z.string(), info: TokenInfo }),
  },
  'tokens.list': {
    method: 'GET',
    path: '/admin/tokens',
    response: z.object({ items: z.array(TokenInfo) }),
  },
  /** Revokes a token. Repeating it changes nothing. */
  'tokens.revoke': {
    method: 'DELETE',
    path: '/admin/tokens/:tokenId',
    params: z.object({ tokenId: Id }),
    response: TokenInfo,
  },
  /** Creates a key that signs tokens from now on, and returns its `kid`. */
  'tokens.rotateKey': {
    method: 'POST',
    path: '/admin/token-keys',
    body: RotateKey,
    response: z.object({ kid: z.string() }),
  },
} as const;
