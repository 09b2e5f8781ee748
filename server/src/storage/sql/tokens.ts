import { Scope, type TokenInfo } from '@devlm/protocol/tokens.ts';
import type { TokenStore } from '../ports/tokens.ts';
import type { SqlAccess } from './access.ts';
import type { TokenTable } from './schema.ts';

/** The access tokens of an SQL store. */
export class SqlTokens implements TokenStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  add(token: TokenInfo): Promise<void> {
    return this.#sql.write(async (tx) => {
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
    });
  }

  list(): Promise<TokenInfo[]> {
    return this.#sql.read(async (db) => {
      const rows = await db
        .selectFrom('tokens')
        .selectAll()
        .where('expires_at', '>', this.#sql.now().getTime())
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .execute();
      return rows.map(toInfo);
    });
  }

  revoke(id: string): Promise<TokenInfo | null> {
    return this.#sql.write(async (tx) => {
      await tx
        .updateTable('tokens')
        .set({ revoked_at: this.#sql.now().getTime() })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .execute();
      const row = await tx.selectFrom('tokens').selectAll().where('id', '=', id).executeTakeFirst();
      return row ? toInfo(row) : null;
    });
  }
}

function toInfo(row: TokenTable): TokenInfo {
  const iso = (time: number) => new Date(time).toISOString();
  return {
    id: row.id,
    userId: row.user_id,
    name: row.name,
    // Scopes of a newer server that this one does not know are ignored.
    scopes: row.scopes.split(' ').flatMap((name) => Scope.safeParse(name).data ?? []),
    createdAt: iso(row.created_at),
    expiresAt: iso(row.expires_at),
    revokedAt: row.revoked_at === null ? null : iso(row.revoked_at),
  };
}
