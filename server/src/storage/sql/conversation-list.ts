import { Id } from '@devlm/protocol/ids.ts';
import type { ConversationSummary } from '@devlm/protocol/views.ts';
import * as z from 'zod';
import type { ListOptions } from '../ports/conversations.ts';
import { badCursor } from '../problems.ts';
import { toSummary } from './rows.ts';
import type { Db } from './schema.ts';
import { queryGroups, snippetOf } from './search-text.ts';
import type { SqlDialect } from './sql-dialect.ts';

/** Position of the last row of a page. The next page starts below it, whatever has changed since. */
const Cursor = z.tuple([z.int(), Id]);

/** Returns one page of the conversations, most recently changed first. */
export async function listConversations(
  db: Db,
  dialect: SqlDialect,
  options: ListOptions,
): Promise<{ items: ConversationSummary[]; next: string | null }> {
  const search = options.search?.trim() ?? '';
  const groups = queryGroups(search);
  if (search !== '' && groups.length === 0) return { items: [], next: null };

  let query = db.selectFrom('conversations').selectAll().where('deleted_at', 'is', null);
  const { userId, projectId, cursor, limit } = options;
  if (userId !== undefined) query = query.where('user_id', '=', userId);
  if (projectId !== undefined) query = query.where('project_id', '=', projectId);
  if (cursor !== undefined) {
    const [updatedAt, id] = parseCursor(cursor);
    query = query.where((eb) => eb(eb.refTuple('updated_at', 'id'), '<', eb.tuple(updatedAt, id)));
  }
  for (const group of groups) {
    query = query.where('id', 'in', (eb) =>
      eb.selectFrom('search_texts').select('conversation_id').where('search_texts.id', 'in', dialect.textsWith(group)),
    );
  }
  const rows = await query
    .orderBy('updated_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();

  const page = rows.slice(0, limit);
  const last = rows.length > page.length ? page.at(-1) : undefined;
  const ids = page.map((row) => row.id);
  const snippets = groups.length > 0 ? await snippetsOf(db, dialect, ids, groups) : new Map<string, string>();
  return {
    items: page.map((row) => ({ ...toSummary(row), snippet: snippets.get(row.id) })),
    next: last ? Buffer.from(JSON.stringify([last.updated_at, last.id])).toString('base64url') : null,
  };
}

/**
 * Returns a snippet for each conversation, taken from its newest text that contains the whole query, or else from the
 * newest with the first word of the query.
 */
async function snippetsOf(
  db: Db,
  dialect: SqlDialect,
  ids: readonly string[],
  groups: readonly string[][],
): Promise<Map<string, string>> {
  const snippets = new Map<string, string>();
  for (const prefixes of [groups.flat(), ...groups.slice(0, 1)]) {
    const missing = ids.filter((id) => !snippets.has(id));
    if (missing.length === 0) break;
    const rows = await db
      .selectFrom('search_texts')
      .select(['conversation_id', 'text'])
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('search_texts')
          .select((inner) => inner.fn.max('id').as('id'))
          .where('conversation_id', 'in', missing)
          .where('id', 'in', dialect.textsWith(prefixes))
          .groupBy('conversation_id'),
      )
      .execute();
    for (const row of rows) snippets.set(row.conversation_id, snippetOf(row.text, groups));
  }
  return snippets;
}

function parseCursor(cursor: string): z.infer<typeof Cursor> {
  try {
    return Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
  } catch {
    throw badCursor();
  }
}
