import type { Store } from '../ports/store.ts';
import type { Seal } from '../seal.ts';
import type { Db, Tx } from './schema.ts';
import type { SqlDialect } from './sql-dialect.ts';

/** What the parts of a store on SQL share: one database, and how to read and write it. */
export interface SqlAccess {
  readonly kind: Store['kind'];
  readonly dialect: SqlDialect;
  readonly seal: Seal;
  readonly now: () => Date;
  readonly read: <T>(work: (db: Db) => Promise<T>) => Promise<T>;
  /** Runs the work in one transaction. Resolves when what it wrote is on the disk. */
  readonly write: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  /** Runs the work in one transaction without waiting for the disk. */
  readonly commit: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  /** Resolves when everything that was committed is on the disk. */
  readonly secured: () => Promise<void>;
}
