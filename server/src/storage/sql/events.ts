import type { Event } from '@devlm/protocol/events.ts';
import type { AppendOptions, EventStore, NewEvent } from '../ports/events.ts';
import type { LeaseStore } from '../ports/leases.ts';
import { notFound } from '../problems.ts';
import type { SqlAccess } from './access.ts';
import { type Placeholders, prepared } from './prepared.ts';
import { writeEvents } from './projection.ts';
import { isId, toEvent } from './rows.ts';
import { lastSeqs } from './turn-tree.ts';

/**
 * Types of events of a step in progress. Appending them does not wait for the disk: if a power failure loses them, the
 * next server calls the model again.
 */
const repeatable: ReadonlySet<NewEvent['type']> = new Set([
  'turn.started',
  'step.started',
  'block.started',
  'block.delta',
]);

const eventsAfter = prepared((db, values: Placeholders<{ conversationId: string; after: number; limit: number }>) =>
  db
    .selectFrom('events')
    .select(['seq', 'at', 'data'])
    .where('conversation_id', '=', values.conversationId)
    .where('seq', '>', values.after)
    .orderBy('seq')
    .limit(values.limit),
);

/** The events of an SQL store. */
export class SqlEvents implements EventStore {
  readonly #sql: SqlAccess;
  readonly #leases: LeaseStore;

  constructor(access: SqlAccess, leases: LeaseStore) {
    this.#sql = access;
    this.#leases = leases;
  }

  async append(
    conversationId: string,
    events: readonly NewEvent[],
    { lease, committed }: AppendOptions = {},
  ): Promise<Event[]> {
    const stored = await this.#sql.commit(async (tx) => {
      if (!isId(conversationId)) throw notFound('conversation');
      if (events.length === 0) return [];
      const at = this.#sql.now().getTime();
      return writeEvents(
        tx,
        this.#sql.dialect,
        conversationId,
        events.map((body) => ({ at, body })),
        { permit: lease && this.#leases.permits(lease) },
      );
    });
    committed?.();
    if (!events.every(({ type }) => repeatable.has(type))) await this.#sql.syncToDisk();
    return stored;
  }

  read(conversationId: string, after: number, limit: number): Promise<Event[]> {
    return this.#sql.read(async (db) => {
      if (!isId(conversationId)) return [];
      return (await eventsAfter(db, { conversationId, after, limit })).map(toEvent);
    });
  }

  lastSeqs(conversationIds: readonly string[]): Promise<Map<string, number>> {
    return this.#sql.read((db) => lastSeqs(db, conversationIds));
  }
}
