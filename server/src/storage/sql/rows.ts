import type { Event, EventBody } from '@devlm/protocol/events.ts';
import { Id } from '@devlm/protocol/ids.ts';
import type { ConversationSummary } from '@devlm/protocol/views.ts';
import type { Selectable } from 'kysely';
import type { TurnRow } from '../ports/turns.ts';
import { storeDamaged } from '../problems.ts';
import { type Placeholders, prepared } from './prepared.ts';
import type { ConversationTable, Db, EventTable, TurnTable } from './schema.ts';

/** Maximum number of rows in one statement. SQLite binds 32,766 parameters, PostgreSQL 65,535. */
const maxRows = 500;

/** Splits a list so that each part fits into one statement. */
export function* chunks<T>(items: readonly T[], size = maxRows): Generator<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}

/** Returns whether a store can contain the id. An invalid id is treated like one that does not exist. */
export function isId(id: string): boolean {
  return Id.safeParse(id).success;
}

/**
 * Converts a row to an event.
 * @throws ProblemError `store_damaged`
 */
export function toEvent(row: Pick<EventTable, 'seq' | 'at' | 'data'>): Event {
  try {
    const body: EventBody = JSON.parse(row.data);
    return { seq: row.seq, at: iso(row.at), ...body };
  } catch (error) {
    throw storeDamaged('Cannot read a stored event.', error);
  }
}

/** Converts a row to a conversation as clients see it. */
export function toSummary(row: Selectable<ConversationTable>): ConversationSummary {
  return {
    id: row.id,
    title: JSON.parse(row.title),
    projectId: row.project_id,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
    deletedAt: row.deleted_at === null ? null : iso(row.deleted_at),
    turns: row.turns,
    busy: row.open_turns > 0,
    costUsd: row.cost_usd,
  };
}

/** Converts a row to a turn. */
export function toTurnRow(row: TurnTable): TurnRow {
  return {
    conversationId: row.conversation_id,
    turnId: row.turn_id,
    parent: row.parent,
    status: row.status,
    attempts: row.attempts,
    createdSeq: row.created_seq,
  };
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

const eventsBySeq = prepared((db, values: Placeholders<{ conversationId: string; seqs: number[] }>) =>
  db
    .selectFrom('events')
    .select(['turn_id', 'seq', 'at', 'data'])
    .where('conversation_id', '=', values.conversationId)
    .where('seq', 'in', values.seqs),
);
const laterEventsOf = prepared((db, values: Placeholders<{ conversationId: string; turnIds: string[] }>) =>
  db
    .selectFrom('turns')
    .innerJoin('events', (join) =>
      join
        .onRef('events.conversation_id', '=', 'turns.conversation_id')
        .onRef('events.turn_id', '=', 'turns.turn_id')
        .onRef('events.seq', '>=', 'turns.started_seq')
        .on((eb) => eb('events.seq', '<=', eb.fn.coalesce('turns.ended_seq', eb.lit(Number.MAX_SAFE_INTEGER)))),
    )
    .select(['events.turn_id', 'events.seq', 'events.at', 'events.data'])
    .where('turns.conversation_id', '=', values.conversationId)
    .where('turns.turn_id', 'in', values.turnIds)
    .orderBy('events.seq'),
);

/**
 * Returns the events of some turns of a conversation, by turn id and in order. The events of a turn are at `created_seq`
 * and between `started_seq` and `ended_seq`, so that no index by turn is needed.
 */
export async function eventsOfTurns(
  db: Db,
  conversationId: string,
  turns: readonly TurnTable[],
): Promise<Map<string, Event[]>> {
  const events = new Map<string, Event[]>(turns.map((turn) => [turn.turn_id, []]));
  for (const part of chunks(turns)) {
    const created = await eventsBySeq(db, { conversationId, seqs: part.map((turn) => turn.created_seq) });
    const rest = await laterEventsOf(db, { conversationId, turnIds: part.map((turn) => turn.turn_id) });
    for (const row of [...created, ...rest]) events.get(row.turn_id ?? '')?.push(toEvent(row));
  }
  return events;
}
