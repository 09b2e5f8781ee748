import { closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { ProblemError } from '@devlm/protocol/problem.ts';
import { Kysely, type SqliteDatabase, SqliteDialect, type SqliteStatement, sql } from 'kysely';
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

export interface SqliteOptions {
  /** The database. Its folder is made if missing; daily backups go to `backups/` beside it. */
  readonly file: string;
  /** The version of DevLM, recorded with each migration. */
  readonly version: string;
  /** Default: the real time. */
  readonly now?: (() => Date) | undefined;
  /** Seals contents of files and records of runs, 32 bytes. Without it they are kept open. */
  readonly key?: Uint8Array | undefined;
  /** Default: all there are. */
  readonly migrations?: readonly Migration[];
}

/** How long a statement waits for another process; the thread waits with it. */
const busyTimeoutMs = 2_000;
/** "DvLM" in the file's header: another program's database is not taken for ours. */
const applicationId = 0x44764c4d;
/** The write-ahead log shrinks to this after a checkpoint. */
const walBytes = 16 * 1024 * 1024;
/** Pages of the file kept in memory, once they were read. */
const cacheKib = 16 * 1024;
/** Statements kept ready. */
const preparedStatements = 200;

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
    await refuseEmptied(file);
    // Nobody else may read it; SQLite gives its other files the mode of this one.
    closeSync(openSync(file, 'a', 0o600));
    database = new NodeSqlite(file);
    const db = new Kysely<Database>({ dialect: new SqliteDialect({ database }) });
    await refuseForeign(db, file);
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

/** A file of no bytes where backups exist is not a new store: something emptied it. */
async function refuseEmptied(file: string): Promise<void> {
  if (!existsSync(file) || statSync(file).size > 0 || existsSync(`${file}-wal`)) return;
  if ((await newestGoodBackup(file)) !== null) throw storeDamaged(await restoreAdvice(file, 'is empty'));
}

async function refuseForeign(db: Db, file: string): Promise<void> {
  // In this order: a server that makes the file at the same time sets the id before the tables.
  const tables = await sql<{ name: string }>`select name from sqlite_schema limit 1`.execute(db);
  const { rows } = await sql<{ application_id: number }>`pragma application_id`.execute(db);
  if (rows[0]?.application_id === applicationId) return;
  if (tables.rows.length > 0) throw storeDamaged(await restoreAdvice(file, 'is not a database of DevLM'));
  await sql`pragma application_id = ${sql.lit(applicationId)}`.execute(db);
}

/** What is wrong with the file, and how to get back what can be got back. */
async function restoreAdvice(file: string, what: string): Promise<string> {
  const backup = await newestGoodBackup(file);
  const name = basename(file);
  const aside = `move ${name}, ${name}-wal and ${name}-shm (those that exist) out of ${dirname(file)}`;
  const then = backup
    ? `copy the newest good backup, ${backup}, to ${file}`
    : 'start again with an empty store (there is no good backup)';
  return `${file} ${what}. Nothing was changed. To go on: close all windows of the editor, ${aside}, and ${then}.`;
}

/** The differences of SQLite: FTS5, its error codes, its upkeep. */
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

  textsWith(beginnings: readonly string[]) {
    const query = beginnings.map((word) => `"${word}"*`).join(' AND ');
    return sql<number>`(select rowid from search_words where search_words match ${query})`;
  }

  secured(): Promise<void> {
    return this.#disk.sync();
  }

  close(): Promise<void> {
    return this.#disk.close();
  }

  async toProblem(error: unknown): Promise<unknown> {
    if (error instanceof DiskRefused) {
      const detail = `The disk of ${this.#file} did not keep what was written: ${error.message}. Nothing is read or stored any more until the disk is well and DevLM has been started again.`;
      this.refused ??= storeUnavailable(detail, error);
      return this.refused;
    }
    // The first byte is the kind, the others refine it: https://sqlite.org/rescode.html
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
        return storeUnavailable(`${this.#file} cannot be read or written: ${messageOf(error)}.`, error);
    }
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOSPC' || code === 'EDQUOT') return storeFull(this.#file, error);
    if (code === 'ERR_INVALID_STATE' || messageOf(error) === 'driver has already been destroyed') {
      return storeUnavailable('The storage has been closed.', error);
    }
    if (error instanceof Error && 'syscall' in error) {
      return storeUnavailable(`${this.#file} cannot be read or written: ${error.message}.`, error);
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

/** What Kysely asks of a SQLite driver, on the one that Node brings. */
class NodeSqlite implements SqliteDatabase {
  readonly #database: DatabaseSync;
  /** By their text, the one used longest ago first. */
  readonly #statements = new Map<string, SqliteStatement>();

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
  }

  /** Not before the file is known to be ours: it would change another program's. */
  configure(): void {
    // A commit does not wait for the disk, `Sqlite.secured` does: https://sqlite.org/pragma.html#pragma_synchronous
    this.#database.exec(`
      pragma journal_mode = wal;
      pragma synchronous = normal;
      pragma journal_size_limit = ${walBytes};
      pragma cache_size = -${cacheKib};
    `);
  }

  close(): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  prepare(text: string): SqliteStatement {
    const known = this.#statements.get(text);
    if (known) {
      this.#statements.delete(text);
      this.#statements.set(text, known);
      return known;
    }
    // A transaction that reads before it writes could otherwise find that another process wrote in between.
    const statement = this.#toStatement(this.#database.prepare(text === 'begin' ? 'begin immediate' : text), text);
    this.#statements.set(text, statement);
    for (const oldest of this.#statements.keys()) {
      if (this.#statements.size <= preparedStatements) break;
      this.#statements.delete(oldest);
    }
    return statement;
  }

  #toStatement(statement: StatementSync, text: string): SqliteStatement {
    const database = this.#database;
    return {
      reader: statement.columns().length > 0,
      all: (parameters) => statement.all(...toInput(parameters)),
      run(parameters) {
        // Some errors, such as a full disk, have ended the transaction already.
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
