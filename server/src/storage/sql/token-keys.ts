import { sql } from 'kysely';
import type { TokenKey, TokenKeyStore } from '../ports/token-keys.ts';
import { tokenKeysDamaged } from '../problems.ts';
import { isSealed } from '../seal.ts';
import type { SqlAccess } from './access.ts';
import type { Db, Tx } from './schema.ts';

/** Maximum number of keys. The oldest are removed when a new key is added. */
export const maxTokenKeys = 20;

/** Returns the place that the key is sealed for. */
const placeOf = (kid: string) => `token-keys/${kid}`;

/** The keys that sign tokens, of an SQL store. */
export class SqlTokenKeys implements TokenKeyStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  async list(): Promise<TokenKey[]> {
    return (await this.#sql.read((db) => this.#read(db))).map(toKey);
  }

  add(key: TokenKey, after: string | null): Promise<TokenKey[]> {
    return this.#change(async (tx) => {
      const existing = await this.#read(tx);
      if ((existing[0]?.kid ?? null) !== after) return;
      await this.#insert(tx, key, (existing[0]?.number ?? 0) + 1);
      const surplus = existing.slice(maxTokenKeys - 1).map(({ kid }) => kid);
      if (surplus.length > 0) await tx.deleteFrom('token_keys').where('kid', 'in', surplus).execute();
    });
  }

  takeOver(keys: readonly TokenKey[]): Promise<TokenKey[]> {
    return this.#change(async (tx) => {
      const existing = await this.#read(tx);
      let number = existing.at(-1)?.number ?? 1;
      for (const key of keys) if (!existing.some(({ kid }) => kid === key.kid)) await this.#insert(tx, key, --number);
    });
  }

  startOver(key: TokenKey): Promise<TokenKey[]> {
    return this.#change(async (tx) => {
      await tx.deleteFrom('token_keys').execute();
      await this.#insert(tx, key, 1);
      const now = this.#sql.now().getTime();
      await tx.updateTable('tokens').set({ revoked_at: now }).where('revoked_at', 'is', null).execute();
    });
  }

  /**
   * Makes one change at a time. All keys are opened before the commit, which fails if the new key was stored unsealed for
   * lack of a data key.
   */
  #change(work: (tx: Tx) => Promise<void>): Promise<TokenKey[]> {
    return this.#sql.write(async (tx) => {
      // On SQLite the transaction itself holds the write lock.
      if (this.#sql.kind === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(lockKey)})`.execute(tx);
      await work(tx);
      return (await this.#read(tx)).map(toKey);
    });
  }

  async #insert(tx: Tx, { kid, privateKey }: TokenKey, number: number): Promise<void> {
    const data = this.#sql.seal.close(Buffer.from(privateKey), placeOf(kid));
    await tx.insertInto('token_keys').values({ kid, number, data }).execute();
  }

  /** Returns all keys, newest first. */
  async #read(db: Db): Promise<(TokenKey & { number: number })[]> {
    const rows = await db.selectFrom('token_keys').selectAll().orderBy('number', 'desc').execute();
    return rows.map(({ kid, number, data }) => ({ kid, number, privateKey: this.#open(kid, data) }));
  }

  #open(kid: string, data: Uint8Array): string {
    // Someone who can write to the database, but lacks the data key, could insert their own key.
    if (!isSealed(data)) throw tokenKeysDamaged();
    try {
      return Buffer.from(this.#sql.seal.open(data, placeOf(kid))).toString();
    } catch (error) {
      throw tokenKeysDamaged(error);
    }
  }
}

/** Key of the advisory lock: a fixed number that differs from those of the migrations and budgets. */
const lockKey = 0x64_65_76_6c_6b;

function toKey({ kid, privateKey }: TokenKey): TokenKey {
  return { kid, privateKey };
}
