import { setImmediate } from 'node:timers/promises';
import { Id } from '@devlm/protocol/ids.ts';
import { joinDeltas } from '@devlm/protocol/reducer.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import type { ConversationSummary } from '@devlm/protocol/views.ts';
import { sql } from 'kysely';
import type {
  BranchPoint,
  ConversationStore,
  ListOptions,
  NewConversation,
  StoredConversation,
} from '../ports/conversations.ts';
import type { EventStore, NewEvent } from '../ports/events.ts';
import { conflict, notFound } from '../problems.ts';
import type { SqlAccess } from './access.ts';
import { listConversations } from './conversation-list.ts';
import { type Placeholders, prepared } from './prepared.ts';
import { addSearchText, type EventDraft, writeEvents } from './projection.ts';
import { eventsOfTurns, isId, toEvent, toSummary } from './rows.ts';
import type { Tx } from './schema.ts';
import type { SqlDialect } from './sql-dialect.ts';
import { pathOf } from './turn-tree.ts';

const conversationById = prepared((db, { id }: Placeholders<{ id: string }>) =>
  db.selectFrom('conversations').selectAll().where('id', '=', id),
);

/** The list of conversations of an SQL store. */
export class SqlConversations implements ConversationStore {
  readonly #sql: SqlAccess;
  readonly #events: EventStore;

  constructor(access: SqlAccess, events: EventStore) {
    this.#sql = access;
    this.#events = events;
  }

  create(conversation: NewConversation): Promise<ConversationSummary> {
    const row = { userId: localUser, ...conversation, branchOf: null };
    return this.#sql.write((tx) => writeConversation(tx, this.#sql.dialect, row, this.#sql.now()));
  }

  get(id: string): Promise<StoredConversation | null> {
    return this.#sql.read(async (db) => {
      if (!isId(id)) return null;
      const [row] = await conversationById(db, { id });
      return row ? { ...toSummary(row), head: row.head, lastSeq: row.last_seq, userId: row.user_id } : null;
    });
  }

  list(options: ListOptions): Promise<{ items: ConversationSummary[]; next: string | null }> {
    return this.#sql.read((db) => listConversations(db, this.#sql.dialect, options));
  }

  setDeleted(id: string, deleted: boolean): Promise<void> {
    return this.#sql.write(async (tx) => {
      if (!isId(id)) throw notFound('conversation');
      const now = this.#sql.now().getTime();
      const row = await tx
        .updateTable('conversations')
        // Deleting again keeps the time of the first deletion, so that the purge is not postponed.
        .set({ deleted_at: deleted ? sql<number>`coalesce(deleted_at, cast(${now} as bigint))` : null })
        .where('id', '=', id)
        .returning('id')
        .executeTakeFirst();
      if (!row) throw notFound('conversation');
    });
  }

  async purgeDeleted(before: Date): Promise<number> {
    const time = before.getTime();
    const deleted = await this.#sql.read((db) =>
      db.selectFrom('conversations').select('id').where('deleted_at', '<', time).execute(),
    );
    let purged = 0;
    // One transaction per conversation, with other work in between, so that no message waits for the whole purge.
    for (const { id } of deleted) {
      const row = await this.#sql.write((tx) =>
        tx
          .deleteFrom('conversations')
          .where('id', '=', id)
          .where('deleted_at', '<', time)
          .returning('id')
          .executeTakeFirst(),
      );
      if (row) purged++;
      await setImmediate();
    }
    await this.#sql.write((tx) =>
      tx
        .deleteFrom('blobs')
        .where('touched_at', '<', time)
        .where((eb) =>
          eb.not(
            eb.exists(
              eb.selectFrom('blob_uses').select('blob_uses.hash').whereRef('blob_uses.hash', '=', 'blobs.hash'),
            ),
          ),
        )
        .execute(),
    );
    return purged;
  }

  branch(from: BranchPoint, id: string): Promise<ConversationSummary> {
    return this.#sql.write((tx) => copyBranch(tx, this.#sql.dialect, from, id, this.#sql.now()));
  }

  async copiedFrom(id: string): Promise<string | null> {
    const [first] = await this.#events.read(id, 0, 1);
    return first?.type === 'conversation.created' ? (first.branchOf?.conversationId ?? null) : null;
  }
}

interface ConversationRow extends NewConversation {
  readonly userId: string;
  readonly branchOf: BranchPoint | null;
}

/**
 * Inserts a conversation and its first event. Returns the existing conversation if the same request was made before.
 * @throws ProblemError `conflict` if the id belongs to another conversation
 */
async function writeConversation(
  tx: Tx,
  dialect: SqlDialect,
  { id, title, projectId, userId, branchOf }: ConversationRow,
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
    .onConflict((oc) => oc.column('id').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!row) {
    const existing = await tx.selectFrom('conversations').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    if (existing.user_id !== userId) throw conflict('This id is already in use. Choose another id.');
    const first = await tx
      .selectFrom('events')
      .select(['seq', 'at', 'data'])
      .where('conversation_id', '=', id)
      .where('seq', '=', 1)
      .executeTakeFirstOrThrow();
    const event = toEvent(first);
    const sameSource = event.type === 'conversation.created' && event.branchOf?.turnId === branchOf?.turnId;
    if (branchOf && !sameSource) throw conflict('A conversation with this id already exists.');
    return toSummary(existing);
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
 * Copies a turn and its ancestors into a new conversation. A turn that has not ended is copied as stopped.
 * @throws ProblemError `not_found`, or `conflict` if the id belongs to another conversation
 */
async function copyBranch(
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
    // The lock keeps others from appending to it in the meantime. On SQLite the transaction itself holds the write
    // lock.
    .$if(dialect.kind === 'postgres', (query) => query.forShare())
    .executeTakeFirst();
  if (!source) throw notFound('conversation');
  const path = await pathOf(tx, from.conversationId, from.turnId, Number.MAX_SAFE_INTEGER);
  if (path.length === 0) throw notFound('message');
  const created = await writeConversation(
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
  if (created.turns > 0) return created;

  const events = await eventsOfTurns(tx, from.conversationId, path);
  const drafts: EventDraft[] = [];
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
