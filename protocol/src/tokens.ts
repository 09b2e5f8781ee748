import * as z from 'zod';

/*
 * Tokens: what lets a program in beside the editor, for a time, for a part of what there is.
 */

/** What a token opens, each the routes below one prefix: `/llm`, `/execute`, `/backend`, `/admin`. */
export const Scope = z.enum(['llm', 'execute', 'backend', 'admin']);
export type Scope = z.infer<typeof Scope>;

export const NewToken = z.object({
  /** What it is for, in the person's words. */
  name: z.string().trim().min(1).max(100),
  scopes: z.array(Scope).min(1).max(Scope.options.length),
  /** Days until it ends by itself. */
  days: z.int().min(1).max(3650),
});
export type NewToken = z.infer<typeof NewToken>;

/** A token as it is listed; the token itself is shown once, when it is made. */
export const TokenInfo = NewToken.omit({ days: true }).extend({
  id: z.string(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  revokedAt: z.iso.datetime().nullable(),
});
export type TokenInfo = z.infer<typeof TokenInfo>;
