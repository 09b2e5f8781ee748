import type { TurnRecord } from '@devlm/protocol/state.ts';
import { sql } from 'kysely';
import type { TurnRow, TurnStore } from '../ports/turns.ts';
import { notFound } from '../problems.ts';
import type { SqlAccess } from './access.ts';
import { type Placeholders, prepared } from './prepared.ts';
import { chunks, eventsOfTurns, isId, toTurnRow } from './rows.ts';
import type { Db, TurnTable } from './schema.ts';

/** The tree of turns of an SQL store. */
export class SqlTurns implements TurnStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  get(conversationId: string, turnId: string): Promise<TurnRow | null> {
    return this.#sql.read(async (db) => {
      const [row] = await pathOf(db, conversationId, turnId, 1);
      return row ? toTurnRow(row) : null;
    });
  }

  branchOf(conversationId: string, turnId: string, limit: number) {
    return this.#sql.read((db) => readBranch(db, conversationId, turnId, limit));
  }

  newestBelow(conversationId: string, turnId: string): Promise<string> {
    return this.#sql.read((db) => newestBelow(db, conversationId, turnId));
  }

  open(conversationId?: string): Promise<TurnRow[]> {
    return this.#sql.read((db) => openTurns(db, conversationId));
  }
}

const selectPath = prepared((db, values: Placeholders<{ conversationId: string; turnId: string; limit: number }>) =>
  db
    .withRecursive('path', (cte) =>
      cte
        .selectFrom('turns')
        .selectAll('turns')
        .select(sql<number>`cast(1 as bigint)`.as('depth'))
        .where('conversation_id', '=', values.conversationId)
        .where('turn_id', '=', values.turnId)
        .unionAll(
          cte
            .selectFrom('turns')
            .innerJoin('path', 'path.parent', 'turns.turn_id')
            .selectAll('turns')
            .select(sql<number>`path.depth + 1`.as('depth'))
            .where('turns.conversation_id', '=', values.conversationId)
            .where('path.depth', '<', values.limit),
        ),
    )
    .selectFrom('path')
    .selectAll()
    .orderBy('depth', 'desc'),
);

/** Returns the turn and its ancestors, oldest first, at most `limit` of them; nothing if there is no such turn. */
export async function pathOf(db: Db, conversationId: string, turnId: string, limit: number): Promise<TurnTable[]> {
  if (!isId(conversationId) || !isId(turnId)) return [];
  return selectPath(db, { conversationId, turnId, limit });
}

/**
 * Reads the turns of a branch with their siblings and events.
 * @throws ProblemError `not_found`
 */
async function readBranch(
  db: Db,
  conversationId: string,
  turnId: string,
  limit: number,
): Promise<{ turns: TurnRecord[]; older: string | null }> {
  const path = await pathOf(db, conversationId, turnId, limit);
  if (path.length === 0) throw notFound('message');
  const children = await childrenOf(db, conversationId, new Set(path.map((turn) => turn.parent)));
  const events = await eventsOfTurns(db, conversationId, path);
  return {
    turns: path.map((turn) => ({
      turnId: turn.turn_id,
      siblings: children.get(turn.parent) ?? [turn.turn_id],
      events: events.get(turn.turn_id) ?? [],
    })),
    older: path[0]?.parent ?? null,
  };
}

/**
 * Returns the id of the newest turn at or below the given one.
 * @throws ProblemError `not_found`
 */
async function newestBelow(db: Db, conversationId: string, turnId: string): Promise<string> {
  const [turn] = await pathOf(db, conversationId, turnId, 1);
  if (!turn) throw notFound('message');
  const { rows } = await sql<{ turn_id: string }>`
    with recursive path(turn_id, depth) as (
      select cast(${turnId} as text), 0
      union all
      select (
        select child.turn_id from turns child
        where child.conversation_id = ${conversationId} and child.parent = path.turn_id
        order by child.created_seq desc limit 1
      ), path.depth + 1
      from path where path.turn_id is not null
    )
    select turn_id from path where turn_id is not null order by depth desc limit 1`.execute(db);
  return rows[0]?.turn_id ?? turnId;
}

const selectRoots = prepared((db, values: Placeholders<{ conversationId: string }>) =>
  db
    .selectFrom('turns')
    .select(['turn_id', 'parent'])
    .where('conversation_id', '=', values.conversationId)
    .where('parent', 'is', null)
    .orderBy('created_seq'),
);
const selectChildren = prepared((db, values: Placeholders<{ conversationId: string; parents: string[] }>) =>
  db
    .selectFrom('turns')
    .select(['turn_id', 'parent'])
    .where('conversation_id', '=', values.conversationId)
    .where('parent', 'in', values.parents)
    .orderBy('created_seq'),
);

/** Returns turn ids by parent, oldest first. */
async function childrenOf(
  db: Db,
  conversationId: string,
  parents: ReadonlySet<string | null>,
): Promise<Map<string | null, string[]>> {
  const rows = parents.has(null) ? await selectRoots(db, { conversationId }) : [];
  for (const part of chunks([...parents].filter((parent) => parent !== null)))
    rows.push(...(await selectChildren(db, { conversationId, parents: part })));
  const children = new Map<string | null, string[]>();
  for (const { turn_id, parent } of rows) {
    const siblings = children.get(parent);
    if (siblings) siblings.push(turn_id);
    else children.set(parent, [turn_id]);
  }
  return children;
}

const selectOpenTurns = prepared((db, { conversationId: id }: Placeholders<{ conversationId?: string | undefined }>) =>
  db
    .selectFrom('turns')
    .selectAll()
    // A literal instead of a parameter, so that the planner can use the partial index.
    .where('status', '<>', sql.lit('ended'))
    .$if(id !== undefined, (query) => (id ? query.where('conversation_id', '=', id) : query))
    .orderBy('created_at')
    .orderBy('conversation_id')
    .orderBy('created_seq'),
);

/** Returns the turns that have not ended, oldest first. */
async function openTurns(db: Db, conversationId?: string): Promise<TurnRow[]> {
  return (await selectOpenTurns(db, { conversationId })).map(toTurnRow);
}

/** Returns the last sequence number of each conversation that exists. */
export async function lastSeqs(db: Db, conversationIds: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const ids of chunks(conversationIds)) {
    const rows = await db.selectFrom('conversations').select(['id', 'last_seq']).where('id', 'in', ids).execute();
    for (const { id, last_seq } of rows) found.set(id, last_seq);
  }
  return found;
}
