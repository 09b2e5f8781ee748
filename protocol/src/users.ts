import * as z from 'zod';
import { Id } from './ids.ts';

/** An admin may use `/admin` besides, with a token for it. */
export const Role = z.enum(['admin', 'member']);
export type Role = z.infer<typeof Role>;

const UserName = z.string().regex(/^[\w.@-]{1,100}$/, 'a name of 1 to 100 letters, digits, ., @, _ or -');

export const NewUser = z.object({
  name: UserName,
  email: z.email().max(254).nullable().default(null),
  role: Role.default('member'),
});
export type NewUser = z.infer<typeof NewUser>;

export const UserInfo = NewUser.extend({
  id: Id,
  email: z.string().nullable(),
  role: Role,
  createdAt: z.iso.datetime(),
  disabledAt: z.iso.datetime().nullable(),
});
export type UserInfo = z.infer<typeof UserInfo>;

/** A part of the table of routes: who may use a server. */
export const userRoutes = {
  /** 409 `conflict` where there is one of this name. */
  'users.add': { method: 'POST', path: '/admin/users', body: NewUser, response: UserInfo },
  'users.list': { method: 'GET', path: '/admin/users', response: z.object({ items: z.array(UserInfo) }) },
  /** From now on no token of theirs counts. Doing it again changes nothing; `local` cannot be disabled. */
  'users.disable': {
    method: 'DELETE',
    path: '/admin/users/:userId',
    params: z.object({ userId: Id }),
    response: UserInfo,
  },
} as const;
