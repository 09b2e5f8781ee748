import type { ProblemError } from '@devlm/protocol/problem.ts';
import type { RawBuilder } from 'kysely';
import type { Store } from '../ports/store.ts';
import type { Db, Tx } from './schema.ts';

/** The few places where the two stores differ. One file a dialect implements it. */
export interface SqlDialect {
  readonly kind: Store['kind'];
  /** Adds the words of a `search_texts` row to the index. They leave it with the row. */
  indexWords(tx: Tx, textId: number, words: readonly string[]): Promise<void>;
  /** A subquery of the ids of all `search_texts` that hold, for each of these, a word that begins with it. */
  textsWith(beginnings: readonly string[]): RawBuilder<number>;
  /** What the disk did not keep was committed all the same, so nothing is to be read or written from then on. */
  readonly refused: ProblemError | undefined;
  /** Resolves when all that was committed is on the disk. Until then a crash of the process does not lose it, but a loss of power may. */
  secured(): Promise<void>;
  /** Lets go of what `secured` needs. */
  close(): Promise<void>;
  /** What the driver threw, as the `ProblemError` that it is; anything else as it was. */
  toProblem(error: unknown): Promise<unknown>;
  /** Daily upkeep beyond what SQL can say for both. */
  maintain(db: Db): Promise<void>;
}
