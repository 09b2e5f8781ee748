import { sql } from 'kysely';
import type { Db } from './schema.ts';

/** Open turns, oldest first, with the project of each. */
export function openTurnsWithProject(db: Db) {
  return (
    db
      .selectFrom('turns')
      .innerJoin('conversations', 'conversations.id', 'turns.conversation_id')
      .selectAll('turns')
      .select('conversations.project_id')
      // As a literal, so that the partial index is seen to fit.
      .where('turns.status', '<>', sql.lit('ended'))
      .orderBy('turns.created_at')
      .orderBy('turns.conversation_id')
      .orderBy('turns.created_seq')
  );
}
