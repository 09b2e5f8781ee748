import { type InstanceStore, StoredInstance } from '../ports/instances.ts';
import { storeDamaged } from '../problems.ts';
import type { SqlAccess } from './access.ts';

/** Returns the place that the instance is sealed for. */
const placeOf = (id: string) => `instances/${id}`;

/** The Claude instances of an SQL store, sealed, because they contain keys. */
export class SqlInstances implements InstanceStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  save(instance: StoredInstance): Promise<void> {
    return this.#sql.write(async (tx) => {
      const data = this.#sql.seal.close(Buffer.from(JSON.stringify(instance)), placeOf(instance.id));
      await tx
        .insertInto('instances')
        .values({ id: instance.id, data })
        .onConflict((oc) => oc.column('id').doUpdateSet({ data }))
        .execute();
    });
  }

  list(): Promise<StoredInstance[]> {
    return this.#sql.read(async (db) => {
      const rows = await db.selectFrom('instances').selectAll().orderBy('id').execute();
      return rows.map(({ id, data }) => this.#read(id, data));
    });
  }

  remove(id: string): Promise<boolean> {
    return this.#sql.write(async (tx) => {
      const { numDeletedRows } = await tx.deleteFrom('instances').where('id', '=', id).executeTakeFirstOrThrow();
      return numDeletedRows > 0n;
    });
  }

  #read(id: string, data: Uint8Array): StoredInstance {
    const bytes = this.#sql.seal.open(data, placeOf(id));
    try {
      return StoredInstance.parse(JSON.parse(Buffer.from(bytes).toString()));
    } catch {
      // The cause is left out, because it would show the key.
      throw storeDamaged(`Cannot read the stored instance ${id}.`);
    }
  }
}
