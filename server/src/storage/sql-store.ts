import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Event } from '@devlm/protocol/events.ts';
import type { ExecutionRecord, Snippet } from '@devlm/protocol/execution.ts';
import { BlobHash, Id } from '@devlm/protocol/ids.ts';
import { joinDeltas } from '@devlm/protocol/reducer.ts';
import type { TokenInfo } from '@devlm/protocol/tokens.ts';
import type { ConversationSummary, UsageTotal } from '@devlm/protocol/views.ts';
import { sql } from 'kysely';
import { listConversations } from './conversation-list.ts';
import * as executions from './executions.ts';
import { type LedgerCall, usageSince, writeCall } from './ledger.ts';
import { conflict, notFound } from './problems.ts';
import { addSearchText, type Draft, writeEvents } from './projection.ts';
import { eventsOfTurns, isId, toEvent, toSummary, toTurnRow } from './rows.ts';
import type { Db, Tx } from './schema.ts';
import type { SqlDialect } from './sql-dialect.ts';
import type { Blob, ListOptions, NewEvent, Store, TurnRow } from './store.ts';
import { listTokens, revokeToken, writeToken } from './tokens.ts';
import { newestBelow, pathOf, readBranch } from './turn-tree.ts';

/** Of a step that is under way: when they are lost with the machine's power, the next server asks the model again. */
const madeAgain: ReadonlySet<NewEvent['type']> = new Set([
  'turn.started',
  'step.started',
  'block.started',
  'block.delta',
]);

/** The store on SQL, for both dialects. */
export class SqlStore implements Store {
  readonly #db: Db;
  readonly #dialect: SqlDialect;
  readonly #now: () => Date;

  constructor(db: Db, dialect: SqlDialect, now: () => Date) {
    this.#db = db;
    this.#dialect = dialect;
    this.#now = now;
  }

  get kind(): Store['kind'] {
    return this.#dialect.kind;
  }

  createConversation(conversation: { id: string; title: string; projectId: string | null }) {
    return this.#write((tx) => this.#create(tx, { ...conversation, branchOf: null }));
  }

  conversation(id: string) {
    return this.#run(async (db) => {
      if (!isId(id)) return null;
      const row = await db.selectFrom('conversations').selectAll().where('id', '=', id).executeTakeFirst();
      return row ? { ...toSummary(row), head: row.head, lastSeq: row.last_seq } : null;
    });
  }

  conversations(options: ListOptions): Promise<{ items: ConversationSummary[]; next: string | null }> {
    return this.#run((db) => listConversations(db, this.#dialect, options));
  }

  setDeleted(id: string, deleted: boolean): Promise<void> {
    return this.#write(async (tx) => {
      if (!isId(id)) throw notFound('conversation');
      const now = this.#now().getTime();
      const row = await tx
        .updateTable('conversations')
        // Deleting again does not give it more time.
        .set({ deleted_at: deleted ? sql<number>`coalesce(deleted_at, cast(${now} as bigint))` : null })
        .where('id', '=', id)
        .returning('id')
        .executeTakeFirst();
      if (!row) throw notFound('conversation');
    });
  }

  async purgeDeleted(before: Date): Promise<number> {
    const time = before.getTime();
    const gone = await this.#run((db) =>
      db.selectFrom('conversations').select('id').where('deleted_at', '<', time).execute(),
    );
    let purged = 0;
    // One by one, and others in between: a person's message never waits for the whole purge.
    for (const { id } of gone) {
      const row = await this.#write((tx) =>
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
    await this.#write((tx) =>
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

  branch(from: { conversationId: string; turnId: string }, id: string): Promise<ConversationSummary> {
    return this.#write(async (tx) => {
      const source = isId(from.conversationId)
        ? await tx.selectFrom('conversations').selectAll().where('id', '=', from.conversationId).executeTakeFirst()
        : undefined;
      if (!source) throw notFound('conversation');
      const path = await pathOf(tx, from.conversationId, from.turnId, Number.MAX_SAFE_INTEGER);
      if (path.length === 0) throw notFound('turn');
      const title: string = JSON.parse(source.title);
      const made = await this.#create(tx, { id, title, projectId: source.project_id, branchOf: from });
      if (made.turns > 0) return made;

      const events = await eventsOfTurns(tx, from.conversationId, path);
      const drafts: Draft[] = [];
      for (const turn of path) {
        for (const { seq: _seq, at, ...body } of joinDeltas(events.get(turn.turn_id) ?? [])) {
          drafts.push({ at: Date.parse(at), body });
        }
        if (turn.status === 'ended') continue;
        const body: NewEvent = { type: 'turn.ended', turnId: turn.turn_id, outcome: 'stopped' };
        drafts.push({ at: this.#now().getTime(), body });
      }
      await writeEvents(tx, this.#dialect, id, drafts, true);
      return toSummary(await tx.selectFrom('conversations').selectAll().where('id', '=', id).executeTakeFirstOrThrow());
    });
  }

  append(conversationId: string, events: readonly NewEvent[]): Promise<Event[]> {
    const relaxed = events.every(({ type }) => madeAgain.has(type));
    return this.#write(async (tx) => {
      if (!isId(conversationId)) throw notFound('conversation');
      if (events.length === 0) return [];
      const at = this.#now().getTime();
      return writeEvents(
        tx,
        this.#dialect,
        conversationId,
        events.map((body) => ({ at, body })),
      );
    }, relaxed);
  }

  events(conversationId: string, after: number, limit: number): Promise<Event[]> {
    return this.#run(async (db) => {
      if (!isId(conversationId)) return [];
      const rows = await db
        .selectFrom('events')
        .select(['seq', 'at', 'data'])
        .where('conversation_id', '=', conversationId)
        .where('seq', '>', after)
        .orderBy('seq')
        .limit(limit)
        .execute();
      return rows.map(toEvent);
    });
  }

  turn(conversationId: string, turnId: string): Promise<TurnRow | null> {
    return this.#run(async (db) => {
      const [row] = await pathOf(db, conversationId, turnId, 1);
      return row ? toTurnRow(row) : null;
    });
  }

  branchOf(conversationId: string, turnId: string, limit: number) {
    return this.#run((db) => readBranch(db, conversationId, turnId, limit));
  }

  newestBelow(conversationId: string, turnId: string): Promise<string> {
    return this.#run((db) => newestBelow(db, conversationId, turnId));
  }

  openTurns(): Promise<TurnRow[]> {
    return this.#run(async (db) => {
      const rows = await db
        .selectFrom('turns')
        .selectAll()
        // As a literal, so that the partial index is seen to fit.
        .where('status', '<>', sql.lit('ended'))
        .orderBy('created_at')
        .orderBy('conversation_id')
        .orderBy('created_seq')
        .execute();
      return rows.map(toTurnRow);
    });
  }

  putBlob(blob: Blob): Promise<string> {
    return this.#write(async (tx) => {
      const hash = createHash('sha256').update(blob.data).digest('hex');
      const touched_at = this.#now().getTime();
      await tx
        .insertInto('blobs')
        .values({ hash, media_type: blob.mediaType, touched_at, data: blob.data })
        .onConflict((known) => known.column('hash').doUpdateSet({ touched_at }))
        .execute();
      return hash;
    });
  }

  blob(hash: string): Promise<Blob | null> {
    return this.#run(async (db) => {
      if (!BlobHash.safeParse(hash).success) return null;
      const row = await db
        .selectFrom('blobs')
        .select(['media_type', 'data'])
        .where('hash', '=', hash)
        .executeTakeFirst();
      return row ? { mediaType: row.media_type, data: row.data } : null;
    });
  }

  async saveExecution(record: ExecutionRecord, snippet: Snippet): Promise<void> {
    const packed = await executions.packExecution(record, snippet);
    await this.#write((tx) => executions.writeExecution(tx, packed));
  }

  async execution(id: string): Promise<ExecutionRecord | null> {
    return executions.unpackRecord(await this.#run((db) => executions.findExecution(db, id)));
  }

  async executionLike(inputHash: string): Promise<ExecutionRecord | null> {
    return executions.unpackRecord(await this.#run((db) => executions.findLike(db, inputHash)));
  }

  async executionsOf(conversationId: string): Promise<ExecutionRecord[]> {
    const rows = await this.#run((db) => executions.findOfConversation(db, conversationId));
    return (await Promise.all(rows.map(executions.unpackRecord))).filter((record) => record !== null);
  }

  async snippet(hash: string): Promise<Snippet | null> {
    return executions.unpackSnippet(await this.#run((db) => executions.findSnippet(db, hash)));
  }

  purgeExecutions(before: Date): Promise<number> {
    return this.#write((tx) => executions.purgeExecutions(tx, before));
  }

  addCall(call: LedgerCall): Promise<void> {
    return this.#write((tx) => writeCall(tx, call));
  }

  addToken(token: TokenInfo): Promise<void> {
    return this.#write((tx) => writeToken(tx, token));
  }

  tokens(): Promise<TokenInfo[]> {
    return this.#run((db) => listTokens(db, this.#now()));
  }

  revokeToken(id: string): Promise<TokenInfo | null> {
    return this.#write((tx) => revokeToken(tx, id, this.#now()));
  }

  usageSince(since: Date): Promise<UsageTotal> {
    return this.#run((db) => usageSince(db, since));
  }

  maintain(): Promise<void> {
    return this.#run((db) => this.#dialect.maintain(db));
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }

  /** Inserts a conversation and its first event, or answers the one that this same request made before. */
  async #create(
    tx: Tx,
    conversation: {
      id: string;
      title: string;
      projectId: string | null;
      branchOf: { conversationId: string; turnId: string } | null;
    },
  ): Promise<ConversationSummary> {
    const { id, title, projectId, branchOf } = conversation;
    Id.parse(id);
    const at = this.#now().getTime();
    const row = await tx
      .insertInto('conversations')
      .values({
        id,
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
    await addSearchText(tx, this.#dialect, { conversation_id: id, turn_id: null, part: 'title', text: title });
    return toSummary(row);
  }

  /** Runs in one transaction. */
  async #write<T>(work: (tx: Tx) => Promise<T>, relaxed = false): Promise<T> {
    const write = (db: Db) => db.transaction().execute(work);
    return this.#run((db) => (relaxed ? this.#dialect.relaxed(db, write) : write(db)));
  }

  async #run<T>(work: (db: Db) => Promise<T>): Promise<T> {
    try {
      return await work(this.#db);
    } catch (error) {
      throw await this.#dialect.toProblem(error);
    }
  }
}
