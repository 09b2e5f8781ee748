import { type Placeholders, prepared } from './prepared.ts';
import { isId } from './rows.ts';
import type { Db, Tx } from './schema.ts';

/** What belongs to a user by its id. */
export type Owned = 'conversation' | 'execution' | 'project';

const ownerIn = (table: 'conversations' | 'execution_results' | 'projects') =>
  prepared((db, { id }: Placeholders<{ id: string }>) => db.selectFrom(table).select('user_id').where('id', '=', id));

const owners = {
  conversation: ownerIn('conversations'),
  execution: ownerIn('execution_results'),
  project: ownerIn('projects'),
};

/** Null: there is no such thing. A deleted conversation has its owner still. */
export async function ownerOf(db: Db, what: Owned, id: string): Promise<string | null> {
  if (!isId(id)) return null;
  const [row] = await owners[what](db, { id });
  return row?.user_id ?? null;
}

/** Whoever comes first has it. Answers whose it is. */
export async function claimProject(tx: Tx, id: string, userId: string): Promise<string> {
  await tx
    .insertInto('projects')
    .values({ id, user_id: userId })
    .onConflict((known) => known.column('id').doNothing())
    .execute();
  return (await tx.selectFrom('projects').select('user_id').where('id', '=', id).executeTakeFirstOrThrow()).user_id;
}
