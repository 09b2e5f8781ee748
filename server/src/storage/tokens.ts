import { Scope, type TokenInfo } from '@devlm/protocol/tokens.ts';
import type { Db, TokenTable, Tx } from './schema.ts';

export async function writeToken(tx: Tx, token: TokenInfo): Promise<void> {
  await tx
    .insertInto('tokens')
    .values({
      id: token.id,
      user_id: token.userId,
      name: token.name,
      scopes: token.scopes.join(' '),
      created_at: Date.parse(token.createdAt),
      expires_at: Date.parse(token.expiresAt),
      revoked_at: null,
    })
    .execute();
}

/** Those that have not ended by themselves at the time, newest first. */
export async function listTokens(db: Db, now: Date): Promise<TokenInfo[]> {
  const rows = await db
    .selectFrom('tokens')
    .selectAll()
    .where('expires_at', '>', now.getTime())
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute();
  return rows.map(toInfo);
}

/** The first time counts. Answers null where there is no such token. */
export async function revokeToken(tx: Tx, id: string, now: Date): Promise<TokenInfo | null> {
  await tx
    .updateTable('tokens')
    .set({ revoked_at: now.getTime() })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .execute();
  const row = await tx.selectFrom('tokens').selectAll().where('id', '=', id).executeTakeFirst();
  return row ? toInfo(row) : null;
}

function toInfo(row: TokenTable): TokenInfo {
  const iso = (time: number) => new Date(time).toISOString();
  return {
    id: row.id,
    userId: row.user_id,
    name: row.name,
    // A newer server may know more of them.
    scopes: row.scopes.split(' ').flatMap((name) => Scope.safeParse(name).data ?? []),
    createdAt: iso(row.created_at),
    expiresAt: iso(row.expires_at),
    revokedAt: row.revoked_at === null ? null : iso(row.revoked_at),
  };
}
