import { isId } from './rows.ts';
import type { Db, Tx } from './schema.ts';

/** What belongs to a user by its id. */
export type Owned = 'conversation' | 'execution' | 'project';

const tables = { conversation: 'conversations', execution: 'execution_results', project: 'projects' } as const;

/** Null: there is no such thing. A deleted conversation has its owner still. */
export async function ownerOf(db: Db, what: Owned, id: string): Promise<string | null> {
  if (!isId(id)) return null;
  const row = await db.selectFrom(tables[what]).select('user_id').where('id', '=', id).executeTakeFirst();
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
