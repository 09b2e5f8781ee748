import { closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { ProblemError } from '@devlm/protocol/problem.ts';
import { Kysely, type SqliteDatabase, SqliteDialect, type SqliteStatement, sql } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Migration } from '../migrations/migration.ts';
import { migrate } from '../migrations/migrations.ts';
import type { Store } from '../ports/store.ts';
import { storeBusy, storeDamaged, storeFull, storeUnavailable } from '../problems.ts';
import { Seal } from '../seal.ts';
import type { Database, Db, Tx } from '../sql/schema.ts';
import type { SqlDialect } from '../sql/sql-dialect.ts';
import { SqlStore } from '../sql/sql-store.ts';
import { backUp, backUpDaily, newestGoodBackup } from './backup.ts';
import { DiskRefused, DiskSync } from './disk-sync.ts';
import { SqliteLeases } from './leases.ts';

/** Options of `openSqlite`. */
export interface SqliteOptions {
  /** Path of the database. Its folder is created if missing. Daily backups go to `backups/` beside it. */
  readonly file: string;
  /** Version of DevLM, recorded with each migration. */
  readonly version: string;
  /** Clock. Default: the system clock. */
  readonly now?: (() => Date) | undefined;
  /** 32-byte key that seals contents of files and records of runs. Default: they are stored unsealed. */
  readonly key?: Uint8Array | undefined;
  /** Default: all migrations. */
  readonly migrations?: readonly Migration[];
}

/** Maximum time that a statement waits for another process, in milliseconds. It blocks the thread. */
const busyTimeoutMs = 2_000;
/** "DvLM" in the header of the file, so that a database of another program is recognized. */
const applicationId = 0x44764c4d;
/** Size that the write-ahead log is truncated to after a checkpoint, in bytes. */
const maxWalBytes = 16 * 1024 * 1024;
/** Size of the page cache, in KiB. */
const cacheKiB = 16 * 1024;
/** Maximum number of prepared statements in memory. */
const maxStatements = 200;

/**
 * Opens or creates the embedded store.
 * @throws ProblemError `store_newer`, `store_damaged`, `store_busy`, `store_full` or `store_unavailable`
 */
export async function openSqlite(options: SqliteOptions): Promise<Store> {
  const { file, version } = options;
  const now = options.now ?? (() => new Date());
  const dialect = new Sqlite(file, now);
  let database: NodeSqlite | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    await assertNotEmptied(file);
    // Other users must not read the file. SQLite gives its other files the same mode.
    closeSync(openSync(file, 'a', 0o600));
    database = new NodeSqlite(file);
    const db = new Kysely<Database>({ dialect: new SqliteDialect({ database }) });
    await assertOwnDatabase(db, file);
    database.configure();
    await migrate(db, {
      kind: 'sqlite',
      version,
      now,
      name: file,
      ...(options.migrations ? { migrations: options.migrations } : {}),
      beforeUpgrade: (from) => backUp(file, `before-v${from + 1}`),
    });
    return new SqlStore({
      db,
      dialect,
      now,
      seal: new Seal(options.key),
      leases: (access) => new SqliteLeases(access),
    });
  } catch (error) {
    database?.close();
    throw await dialect.toProblem(error);
  }
}

/** Throws if the file is empty although backups exist: then it is not a new store, but something emptied it. */
async function assertNotEmptied(file: string): Promise<void> {
  if (!existsSync(file) || statSync(file).size > 0 || existsSync(`${file}-wal`)) return;
  if ((await newestGoodBackup(file)) !== null) throw storeDamaged(await restoreAdvice(file, 'is empty'));
}

/** Throws if the file is a database of another program. */
async function assertOwnDatabase(db: Db, file: string): Promise<void> {
  // Tables are read first, because a server that creates the file at the same time sets the id before the tables.
  const tables = await sql<{ name: string }>`select name from sqlite_schema limit 1`.execute(db);
  const { rows } = await sql<{ application_id: number }>`pragma application_id`.execute(db);
  if (rows[0]?.application_id === applicationId) return;
  if (tables.rows.length > 0) throw storeDamaged(await restoreAdvice(file, 'is not a DevLM database'));
  await sql`pragma application_id = ${sql.lit(applicationId)}`.execute(db);
}

/** Returns a message that says what is wrong with the file and how to restore it. */
async function restoreAdvice(file: string, what: string): Promise<string> {
  const backup = await newestGoodBackup(file);
  const name = basename(file);
  const moveAway = `move ${name}, ${name}-wal and ${name}-shm (those that exist) out of ${dirname(file)}`;
  const nextStep = backup
    ? `copy the newest valid backup, ${backup}, to ${file}`
    : 'start again with an empty store (there is no valid backup)';
  return `${file} ${what}. No data was changed. To recover, close all windows of the editor, ${moveAway}, and ${nextStep}.`;
}

/** The SQL dialect of SQLite: FTS5, error codes and maintenance. */
class Sqlite implements SqlDialect {
  readonly kind = 'sqlite';
  readonly #file: string;
  readonly #now: () => Date;
  readonly #disk: DiskSync;
  #maintaining: Promise<void> | undefined;
  refused: ProblemError | undefined;

  constructor(file: string, now: () => Date) {
    this.#file = file;
    this.#now = now;
    this.#disk = new DiskSync(`${file}-wal`);
  }

  async indexWords(tx: Tx, textId: number, words: readonly string[]): Promise<void> {
    await sql`insert into search_words (rowid, words) values (${textId}, ${words.join(' ')})`.execute(tx);
  }

  textsWith(prefixes: readonly string[]) {
    const query = prefixes.map((word) => `"${word}"*`).join(' AND ');
    return sql<number>`(select rowid from search_words where search_words match ${query})`;
  }

  syncToDisk(): Promise<void> {
    return this.#disk.sync();
  }

  close(): Promise<void> {
    return this.#disk.close();
  }

  async toProblem(error: unknown): Promise<unknown> {
    if (error instanceof DiskRefused) {
      const detail = `Writing ${this.#file} to disk failed: ${error.message}. No more data is read or stored. Check the disk, then restart DevLM.`;
      this.refused ??= storeUnavailable(detail, error);
      return this.refused;
    }
    // The lowest byte is the primary result code, the others refine it: https://sqlite.org/rescode.html
    switch (errorCode(error) & 0xff) {
      case 5: // BUSY
      case 6: // LOCKED
        return storeBusy(error);
      case 13: // FULL
        return storeFull(this.#file, error);
      case 11: // CORRUPT
      case 26: // NOTADB
        return storeDamaged(await restoreAdvice(this.#file, 'is damaged'), error);
      case 3: // PERM
      case 8: // READONLY
      case 10: // IOERR
      case 14: // CANTOPEN
      case 23: // AUTH
        return storeUnavailable(`Cannot read or write ${this.#file}: ${messageOf(error)}.`, error);
    }
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOSPC' || code === 'EDQUOT') return storeFull(this.#file, error);
    if (code === 'ERR_INVALID_STATE' || messageOf(error) === 'driver has already been destroyed') {
      return storeUnavailable('The storage is closed.', error);
    }
    if (error instanceof Error && 'syscall' in error) {
      return storeUnavailable(`Cannot read or write ${this.#file}: ${error.message}.`, error);
    }
    return error;
  }

  maintain(db: Db): Promise<void> {
    this.#maintaining ??= this.#maintain(db).finally(() => {
      this.#maintaining = undefined;
    });
    return this.#maintaining;
  }

  async #maintain(db: Db): Promise<void> {
    await backUpDaily(this.#file, this.#now());
    await sql`pragma optimize`.execute(db);
    await sql`pragma wal_checkpoint(passive)`.execute(db);
  }
}

function errorCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** SQLite driver for Kysely on top of `node:sqlite`. */
class NodeSqlite implements SqliteDatabase {
  readonly #database: DatabaseSync;
  /** Prepared statements by SQL text. */
  readonly #statements = new LRUCache<string, SqliteStatement>({ max: maxStatements });

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
  }

  /** Sets the pragmas. Must not be called before the file is known to be DevLM's, because it changes the file. */
  configure(): void {
    // Commits do not wait for the disk, `Sqlite.syncToDisk` does: https://sqlite.org/pragma.html#pragma_synchronous
    this.#database.exec(`
      pragma journal_mode = wal;
      pragma synchronous = normal;
      pragma journal_size_limit = ${maxWalBytes};
      pragma cache_size = -${cacheKiB};
    `);
  }

  close(): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  prepare(text: string): SqliteStatement {
    const cached = this.#statements.get(text);
    if (cached) return cached;
    // Without `immediate`, another process could write between the first read and the first write of a transaction.
    const statement = this.#toStatement(this.#database.prepare(text === 'begin' ? 'begin immediate' : text), text);
    this.#statements.set(text, statement);
    return statement;
  }

  #toStatement(statement: StatementSync, text: string): SqliteStatement {
    const database = this.#database;
    return {
      reader: statement.columns().length > 0,
      all: (parameters) => statement.all(...toInput(parameters)),
      run(parameters) {
        // Some errors, such as a full disk, have already ended the transaction.
        if (text === 'rollback' && !database.isTransaction) return { changes: 0, lastInsertRowid: 0 };
        return statement.run(...toInput(parameters));
      },
      iterate: (parameters) => statement.iterate(...toInput(parameters)),
    };
  }
}

function toInput(parameters: readonly unknown[]): SQLInputValue[] {
  return parameters.map((value) => {
    if (value === null || value instanceof Uint8Array) return value;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value;
    throw new TypeError(`SQLite cannot hold a ${typeof value}`);
  });
}
