import type { FreeTurn, Lease, LeaseStore, Permit } from '../ports/leases.ts';
import type { SqlAccess } from '../sql/access.ts';
import { openTurnsWithProject } from '../sql/open-turns.ts';
import { ownerOf } from '../sql/owners.ts';
import { toTurnRow } from '../sql/rows.ts';

/** A lease that a node holds. */
interface NodeLease {
  readonly lease: Lease;
  readonly node: string;
  /** End of the lease, as of `performance.now()`. */
  until: number;
}

/**
 * Leases in memory, for a store that only one process uses, such as an SQLite file. They end with the process, and
 * nothing is written for them.
 */
export class SqliteLeases implements LeaseStore {
  readonly #sql: SqlAccess;
  readonly #held = new Map<string, NodeLease>();
  #fence = 0;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  async take(conversationId: string, node: string, forMs: number): Promise<Lease | null> {
    const owner = await this.#sql.read((db) => ownerOf(db, 'conversation', conversationId));
    if (owner === null || this.#isElsewhere(conversationId, node)) return null;
    const lease = { conversationId, fence: ++this.#fence };
    this.#held.set(conversationId, { lease, node, until: performance.now() + forMs });
    return lease;
  }

  async renew(leases: readonly Lease[], node: string, forMs: number): Promise<Lease[]> {
    return leases.filter((lease) => {
      const held = this.#find(lease);
      if (held?.node !== node) return false;
      held.until = performance.now() + forMs;
      return true;
    });
  }

  async release(lease: Lease): Promise<void> {
    if (this.#find(lease)) this.#held.delete(lease.conversationId);
  }

  async holder(conversationId: string): Promise<string | null> {
    const held = this.#held.get(conversationId);
    return held && held.until >= performance.now() ? held.node : null;
  }

  async freeTurns(node: string, limit: number): Promise<FreeTurn[]> {
    const now = Date.now();
    const rows = await this.#sql.read((db) => openTurnsWithProject(db).execute());
    return rows
      .filter(({ conversation_id }) => !this.#isElsewhere(conversation_id, node))
      .slice(0, limit)
      .map(({ project_id: projectId, ...row }) => ({
        ...toTurnRow(row),
        projectId,
        held: this.#held.get(row.conversation_id)?.node === node,
        waitedMs: now - row.created_at,
      }));
  }

  permits(lease: Lease): Permit {
    return this.#find(lease) !== undefined;
  }

  #find({ conversationId, fence }: Lease): NodeLease | undefined {
    const held = this.#held.get(conversationId);
    return held?.lease.fence === fence ? held : undefined;
  }

  #isElsewhere(conversationId: string, node: string): boolean {
    const held = this.#held.get(conversationId);
    return held !== undefined && held.node !== node && held.until >= performance.now();
  }
}
