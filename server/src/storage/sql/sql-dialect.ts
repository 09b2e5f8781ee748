import type { ProblemError } from '@devlm/protocol/problem.ts';
import type { RawBuilder } from 'kysely';
import type { Store } from '../ports/store.ts';
import type { Db, Tx } from './schema.ts';

/** The differences between the two stores. Each dialect is implemented in one file. */
export interface SqlDialect {
  readonly kind: Store['kind'];
  /** Adds the words of a `search_texts` row to the index. They are removed together with the row. */
  indexWords(tx: Tx, textId: number, words: readonly string[]): Promise<void>;
  /** Returns a subquery of the ids of all `search_texts` rows that contain, for each prefix, a word that starts with it. */
  textsWith(prefixes: readonly string[]): RawBuilder<number>;
  /**
   * Problem that all reads and writes fail with after the disk has failed to keep what was committed; undefined until
   * then.
   */
  readonly refused: ProblemError | undefined;
  /** Resolves when everything committed is on disk. Before that, it survives a crash of the process, but not a loss of power. */
  syncToDisk(): Promise<void>;
  /** Releases the resources of `syncToDisk`. */
  close(): Promise<void>;
  /** Converts an error of the driver to a `ProblemError`. Other errors are returned unchanged. */
  toProblem(error: unknown): Promise<unknown>;
  /** Performs the daily maintenance that is specific to the database. */
  maintain(db: Db): Promise<void>;
}
