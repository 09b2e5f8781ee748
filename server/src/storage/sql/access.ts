import type { Store } from '../ports/store.ts';
import type { Seal } from '../seal.ts';
import type { Db, Tx } from './schema.ts';
import type { SqlDialect } from './sql-dialect.ts';

/** Access to the database that all parts of an SQL store share. */
export interface SqlAccess {
  readonly kind: Store['kind'];
  readonly dialect: SqlDialect;
  readonly seal: Seal;
  readonly now: () => Date;
  /** Runs the work outside of a transaction. */
  readonly read: <T>(work: (db: Db) => Promise<T>) => Promise<T>;
  /** Runs the work in one transaction. Resolves when its changes are on disk. */
  readonly write: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  /** Runs the work in one transaction without waiting for the disk. */
  readonly commit: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  /** Resolves when everything that was committed is on disk. */
  readonly syncToDisk: () => Promise<void>;
}
