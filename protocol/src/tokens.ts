import * as z from 'zod';
import { Id } from './ids.ts';

/*
 * Tokens: what lets a program in beside the editor, for a time, for a part of what there is.
 */

/** Everybody on a person's own server is one person. */
export const localUser = 'local';

/** What a token opens, each the routes below one prefix: `/llm`, `/execute`, `/backend`, `/admin`. */
export const Scope = z.enum(['llm', 'execute', 'backend', 'admin']);
export type Scope = z.infer<typeof Scope>;

export const NewToken = z.object({
  /** What it is for, in the person's words. */
  name: z.string().trim().min(1).max(100),
  scopes: z.array(Scope).min(1).max(Scope.options.length),
  /** Days until it ends by itself. */
  days: z.int().min(1).max(3650),
  /** Name of the user whose it is. Default: `local`. */
  user: z.string().min(1).max(100).optional(),
});
export type NewToken = z.infer<typeof NewToken>;

export const RotateKey = z.object({
  /** Removes the older keys too, and revokes every token. */
  forget: z.boolean().default(false),
});
export type RotateKey = z.infer<typeof RotateKey>;

/** A token as it is listed; the token itself is shown once, when it is made. */
export const TokenInfo = NewToken.omit({ days: true, user: true }).extend({
  id: z.string(),
  userId: z.string(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  revokedAt: z.iso.datetime().nullable(),
});
export type TokenInfo = z.infer<typeof TokenInfo>;

/** A part of the table of routes: tokens, and the keys that sign them. */
export const tokenRoutes = {
  /** The token is in this answer and never again. */
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
  /** Revoking again changes nothing. */
  'tokens.revoke': {
    method: 'DELETE',
    path: '/admin/tokens/:tokenId',
    params: z.object({ tokenId: Id }),
    response: TokenInfo,
  },
  /** A new key signs tokens from now on; answers its `kid`. */
  'tokens.rotateKey': {
    method: 'POST',
    path: '/admin/token-keys',
    body: RotateKey,
    response: z.object({ kid: z.string() }),
  },
} as const;
