import { type RawBuilder, type SqlBool, sql } from 'kysely';
import type { FreeTurn, Lease, LeaseStore, Permit } from '../ports/leases.ts';
import type { SqlAccess } from '../sql/access.ts';
import { openTurnsWithProject } from '../sql/open-turns.ts';
import { isId, toTurnRow } from '../sql/rows.ts';

/**
 * Leases of nodes that share PostgreSQL. They are columns of the conversation: an append checks and locks them in the
 * statement that numbers its events.
 */
export class PostgresLeases implements LeaseStore {
  readonly #sql: SqlAccess;
  /** Clock of the database, in milliseconds since 1970. */
  readonly #clock = sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  async take(conversationId: string, node: string, forMs: number): Promise<Lease | null> {
    if (!isId(conversationId)) return null;
    const row = await this.#sql.write((tx) =>
      tx
        .updateTable('conversations')
        .set((eb) => ({ node, leased_until: this.#clockPlus(forMs), fence: eb('fence', '+', 1) }))
        .where('id', '=', conversationId)
        .where(this.#isAvailableTo(node))
        .returning('fence')
        .executeTakeFirst(),
    );
    return row ? { conversationId, fence: row.fence } : null;
  }

  async renew(leases: readonly Lease[], node: string, forMs: number): Promise<Lease[]> {
    if (leases.length === 0) return [];
    const ids = leases.map(({ conversationId }) => conversationId);
    const rows = await this.#sql.write((tx) =>
      tx
        .updateTable('conversations')
        .set({ leased_until: this.#clockPlus(forMs) })
        .where('id', 'in', ids)
        .where('node', '=', node)
        .returning(['id', 'fence'])
        .execute(),
    );
    return leases.filter((lease) => rows.some(({ id, fence }) => id === lease.conversationId && fence === lease.fence));
  }

  async release({ conversationId, fence }: Lease): Promise<void> {
    await this.#sql.write((tx) =>
      tx
        .updateTable('conversations')
        .set({ node: null, leased_until: this.#clock, fence: fence + 1 })
        .where('id', '=', conversationId)
        .where('fence', '=', fence)
        .execute(),
    );
  }

  async holder(conversationId: string): Promise<string | null> {
    if (!isId(conversationId)) return null;
    const row = await this.#sql.read((db) =>
      db
        .selectFrom('conversations')
        .select('node')
        .where('id', '=', conversationId)
        .where('leased_until', '>=', this.#clock)
        .executeTakeFirst(),
    );
    return row?.node ?? null;
  }

  async freeTurns(node: string, limit: number): Promise<FreeTurn[]> {
    const rows = await this.#sql.read((db) =>
      openTurnsWithProject(db)
        .select('conversations.node')
        .select(
          sql<number>`${this.#clock} - case when coalesce(leased_until, 0) > turns.created_at then leased_until else turns.created_at end`.as(
            'waited',
          ),
        )
        .where(this.#isAvailableTo(node))
        .limit(limit)
        .execute(),
    );
    return rows.map((row) => ({
      ...toTurnRow(row),
      projectId: row.project_id,
      held: row.node === node,
      waitedMs: row.waited,
    }));
  }

  permits({ fence }: Lease): Permit {
    return { fence };
  }

  #clockPlus(milliseconds: number): RawBuilder<number> {
    return sql<number>`${this.#clock} + ${sql.lit(Math.ceil(milliseconds))}`;
  }

  #isAvailableTo(node: string): RawBuilder<SqlBool> {
    return sql<SqlBool>`(node is null or node = ${node} or leased_until < ${this.#clock})`;
  }
}
