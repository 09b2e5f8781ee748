import { createHash } from 'node:crypto';
import { BlobHash } from '@devlm/protocol/ids.ts';
import type { Db, Tx } from './schema.ts';
import type { Seal } from './seal.ts';
import type { Blob } from './store.ts';

/** Answers the SHA-256 of the bytes. */
export async function writeBlob(tx: Tx, blob: Blob, seal: Seal, now: Date): Promise<string> {
  const hash = createHash('sha256').update(blob.data).digest('hex');
  const touched_at = now.getTime();
  await tx
    .insertInto('blobs')
    .values({ hash, media_type: blob.mediaType, touched_at, data: seal.close(blob.data, hash) })
    .onConflict((known) => known.column('hash').doUpdateSet({ touched_at }))
    .execute();
  return hash;
}

/** @param userId then only what a conversation of this user refers to */
export async function findBlob(db: Db, hash: string, seal: Seal, userId?: string): Promise<Blob | null> {
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
  return row ? { mediaType: row.media_type, data: seal.open(row.data, hash) } : null;
}
