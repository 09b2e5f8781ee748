import type { Store } from '../ports/store.ts';
import type { Tx } from '../sql/schema.ts';

export interface Migration {
  /** 1, 2, 3 and so on. */
  readonly version: number;
  readonly name: string;
  /** Runs inside a transaction. The tables are those of the version before, so their types are not handed in. */
  up(db: Pick<Tx, 'schema' | 'getExecutor'>, kind: Store['kind']): Promise<void>;
}
