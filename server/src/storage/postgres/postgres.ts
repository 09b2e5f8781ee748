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

/** Options of `openPostgres`. */
export interface PostgresOptions {
  /** `postgresql://user:password@host:port/database` */
  readonly url: string;
  /** Version of DevLM, recorded with each migration. */
  readonly version: string;
  /** Clock. Default: the system clock. */
  readonly now?: (() => Date) | undefined;
  /** 32-byte key that seals contents of files and records of runs. Default: they are stored unsealed. */
  readonly key?: Uint8Array | undefined;
  /** Default: all migrations. */
  readonly migrations?: readonly Migration[];
}

/** Maximum number of connections of one server. PostgreSQL's own default is 100 for all clients together. */
const maxConnections = 10;
/** Maximum time to wait for a new or free connection, in milliseconds. */
const connectTimeoutMs = 5_000;
/**
 * Maximum duration of a statement, including waits for locks, in milliseconds. No statement takes this long without a
 * fault.
 */
const statementTimeoutMs = 30_000;
/**
 * Time after which PostgreSQL ends a transaction of a stalled node and releases its locks, in milliseconds. Shorter
 * than a lease, so that another node can continue the conversation.
 */
const idleTransactionMs = 10_000;
/** Type ids of bigint and numeric in PostgreSQL. All values of DevLM fit into a double. */
const numericTypes = new Set([20, 1700]);

/**
 * Opens the team store. `pg` is loaded here and in `examine.ts` only, so the embedded server never runs it.
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
  // A broken connection leaves the pool, and its user gets the error from the statement. Without these listeners, a
  // connection that breaks between two statements would end the process.
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
    `The database has the encoding ${encoding}, but DevLM requires UTF8. Create it with: CREATE DATABASE ... ENCODING 'UTF8'`,
  );
}

/** Returns host and database of a URL, without user and password. */
function addressOf(url: string): string {
  try {
    const { host, pathname, searchParams } = new URL(url);
    return `${host || searchParams.get('host') || 'localhost'}${pathname}`;
  } catch {
    return 'at the configured address';
  }
}

/** The SQL dialect of PostgreSQL: tsvector and error codes. PostgreSQL brings its own maintenance and backups. */
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
    // Words consist of letters, digits and marks, so nothing in them has to be quoted.
    const query = beginnings.map((word) => `'${word}':*`).join(' & ');
    return sql<number>`(select id from search_texts where words @@ ${query}::tsquery)`;
  }

  /** Does nothing: PostgreSQL confirms a commit when it is on disk. */
  async syncToDisk(): Promise<void> {}

  async close(): Promise<void> {}

  async toProblem(error: unknown): Promise<unknown> {
    if (!(error instanceof Error)) return error;
    const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    if (code === '53100') return storeFull(`the database ${this.address}`, error);
    if (busyCodes.has(code)) return storeBusy(error);
    if (code.startsWith('XX00') && code !== 'XX000') {
      const detail = `PostgreSQL reports damaged data in ${this.address}: ${error.message}. Restore a backup.`;
      return storeDamaged(detail, error);
    }
    if (error.message === 'driver has already been destroyed') {
      return storeUnavailable('The storage is closed.', error);
    }
    if (unreachable.test(code) || 'syscall' in error || lostConnection.test(error.message)) {
      const reason = error.message || code;
      return storeUnavailable(`Cannot connect to the database ${this.address}: ${reason}.`, error);
    }
    return error;
  }

  async maintain(): Promise<void> {}
}

/** Codes of deadlock, serialization failure, lock not available, statement timeout and too many connections. */
const busyCodes: ReadonlySet<string> = new Set(['40P01', '40001', '55P03', '57014', '53300']);
/**
 * Codes of connection exceptions, idle transactions, failed authorization, a missing database, a shutdown, and errors of
 * the system's sockets.
 */
const unreachable = /^(08|25P03|28|3D|57P|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOST|ENET|EAI_|ENOENT)/;
/** Messages of `pg` that come without a code. */
const lostConnection = /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/i;
