import type { BlobStore } from '../ports/blobs.ts';
import type { BudgetStore } from '../ports/budgets.ts';
import type { ConversationStore } from '../ports/conversations.ts';
import type { EventStore } from '../ports/events.ts';
import type { ExecutionStore } from '../ports/executions.ts';
import type { InstanceStore } from '../ports/instances.ts';
import type { LeaseStore } from '../ports/leases.ts';
import type { OwnerStore } from '../ports/owners.ts';
import type { Store } from '../ports/store.ts';
import type { TokenKeyStore } from '../ports/token-keys.ts';
import type { TokenStore } from '../ports/tokens.ts';
import type { TurnStore } from '../ports/turns.ts';
import type { UserStore } from '../ports/users.ts';
import type { Seal } from '../seal.ts';
import type { SqlAccess } from './access.ts';
import { SqlBlobs } from './blobs.ts';
import { SqlBudgets } from './budgets.ts';
import { SqlConversations } from './conversations.ts';
import { SqlEvents } from './events.ts';
import { SqlExecutions } from './executions.ts';
import { SqlInstances } from './instances.ts';
import { SqlLedger } from './ledger.ts';
import { SqlOwners } from './owners.ts';
import type { Db, Tx } from './schema.ts';
import type { SqlDialect } from './sql-dialect.ts';
import { SqlTokenKeys } from './token-keys.ts';
import { SqlTokens } from './tokens.ts';
import { SqlTurns } from './turn-tree.ts';
import { SqlUsers } from './users.ts';

/** Options of `SqlStore`. */
export interface SqlStoreOptions {
  readonly db: Db;
  readonly dialect: SqlDialect;
  readonly now: () => Date;
  readonly seal: Seal;
  /** Creates the lease store, which the two dialects implement differently. */
  readonly leases: (access: SqlAccess) => LeaseStore;
}

/** Store on an SQL database, for both dialects. */
export class SqlStore implements Store {
  readonly conversations: ConversationStore;
  readonly events: EventStore;
  readonly turns: TurnStore;
  readonly leases: LeaseStore;
  readonly blobs: BlobStore;
  readonly executions: ExecutionStore;
  readonly ledger: SqlLedger;
  readonly budgets: BudgetStore;
  readonly owners: OwnerStore;
  readonly users: UserStore;
  readonly tokens: TokenStore;
  readonly tokenKeys: TokenKeyStore;
  readonly instances: InstanceStore;
  readonly #db: Db;
  readonly #dialect: SqlDialect;

  constructor({ db, dialect, now, seal, leases }: SqlStoreOptions) {
    this.#db = db;
    this.#dialect = dialect;
    const access: SqlAccess = {
      kind: dialect.kind,
      dialect,
      seal,
      now,
      read: (work) => this.#run(work),
      write: (work) => this.#write(work),
      commit: (work) => this.#commit(work),
      syncToDisk: () => this.#syncToDisk(),
    };
    this.leases = leases(access);
    this.events = new SqlEvents(access, this.leases);
    this.conversations = new SqlConversations(access, this.events);
    this.turns = new SqlTurns(access);
    this.blobs = new SqlBlobs(access);
    this.executions = new SqlExecutions(access);
    this.ledger = new SqlLedger(access);
    this.budgets = new SqlBudgets(access);
    this.owners = new SqlOwners(access);
    this.users = new SqlUsers(access);
    this.tokens = new SqlTokens(access);
    this.tokenKeys = new SqlTokenKeys(access);
    this.instances = new SqlInstances(access);
  }

  get kind(): Store['kind'] {
    return this.#dialect.kind;
  }

  maintain(): Promise<void> {
    return this.#run((db) => this.#dialect.maintain(db));
  }

  async close(): Promise<void> {
    await this.ledger.flush();
    await this.#dialect.close();
    await this.#db.destroy();
  }

  async #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await this.#commit(work);
    await this.#syncToDisk();
    return result;
  }

  #commit<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#run((db) => db.transaction().execute(work));
  }

  #syncToDisk(): Promise<void> {
    return this.#run(() => this.#dialect.syncToDisk());
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
