import { Role, type UserInfo } from '@devlm/protocol/users.ts';
import { conflict } from './problems.ts';
import type { Db, Tx, UserTable } from './schema.ts';

/** @throws ProblemError `conflict` where the name is taken */
export async function writeUser(tx: Tx, user: UserInfo): Promise<void> {
  const made = await tx
    .insertInto('users')
    .values({
      id: user.id,
      name: user.name,
      email: user.email,
      role: user.role,
      created_at: Date.parse(user.createdAt),
      disabled_at: null,
    })
    .onConflict((known) => known.column('name').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!made) throw conflict('There is a user of this name already.');
}

/** By name. */
export async function listUsers(db: Db): Promise<UserInfo[]> {
  return (await db.selectFrom('users').selectAll().orderBy('name').execute()).map(toInfo);
}

/** The first time counts. Answers null where there is no such user. */
export async function disableUser(tx: Tx, id: string, now: Date): Promise<UserInfo | null> {
  await tx
    .updateTable('users')
    .set({ disabled_at: now.getTime() })
    .where('id', '=', id)
    .where('disabled_at', 'is', null)
    .execute();
  const row = await tx.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
  return row ? toInfo(row) : null;
}

function toInfo(row: UserTable): UserInfo {
  const iso = (time: number) => new Date(time).toISOString();
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    // A newer server may know more of them.
    role: Role.safeParse(row.role).data ?? 'member',
    createdAt: iso(row.created_at),
    disabledAt: row.disabled_at === null ? null : iso(row.disabled_at),
  };
}
