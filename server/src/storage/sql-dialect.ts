import type { RawBuilder } from 'kysely';
import type { Db, Tx } from './schema.ts';
import type { Store } from './store.ts';

/** The few places where the two stores differ. One file a dialect implements it. */
export interface SqlDialect {
  readonly kind: Store['kind'];
  /** Adds the words of a `search_texts` row to the index. They leave it with the row. */
  indexWords(tx: Tx, textId: number, words: readonly string[]): Promise<void>;
  /** A subquery of the ids of all `search_texts` that hold, for each of these, a word that begins with it. */
  textsWith(beginnings: readonly string[]): RawBuilder<number>;
  /**
   * Does the work on a connection whose commits a crash of the process does not lose, but a loss of power may. The
   * next commit made otherwise secures them with itself.
   */
  relaxed<T>(db: Db, work: (db: Db) => Promise<T>): Promise<T>;
  /** What the driver threw, as the `ProblemError` that it is; anything else as it was. */
  toProblem(error: unknown): Promise<unknown>;
  /** Daily upkeep beyond what SQL can say for both. */
  maintain(db: Db): Promise<void>;
}
