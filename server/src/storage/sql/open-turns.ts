import { sql } from 'kysely';
import type { Db } from './schema.ts';

/** Selects the open turns, oldest first, with the project of each. */
export function openTurnsWithProject(db: Db) {
  return (
    db
      .selectFrom('turns')
      .innerJoin('conversations', 'conversations.id', 'turns.conversation_id')
      .selectAll('turns')
      .select('conversations.project_id')
      // A literal instead of a parameter, so that the planner can use the partial index.
      .where('turns.status', '<>', sql.lit('ended'))
      .orderBy('turns.created_at')
      .orderBy('turns.conversation_id')
      .orderBy('turns.created_seq')
  );
}
