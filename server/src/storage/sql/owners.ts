import type { OwnedKind, OwnerStore } from '../ports/owners.ts';
import type { SqlAccess } from './access.ts';
import { type Placeholders, prepared } from './prepared.ts';
import { isId } from './rows.ts';
import type { Db } from './schema.ts';

const selectOwner = (table: 'conversations' | 'execution_results' | 'projects') =>
  prepared((db, { id }: Placeholders<{ id: string }>) => db.selectFrom(table).select('user_id').where('id', '=', id));

const owners = {
  conversation: selectOwner('conversations'),
  execution: selectOwner('execution_results'),
  project: selectOwner('projects'),
};

/** The owners of an SQL store. */
export class SqlOwners implements OwnerStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  ownerOf(what: OwnedKind, id: string): Promise<string | null> {
    return this.#sql.read((db) => ownerOf(db, what, id));
  }

  claimProject(id: string, userId: string): Promise<string> {
    return this.#sql.write(async (tx) => {
      await tx
        .insertInto('projects')
        .values({ id, user_id: userId })
        .onConflict((oc) => oc.column('id').doNothing())
        .execute();
      return (await tx.selectFrom('projects').select('user_id').where('id', '=', id).executeTakeFirstOrThrow()).user_id;
    });
  }
}

/** Returns the user id of the owner, or null if the thing does not exist. */
export async function ownerOf(db: Db, what: OwnedKind, id: string): Promise<string | null> {
  if (!isId(id)) return null;
  const [row] = await owners[what](db, { id });
  return row?.user_id ?? null;
}
