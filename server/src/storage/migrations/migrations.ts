import { sql } from 'kysely';
import type { Store } from '../ports/store.ts';
import { storeNewer } from '../problems.ts';
import type { Db, SchemaVersionTable } from '../sql/schema.ts';
import { initial } from './0001-initial.ts';
import { executions } from './0002-executions.ts';
import { ledger } from './0003-ledger.ts';
import { tokens } from './0004-tokens.ts';
import { users } from './0005-users.ts';
import { budgets } from './0006-budgets.ts';
import { instances } from './0007-instances.ts';
import { leases } from './0008-leases.ts';
import { tokenKeys } from './0009-token-keys.ts';
import type { Migration } from './migration.ts';

/*
 * Kysely's own Migrator is not used: it treats DDL on SQLite as not transactional, so a crash could leave half a
 * migration; it does not record which version of DevLM migrated; and for a database from a newer version it reports
 * "corrupted migrations".
 */

/** All migrations, in the order of their versions. Going back to an older version is not supported. */
export const migrations: readonly Migration[] = [
  initial,
  executions,
  ledger,
  tokens,
  users,
  budgets,
  instances,
  leases,
  tokenKeys,
];

/** Options of `migrate`. */
export interface MigrateOptions {
  readonly kind: Store['kind'];
  /** The running version of DevLM. */
  readonly version: string;
  readonly now: () => Date;
  /** Name of the database in messages for users. */
  readonly name: string;
  /** Default: all migrations. */
  readonly migrations?: readonly Migration[];
  /** Called before a database that has content is changed. Default: nothing is done. */
  readonly beforeUpgrade?: (from: number) => Promise<void>;
}

/**
 * Migrates the tables to the newest version, one transaction per migration. Servers that start at the same time wait
 * for each other.
 * @throws ProblemError `store_newer`
 */
export async function migrate(db: Db, options: MigrateOptions): Promise<void> {
  const all = options.migrations ?? migrations;
  const newest = all.at(-1)?.version ?? 0;
  const current = await currentVersion(db, options, newest);
  if (current === newest) return;
  if (current > 0) await options.beforeUpgrade?.(current);
  for (const migration of all) {
    if (migration.version <= current) continue;
    await db.transaction().execute(async (tx) => {
      // On SQLite the transaction itself holds the write lock.
      if (options.kind === 'postgres') await sql`select pg_advisory_xact_lock(${lockKey})`.execute(tx);
      await tx.schema
        .createTable('schema_versions')
        .ifNotExists()
        .addColumn('version', 'bigint', (c) => c.primaryKey().notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('made_by', 'text', (c) => c.notNull())
        .addColumn('applied_at', 'bigint', (c) => c.notNull())
        .execute();
      // Another server may have migrated while this one waited.
      if ((await currentVersion(tx, options, newest)) >= migration.version) return;
      await migration.up(tx, options.kind);
      await tx
        .insertInto('schema_versions')
        .values({
          version: migration.version,
          name: migration.name,
          made_by: options.version,
          applied_at: options.now().getTime(),
        })
        .execute();
    });
  }
}

/** Key of the advisory lock: a fixed number that no other program on the same database is likely to use. */
const lockKey = 0x64_65_76_6c_6d;

async function currentVersion(db: Db, options: MigrateOptions, newest: number): Promise<number> {
  const row = await lastVersion(db, options.kind);
  if (row && row.version > newest) throw storeNewer(options, row, newest);
  return row?.version ?? 0;
}

async function lastVersion(db: Db, kind: Store['kind']): Promise<SchemaVersionTable | undefined> {
  const exists =
    kind === 'sqlite'
      ? sql<{ found: number }>`select 1 as found from sqlite_schema where name = 'schema_versions'`
      : sql<{ found: number }>`select 1 as found where to_regclass('schema_versions') is not null`;
  if ((await exists.execute(db)).rows.length === 0) return undefined;
  return db.selectFrom('schema_versions').selectAll().orderBy('version', 'desc').limit(1).executeTakeFirst();
}
