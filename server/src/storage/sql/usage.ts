import type { UsageReport, UsageRow } from '@devlm/protocol/budgets.ts';
import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { maxUsageRows, type UsageSpan } from '../ports/ledger.ts';
import type { Database, Db } from './schema.ts';

/** Length of a day, in milliseconds. */
const dayMs = 86_400_000;

/** Returns one row per day, conversation and so on, and the total. */
export async function readUsage(db: Db, span: UsageSpan): Promise<Pick<UsageReport, 'rows' | 'total'>> {
  const calls = db
    .selectFrom('ledger')
    .where('at', '>=', span.from.getTime())
    .where('at', '<', span.to.getTime())
    .$if(span.userId !== null, (query) => query.where('user_id', '=', span.userId ?? ''));
  const total = await sums(calls).executeTakeFirstOrThrow();
  const key = keyOf(span);
  const grouped = await sums(calls)
    .select(key.as('key'))
    .groupBy(key)
    .orderBy(span.group === 'day' ? key : sql`sum(counted_usd) desc, count(*) desc, ${key}`)
    .limit(maxUsageRows)
    .execute();
  const titles = span.group === 'conversation' ? await titlesOf(db, span.askedBy, grouped) : new Map<string, string>();
  const rows = grouped.map(({ key: name, ...row }): UsageRow => {
    const displayKey = name !== null && span.group === 'day' ? dayName(Number(name)) : name;
    return { key: displayKey, title: titles.get(String(name)) ?? null, ...row };
  });
  return { rows, total };
}

/** Returns the costs of the user's turns since a time, in US dollars, newest first, without those of one turn. */
export async function turnCosts(db: Db, userId: string, since: Date, limit: number, except: string): Promise<number[]> {
  const rows = await db
    .selectFrom('ledger')
    .select((eb) => eb.fn.sum<number>('counted_usd').as('usd'))
    .where('user_id', '=', userId)
    .where('at', '>=', since.getTime())
    // This also excludes calls without a turn, because a comparison with null is not true.
    .where('turn_id', '<>', except)
    .groupBy(['conversation_id', 'turn_id'])
    .orderBy((eb) => eb.fn.max('at'), 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ usd }) => usd);
}

function sums<O>(query: SelectQueryBuilder<Database, 'ledger', O>) {
  return query.select((eb) => {
    type Column =
      | 'input_tokens'
      | 'output_tokens'
      | 'cache_read_tokens'
      | 'cache_write_tokens'
      | 'thinking_tokens'
      | 'cost_usd';
    const sum = (column: Column) => eb.fn.coalesce(eb.fn.sum<number>(column), eb.lit(0));
    return [
      sum('input_tokens').as('inputTokens'),
      sum('output_tokens').as('outputTokens'),
      sum('cache_read_tokens').as('cacheReadTokens'),
      sum('cache_write_tokens').as('cacheWriteTokens'),
      sum('thinking_tokens').as('thinkingTokens'),
      sum('cost_usd').as('costUsd'),
      sql<number>`count(*) - count(cost_usd)`.as('unpricedSteps'),
      sql<number>`count(*)`.as('calls'),
    ];
  });
}

function keyOf({ group, offset }: UsageSpan): RawBuilder<string | null> {
  switch (group) {
    case 'day':
      // A literal instead of a parameter, because the same expression is used in three places.
      return sql`cast((at + ${sql.lit(offset * 60_000)}) / ${sql.lit(dayMs)} as text)`;
    case 'conversation':
      return sql`conversation_id`;
    case 'model':
      return sql`model`;
    case 'user':
      return sql`user_id`;
    case 'project':
      return sql`project_id`;
  }
}

const dayName = (days: number): string => new Date(days * dayMs).toISOString().slice(0, 10);

async function titlesOf(
  db: Db,
  userId: string,
  rows: readonly { readonly key: string | null }[],
): Promise<Map<string, string>> {
  const ids = rows.flatMap(({ key }) => key ?? []);
  const conversations = ids.length
    ? await db
        .selectFrom('conversations')
        .select(['id', 'title'])
        .where('user_id', '=', userId)
        .where('deleted_at', 'is', null)
        .where('id', 'in', ids)
        .execute()
    : [];
  return new Map(conversations.map(({ id, title }) => [id, String(JSON.parse(title))]));
}
