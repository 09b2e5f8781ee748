import { BlobHash } from '@devlm/protocol/ids.ts';
import { sha256Hex } from '../../sha256.ts';
import type { Blob, BlobStore } from '../ports/blobs.ts';
import type { SqlAccess } from './access.ts';

/** The blobs of an SQL store, sealed. */
export class SqlBlobs implements BlobStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  put(blob: Blob): Promise<string> {
    return this.#sql.write(async (tx) => {
      const hash = sha256Hex(blob.data);
      const touched_at = this.#sql.now().getTime();
      await tx
        .insertInto('blobs')
        .values({ hash, media_type: blob.mediaType, touched_at, data: this.#sql.seal.close(blob.data, hash) })
        .onConflict((oc) => oc.column('hash').doUpdateSet({ touched_at }))
        .execute();
      return hash;
    });
  }

  get(hash: string, userId?: string): Promise<Blob | null> {
    return this.#sql.read(async (db) => {
      if (!BlobHash.safeParse(hash).success) return null;
      let query = db.selectFrom('blobs').select(['media_type', 'data']).where('hash', '=', hash);
      if (userId !== undefined)
        query = query.where('hash', 'in', (eb) =>
          eb
            .selectFrom('blob_uses')
            .innerJoin('conversations', 'conversations.id', 'blob_uses.conversation_id')
            .select('blob_uses.hash')
            .where('blob_uses.hash', '=', hash)
            .where('conversations.user_id', '=', userId),
        );
      const row = await query.executeTakeFirst();
      return row ? { mediaType: row.media_type, data: this.#sql.seal.open(row.data, hash) } : null;
    });
  }
}
