import { Kysely, PostgresDialect, sql } from 'kysely';
import type { Migration } from '../migrations/migration.ts';
import { migrate } from '../migrations/migrations.ts';
import type { Store } from '../ports/store.ts';
import { storeBusy, storeDamaged, storeFull, storeUnavailable } from '../problems.ts';
import { Seal } from '../seal.ts';
import type { Database, Db, Tx } from '../sql/schema.ts';
import type { SqlDialect } from '../sql/sql-dialect.ts';
import { SqlStore } from '../sql/sql-store.ts';
import { PostgresLeases } from './leases.ts';

export interface PostgresOptions {
  /** `postgresql://user:password@host:port/database` */
  readonly url: string;
  /** The version of DevLM, recorded with each migration. */
  readonly version: string;
  /** Default: the real time. */
  readonly now?: (() => Date) | undefined;
  /** Seals contents of files and records of runs, 32 bytes. Without it they are kept open. */
  readonly key?: Uint8Array | undefined;
  /** Default: all there are. */
  readonly migrations?: readonly Migration[];
}

/** Connections of one server. PostgreSQL's own default is 100 for all clients together. */
const maxConnections = 10;
/** How long to wait for a connection, new or free. */
const connectTimeoutMs = 5_000;
/** No statement of ours takes this long unless something is wrong; also how long one waits for a lock. */
const statementTimeoutMs = 30_000;
/**
 * How long a transaction of a node that stands still keeps its locks: PostgreSQL then takes them back. Shorter than a
 * lease, so that another node can go on with the conversation.
 */
const idleTransactionMs = 10_000;
/** What PostgreSQL calls the types bigint and numeric. Ours all fit into a double. */
const numericTypes = new Set([20, 1700]);

/**
 * Opens the team store. `pg` is loaded here and nowhere else, so the embedded server never runs it.
 * @throws ProblemError `store_newer`, `store_busy` or `store_unavailable`
 */
export async function openPostgres(options: PostgresOptions): Promise<Store> {
  const { default: pg } = await import('pg');
  const now = options.now ?? (() => new Date());
  const pool = new pg.Pool({
    connectionString: options.url,
    max: maxConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleTransactionMs,
    application_name: 'devlm',
    keepAlive: true,
    types: {
      getTypeParser: (type: number, format?: 'text' | 'binary') =>
        numericTypes.has(type) && format !== 'binary' ? Number : pg.types.getTypeParser(type, format),
    },
  });
  // A broken connection leaves the pool; whoever was using it gets the error from the statement. Without
  // these listeners the one that breaks between two statements would end the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const dialect = new Postgres(addressOf(options.url));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  try {
    await requireUnicode(db);
    await migrate(db, {
      kind: 'postgres',
      version: options.version,
      now,
      name: `The database ${dialect.address}`,
      ...(options.migrations ? { migrations: options.migrations } : {}),
    });
    return new SqlStore({
      db,
      dialect,
      now,
      seal: new Seal(options.key),
      leases: (access) => new PostgresLeases(access),
    });
  } catch (error) {
    await db.destroy();
    throw await dialect.toProblem(error);
  }
}

async function requireUnicode(db: Db): Promise<void> {
  const { rows } = await sql<{ server_encoding: string }>`show server_encoding`.execute(db);
  const encoding = rows[0]?.server_encoding;
  if (encoding === 'UTF8') return;
  throw storeUnavailable(
    `The database has the encoding ${encoding}. Create it with: CREATE DATABASE ... ENCODING 'UTF8'`,
  );
}

/** Host and database, without user and password. */
function addressOf(url: string): string {
  try {
    const { host, pathname, searchParams } = new URL(url);
    return `${host || searchParams.get('host') || 'localhost'}${pathname}`;
  } catch {
    return 'of the configured address';
  }
}

/** The differences of PostgreSQL: tsvector, its error codes. It brings its own upkeep and backups. */
class Postgres implements SqlDialect {
  readonly kind = 'postgres';
  readonly refused = undefined;
  readonly address: string;

  constructor(address: string) {
    this.address = address;
  }

  async indexWords(tx: Tx, textId: number, words: readonly string[]): Promise<void> {
    await sql`update search_texts set words = array_to_tsvector(${[...words]}::text[]) where id = ${textId}`.execute(
      tx,
    );
  }

  textsWith(beginnings: readonly string[]) {
    // Words are letters, digits and marks, so nothing in them has to be quoted.
    const query = beginnings.map((word) => `'${word}':*`).join(' & ');
    return sql<number>`(select id from search_texts where words @@ ${query}::tsquery)`;
  }

  /** It answers a commit when that is on its disk. */
  async secured(): Promise<void> {}

  async close(): Promise<void> {}

  async toProblem(error: unknown): Promise<unknown> {
    if (!(error instanceof Error)) return error;
    const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    if (code === '53100') return storeFull(`the database ${this.address}`, error);
    if (busyCodes.has(code)) return storeBusy(error);
    if (code.startsWith('XX00') && code !== 'XX000') {
      const detail = `PostgreSQL reports damaged data in ${this.address}: ${error.message}. Restore its backup.`;
      return storeDamaged(detail, error);
    }
    if (error.message === 'driver has already been destroyed') {
      return storeUnavailable('The storage has been closed.', error);
    }
    if (unreachable.test(code) || 'syscall' in error || lostConnection.test(error.message)) {
      const reason = error.message || code;
      return storeUnavailable(`The database ${this.address} cannot be reached: ${reason}.`, error);
    }
    return error;
  }

  async maintain(): Promise<void> {}
}

/** Deadlock, serialization failure, lock not available, statement timeout, too many connections. */
const busyCodes: ReadonlySet<string> = new Set(['40P01', '40001', '55P03', '57014', '53300']);
/** Connection exceptions, a transaction that stood still, bad authorization, no such database, shutting down, and what the system's sockets say. */
const unreachable = /^(08|25P03|28|3D|57P|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOST|ENET|EAI_|ENOENT)/;
/** What `pg` says without a code. */
const lostConnection = /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/i;
