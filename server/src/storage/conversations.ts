import { Id } from '@devlm/protocol/ids.ts';
import { joinDeltas } from '@devlm/protocol/reducer.ts';
import type { ConversationSummary } from '@devlm/protocol/views.ts';
import { conflict, notFound } from './problems.ts';
import { addSearchText, type Draft, writeEvents } from './projection.ts';
import { eventsOfTurns, isId, toEvent, toSummary } from './rows.ts';
import type { Tx } from './schema.ts';
import type { SqlDialect } from './sql-dialect.ts';
import type { NewEvent } from './store.ts';
import { pathOf } from './turn-tree.ts';

/** The turn that a branch ends with. */
export interface BranchPoint {
  readonly conversationId: string;
  readonly turnId: string;
}

export interface NewConversation {
  readonly id: string;
  readonly title: string;
  readonly projectId: string | null;
  readonly userId: string;
  readonly branchOf: BranchPoint | null;
}

/**
 * Inserts a conversation and its first event, or answers the one that this same request made before.
 * @throws ProblemError `conflict` where the id is another one's
 */
export async function writeConversation(
  tx: Tx,
  dialect: SqlDialect,
  { id, title, projectId, userId, branchOf }: NewConversation,
  now: Date,
): Promise<ConversationSummary> {
  Id.parse(id);
  const at = now.getTime();
  const row = await tx
    .insertInto('conversations')
    .values({
      id,
      user_id: userId,
      title: JSON.stringify(title),
      project_id: projectId,
      head: null,
      last_seq: 1,
      turns: 0,
      open_turns: 0,
      cost_usd: 0,
      created_at: at,
      updated_at: at,
      deleted_at: null,
    })
    .onConflict((known) => known.column('id').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!row) {
    const known = await tx.selectFrom('conversations').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    if (known.user_id !== userId) throw conflict('This id is taken. Choose another.');
    const first = await tx
      .selectFrom('events')
      .select(['seq', 'at', 'data'])
      .where('conversation_id', '=', id)
      .where('seq', '=', 1)
      .executeTakeFirstOrThrow();
    const event = toEvent(first);
    const same = event.type === 'conversation.created' && event.branchOf?.turnId === branchOf?.turnId;
    if (branchOf && !same) throw conflict('A conversation with this id exists already.');
    return toSummary(known);
  }
  const body: NewEvent = { type: 'conversation.created', title, projectId, branchOf };
  await tx
    .insertInto('events')
    .values({ conversation_id: id, seq: 1, at, turn_id: null, data: JSON.stringify(body) })
    .execute();
  await addSearchText(tx, dialect, { conversation_id: id, turn_id: null, part: 'title', text: title });
  return toSummary(row);
}

/**
 * Makes a conversation of its own out of a turn and all that came before it. A turn that is under way has ended there.
 * @throws ProblemError `not_found`, or `conflict` where the id is another one's
 */
export async function copyBranch(
  tx: Tx,
  dialect: SqlDialect,
  from: BranchPoint,
  id: string,
  now: Date,
): Promise<ConversationSummary> {
  if (!isId(from.conversationId)) throw notFound('conversation');
  const source = await tx
    .selectFrom('conversations')
    .selectAll()
    .where('id', '=', from.conversationId)
    // Nobody appends to it meanwhile. On SQLite the transaction itself holds the write lock.
    .$if(dialect.kind === 'postgres', (query) => query.forShare())
    .executeTakeFirst();
  if (!source) throw notFound('conversation');
  const path = await pathOf(tx, from.conversationId, from.turnId, Number.MAX_SAFE_INTEGER);
  if (path.length === 0) throw notFound('turn');
  const made = await writeConversation(
    tx,
    dialect,
    {
      id,
      title: JSON.parse(source.title),
      projectId: source.project_id,
      userId: source.user_id,
      branchOf: from,
    },
    now,
  );
  if (made.turns > 0) return made;

  const events = await eventsOfTurns(tx, from.conversationId, path);
  const drafts: Draft[] = [];
  for (const turn of path) {
    for (const { seq: _seq, at, ...body } of joinDeltas(events.get(turn.turn_id) ?? [])) {
      drafts.push({ at: Date.parse(at), body });
    }
    if (turn.status === 'ended') continue;
    const body: NewEvent = { type: 'turn.ended', turnId: turn.turn_id, outcome: 'stopped' };
    drafts.push({ at: now.getTime(), body });
  }
  await writeEvents(tx, dialect, id, drafts, { copied: true });
  return toSummary(await tx.selectFrom('conversations').selectAll().where('id', '=', id).executeTakeFirstOrThrow());
}
