import type { Store } from '../ports/store.ts';
import type { Tx } from '../sql/schema.ts';

/** A step from one version of the tables to the next. */
export interface Migration {
  /** Version of the tables after the migration: 1, 2, 3 and so on. */
  readonly version: number;
  readonly name: string;
  /** Runs inside a transaction. `db` is untyped, because the tables are those of the previous version. */
  up(db: Pick<Tx, 'schema' | 'getExecutor'>, kind: Store['kind']): Promise<void>;
}
