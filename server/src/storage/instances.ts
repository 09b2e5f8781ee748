import { NewInstance } from '@devlm/protocol/instances.ts';
import * as z from 'zod';
import { storeDamaged } from './problems.ts';
import type { Db, Tx } from './schema.ts';
import type { Seal } from './seal.ts';

/** An instance that was added at run time, with its key. */
export const StoredInstance = NewInstance.safeExtend({
  /** Takes no new calls. */
  draining: z.boolean(),
});
export type StoredInstance = z.infer<typeof StoredInstance>;

const placeOf = (id: string) => `instances/${id}`;

/** Adds it, or puts it in the place of the one of the same id. */
export async function writeInstance(tx: Tx, instance: StoredInstance, seal: Seal): Promise<void> {
  const data = seal.close(Buffer.from(JSON.stringify(instance)), placeOf(instance.id));
  await tx
    .insertInto('instances')
    .values({ id: instance.id, data })
    .onConflict((known) => known.column('id').doUpdateSet({ data }))
    .execute();
}

export async function listInstances(db: Db, seal: Seal): Promise<StoredInstance[]> {
  const rows = await db.selectFrom('instances').selectAll().orderBy('id').execute();
  return rows.map(({ id, data }) => {
    const bytes = seal.open(data, placeOf(id));
    try {
      return StoredInstance.parse(JSON.parse(Buffer.from(bytes).toString()));
    } catch {
      // Without the cause: it would show what was read.
      throw storeDamaged(`The instance ${id} cannot be read.`);
    }
  });
}

/** Answers whether there was one. */
export async function deleteInstance(tx: Tx, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx.deleteFrom('instances').where('id', '=', id).executeTakeFirstOrThrow();
  return numDeletedRows > 0n;
}
