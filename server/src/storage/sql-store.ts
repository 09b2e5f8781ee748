import { setImmediate } from 'node:timers/promises';
import type { Event } from '@devlm/protocol/events.ts';
import type { ExecutionRecord, Snippet } from '@devlm/protocol/execution.ts';
import { localUser, type TokenInfo } from '@devlm/protocol/tokens.ts';
import type { UserInfo } from '@devlm/protocol/users.ts';
import type { ConversationSummary, UsageTotal } from '@devlm/protocol/views.ts';
import { sql } from 'kysely';
import { findBlob, writeBlob } from './blobs.ts';
import { type BudgetStore, type SqlAccess, SqlBudgets } from './budgets.ts';
import { CallBatch } from './call-batch.ts';
import { listConversations } from './conversation-list.ts';
import { type BranchPoint, copyBranch, writeConversation } from './conversations.ts';
import * as executions from './executions.ts';
import { deleteInstance, listInstances, type StoredInstance, writeInstance } from './instances.ts';
import { type LeaseStore, SharedLeases } from './leases.ts';
import { callWriter, type LedgerCall, usageSince } from './ledger.ts';
import { MemoryLeases } from './memory-leases.ts';
import { claimProject, type Owned, ownerOf } from './owners.ts';
import { type Placeholders, prepared } from './prepared.ts';
import { notFound } from './problems.ts';
import { writeEvents } from './projection.ts';
import { isId, toEvent, toSummary, toTurnRow } from './rows.ts';
import type { Db, Tx } from './schema.ts';
import type { Seal } from './seal.ts';
import type { SqlDialect } from './sql-dialect.ts';
import type { AppendOptions, Blob, ListOptions, NewEvent, Store, StoredConversation, TurnRow } from './store.ts';
import { SqlTokenKeys, type TokenKeyStore } from './token-keys.ts';
import { listTokens, revokeToken, writeToken } from './tokens.ts';
import { lastSeqs, newestBelow, openTurns, pathOf, readBranch } from './turn-tree.ts';
import { turnCosts, type UsageSpan, usageReport } from './usage.ts';
import { disableUser, listUsers, writeUser } from './users.ts';

/** Of a step that is under way: when they are lost with the machine's power, the next server asks the model again. */
const madeAgain: ReadonlySet<NewEvent['type']> = new Set([
  'turn.started',
  'step.started',
  'block.started',
  'block.delta',
]);

const conversationById = prepared((db, { id }: Placeholders<{ id: string }>) =>
  db.selectFrom('conversations').selectAll().where('id', '=', id),
);
const eventsAfter = prepared((db, values: Placeholders<{ conversationId: string; after: number; limit: number }>) =>
  db
    .selectFrom('events')
    .select(['seq', 'at', 'data'])
    .where('conversation_id', '=', values.conversationId)
    .where('seq', '>', values.after)
    .orderBy('seq')
    .limit(values.limit),
);

/** The store on SQL, for both dialects. */
export class SqlStore implements Store {
  readonly #db: Db;
  readonly #dialect: SqlDialect;
  readonly #now: () => Date;
  readonly #seal: Seal;
  readonly #writeCalls = callWriter();
  /** Not secured: on SQLite a loss of power may take the newest with it, and no call waits for the disk. */
  readonly #calls = new CallBatch((calls) => this.#commit((tx) => this.#writeCalls(tx, calls)));
  readonly budgets: BudgetStore;
  readonly leases: LeaseStore;
  readonly tokenKeys: TokenKeyStore;

  constructor(db: Db, dialect: SqlDialect, now: () => Date, seal: Seal) {
    this.#db = db;
    this.#dialect = dialect;
    this.#now = now;
    this.#seal = seal;
    const read = <T>(work: (db: Db) => Promise<T>) => this.#run(work);
    const access: SqlAccess = { kind: dialect.kind, now, read, write: (work) => this.#write(work) };
    this.budgets = new SqlBudgets(access);
    this.tokenKeys = new SqlTokenKeys(access, seal);
    // A file has one server.
    this.leases = dialect.kind === 'sqlite' ? new MemoryLeases(access) : new SharedLeases(access);
  }

  get kind(): Store['kind'] {
    return this.#dialect.kind;
  }

  createConversation(conversation: Parameters<Store['createConversation']>[0]) {
    const wanted = { userId: localUser, ...conversation, branchOf: null };
    return this.#write((tx) => writeConversation(tx, this.#dialect, wanted, this.#now()));
  }

  conversation(id: string): Promise<StoredConversation | null> {
    return this.#run(async (db) => {
      if (!isId(id)) return null;
      const [row] = await conversationById(db, { id });
      return row ? { ...toSummary(row), head: row.head, lastSeq: row.last_seq, userId: row.user_id } : null;
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

  branch(from: BranchPoint, id: string): Promise<ConversationSummary> {
    return this.#write((tx) => copyBranch(tx, this.#dialect, from, id, this.#now()));
  }

  async copiedFrom(id: string): Promise<string | null> {
    const [first] = await this.events(id, 0, 1);
    return first?.type === 'conversation.created' ? (first.branchOf?.conversationId ?? null) : null;
  }

  async append(
    conversationId: string,
    events: readonly NewEvent[],
    { lease, committed }: AppendOptions = {},
  ): Promise<Event[]> {
    const stored = await this.#commit(async (tx) => {
      if (!isId(conversationId)) throw notFound('conversation');
      if (events.length === 0) return [];
      const at = this.#now().getTime();
      return writeEvents(
        tx,
        this.#dialect,
        conversationId,
        events.map((body) => ({ at, body })),
        { permit: lease && this.leases.permits(lease) },
      );
    });
    committed?.();
    if (!events.every(({ type }) => madeAgain.has(type))) await this.#secured();
    return stored;
  }

  events(conversationId: string, after: number, limit: number): Promise<Event[]> {
    return this.#run(async (db) => {
      if (!isId(conversationId)) return [];
      return (await eventsAfter(db, { conversationId, after, limit })).map(toEvent);
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

  lastSeqs(conversationIds: readonly string[]): Promise<Map<string, number>> {
    return this.#run((db) => lastSeqs(db, conversationIds));
  }

  openTurns(conversationId?: string): Promise<TurnRow[]> {
    return this.#run((db) => openTurns(db, conversationId));
  }

  putBlob(blob: Blob): Promise<string> {
    return this.#write((tx) => writeBlob(tx, blob, this.#seal, this.#now()));
  }

  blob(hash: string, userId?: string): Promise<Blob | null> {
    return this.#run((db) => findBlob(db, hash, this.#seal, userId));
  }

  async saveExecution(record: ExecutionRecord, snippet: Snippet, userId = localUser): Promise<void> {
    const packed = await executions.packExecution(record, snippet, this.#seal);
    await this.#write((tx) => executions.writeExecution(tx, packed, userId));
  }

  async execution(id: string): Promise<ExecutionRecord | null> {
    return executions.unpackRecord(await this.#run((db) => executions.findExecution(db, id)), this.#seal);
  }

  async executionLike(inputHash: string, userId = localUser): Promise<ExecutionRecord | null> {
    return executions.unpackRecord(await this.#run((db) => executions.findLike(db, inputHash, userId)), this.#seal);
  }

  async executionsOf(conversationId: string): Promise<ExecutionRecord[]> {
    const rows = await this.#run((db) => executions.findOfConversation(db, conversationId));
    const records = await Promise.all(rows.map((row) => executions.unpackRecord(row, this.#seal)));
    return records.filter((record) => record !== null);
  }

  async snippet(hash: string, userId?: string): Promise<Snippet | null> {
    return executions.unpackSnippet(await this.#run((db) => executions.findSnippet(db, hash, userId)), this.#seal);
  }

  purgeExecutions(before: Date): Promise<number> {
    return this.#write((tx) => executions.purgeExecutions(tx, this.kind, before));
  }

  addCall(call: LedgerCall): Promise<void> {
    return this.#calls.add(call);
  }

  ownerOf(what: Owned, id: string): Promise<string | null> {
    return this.#run((db) => ownerOf(db, what, id));
  }

  claimProject(id: string, userId: string): Promise<string> {
    return this.#write((tx) => claimProject(tx, id, userId));
  }

  addUser(user: UserInfo): Promise<void> {
    return this.#write((tx) => writeUser(tx, user));
  }

  users(): Promise<UserInfo[]> {
    return this.#run((db) => listUsers(db));
  }

  disableUser(id: string): Promise<UserInfo | null> {
    return this.#write((tx) => disableUser(tx, id, this.#now()));
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

  saveInstance(instance: StoredInstance): Promise<void> {
    return this.#write((tx) => writeInstance(tx, instance, this.#seal));
  }

  instances(): Promise<StoredInstance[]> {
    return this.#run((db) => listInstances(db, this.#seal));
  }

  removeInstance(id: string): Promise<boolean> {
    return this.#write((tx) => deleteInstance(tx, id));
  }

  usageReport(span: UsageSpan) {
    return this.#run((db) => usageReport(db, span));
  }

  turnCosts(userId: string, since: Date, limit: number, except: string): Promise<number[]> {
    return this.#run((db) => turnCosts(db, userId, since, limit, except));
  }

  usageSince(since: Date, userId?: string): Promise<UsageTotal> {
    return this.#run((db) => usageSince(db, since, userId));
  }

  maintain(): Promise<void> {
    return this.#run((db) => this.#dialect.maintain(db));
  }

  async close(): Promise<void> {
    await this.#calls.flush();
    await this.#dialect.close();
    await this.#db.destroy();
  }

  /** Runs in one transaction. Resolves when what it wrote is on the disk. */
  async #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await this.#commit(work);
    await this.#secured();
    return result;
  }

  /** The same without waiting for the disk. */
  #commit<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#run((db) => db.transaction().execute(work));
  }

  #secured(): Promise<void> {
    return this.#run(() => this.#dialect.secured());
  }

  async #run<T>(work: (db: Db) => Promise<T>): Promise<T> {
    if (this.#dialect.refused) throw this.#dialect.refused;
    try {
      return await work(this.#db);
    } catch (error) {
      throw await this.#dialect.toProblem(error);
    }
  }
}
