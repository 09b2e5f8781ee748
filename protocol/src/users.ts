import * as z from 'zod';
import { Id } from './ids.ts';

/** The role of a user. An admin may also use `/admin`, with a token that has this scope. */
export const Role = z.enum(['admin', 'member']);
export type Role = z.infer<typeof Role>;

const UserName = z.string().regex(/^[\w.@-]{1,100}$/, 'expected a name of 1 to 100 letters, digits, ., @, _ or -');

/** A user to add. */
export const NewUser = z.object({
  name: UserName,
  email: z.email().max(254).nullable().default(null),
  role: Role.default('member'),
});
export type NewUser = z.infer<typeof NewUser>;

/** A user as it is listed. */
export const UserInfo = NewUser.extend({
  id: Id,
  email: z.string().nullable(),
  role: Role,
  createdAt: z.iso.datetime(),
  disabledAt: z.iso.datetime().nullable(),
});
export type UserInfo = z.infer<typeof UserInfo>;

/** Routes for the users of a server. */
export const userRoutes = {
  /** 409 `conflict` if there is already a user with this name. */
  'users.add': { method: 'POST', path: '/admin/users', body: NewUser, response: UserInfo },
  'users.list': { method: 'GET', path: '/admin/users', response: z.object({ items: z.array(UserInfo) }) },
  /** Invalidates all tokens of a user. Repeating it changes nothing. The user `local` cannot be disabled. */
  'users.disable': {
    method: 'DELETE',
    path: '/admin/users/:userId',
    params: z.object({ userId: Id }),
    response: UserInfo,
  },
} as const;
