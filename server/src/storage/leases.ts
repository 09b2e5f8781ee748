import { type RawBuilder, type SqlBool, sql } from 'kysely';
import type { SqlAccess } from './budgets.ts';
import { isId, toTurnRow } from './rows.ts';
import type { Db } from './schema.ts';
import type { TurnRow } from './store.ts';

/** A conversation whose turns one node runs. Each time it is taken it has a higher number. */
export interface Lease {
  readonly conversationId: string;
  readonly fence: number;
}

export interface FreeTurn extends TurnRow {
  readonly projectId: string | null;
  /** The node has its conversation. */
  readonly held: boolean;
  /** Since it was created, or the node that had its conversation was last heard of. */
  readonly waitedMs: number;
}

/** Whether a lease still holds; where only the store knows: as long as the conversation's row has this `fence`. */
export type Permit = boolean | { readonly fence: number };

/**
 * Of a store: which node runs the turns of a conversation. A node that lost one cannot append by it any more. Times are
 * those of the store's clock, which all nodes share. Every method is atomic.
 */
export interface LeaseStore {
  /** Null: another node has it, or there is no such conversation. A node may take its own again; the earlier one ends. */
  take(conversationId: string, node: string, forMs: number): Promise<Lease | null>;
  /** Answers those of the leases that the node still has. */
  renew(leases: readonly Lease[], node: string, forMs: number): Promise<Lease[]>;
  /** One that is lost already changes nothing. */
  release(lease: Lease): Promise<void>;
  /** The node that has it; null: nobody. */
  holder(conversationId: string): Promise<string | null>;
  /** Open turns of conversations that no other node has, oldest first. */
  freeTurns(node: string, limit: number): Promise<FreeTurn[]>;
  permits(lease: Lease): Permit;
}

/** Open turns, oldest first, with the project of each. */
export function openTurnsWithProject(db: Db) {
  return (
    db
      .selectFrom('turns')
      .innerJoin('conversations', 'conversations.id', 'turns.conversation_id')
      .selectAll('turns')
      .select('conversations.project_id')
      // As a literal, so that the partial index is seen to fit.
      .where('turns.status', '<>', sql.lit('ended'))
      .orderBy('turns.created_at')
      .orderBy('turns.conversation_id')
      .orderBy('turns.created_seq')
  );
}

/**
 * The leases of nodes that share PostgreSQL. They are columns of the conversation: an append checks and locks them as
 * it numbers its events.
 */
export class SharedLeases implements LeaseStore {
  readonly #sql: SqlAccess;
  /** Milliseconds since 1970. */
  readonly #clock = sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  async take(conversationId: string, node: string, forMs: number): Promise<Lease | null> {
    if (!isId(conversationId)) return null;
    const row = await this.#sql.write((tx) =>
      tx
        .updateTable('conversations')
        .set((eb) => ({ node, leased_until: this.#in(forMs), fence: eb('fence', '+', 1) }))
        .where('id', '=', conversationId)
        .where(this.#isFreeFor(node))
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
        .set({ leased_until: this.#in(forMs) })
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
        .where(this.#isFreeFor(node))
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

  #in(milliseconds: number): RawBuilder<number> {
    return sql<number>`${this.#clock} + ${sql.lit(Math.ceil(milliseconds))}`;
  }

  #isFreeFor(node: string): RawBuilder<SqlBool> {
    return sql<SqlBool>`(node is null or node = ${node} or leased_until < ${this.#clock})`;
  }
}
