import { Role, type UserInfo } from '@devlm/protocol/users.ts';
import type { UserStore } from '../ports/users.ts';
import { conflict } from '../problems.ts';
import type { SqlAccess } from './access.ts';
import type { UserTable } from './schema.ts';

/** The users of an SQL store. */
export class SqlUsers implements UserStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  add(user: UserInfo): Promise<void> {
    return this.#sql.write(async (tx) => {
      const added = await tx
        .insertInto('users')
        .values({
          id: user.id,
          name: user.name,
          email: user.email,
          role: user.role,
          created_at: Date.parse(user.createdAt),
          disabled_at: null,
        })
        .onConflict((oc) => oc.column('name').doNothing())
        .returning('id')
        .executeTakeFirst();
      if (!added) throw conflict('A user with this name already exists.');
    });
  }

  list(): Promise<UserInfo[]> {
    return this.#sql.read(async (db) =>
      (await db.selectFrom('users').selectAll().orderBy('name').execute()).map(toInfo),
    );
  }

  disable(id: string): Promise<UserInfo | null> {
    return this.#sql.write(async (tx) => {
      await tx
        .updateTable('users')
        .set({ disabled_at: this.#sql.now().getTime() })
        .where('id', '=', id)
        .where('disabled_at', 'is', null)
        .execute();
      const row = await tx.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
      return row ? toInfo(row) : null;
    });
  }
}

function toInfo(row: UserTable): UserInfo {
  const iso = (time: number) => new Date(time).toISOString();
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    // A role of a newer server that this one does not know counts as `member`.
    role: Role.safeParse(row.role).data ?? 'member',
    createdAt: iso(row.created_at),
    disabledAt: row.disabled_at === null ? null : iso(row.disabled_at),
  };
}
