import type { UsageQuery, UsageReport } from '@devlm/protocol/budgets.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Store } from '../storage/ports/store.ts';
import { CsvText } from './csv.ts';

/** Maximum number of days in a report. */
const maxDays = 3_660;
/** Length of a day, in milliseconds. */
const dayMs = 86_400_000;

/**
 * Returns the usage in a span of days.
 * @param asker user whose conversations are named; also the only user whose usage is reported, unless `seesAllUsers` is
 *   true and the query is for all users
 * @throws ProblemError `invalid_input`
 */
export async function usageReport(
  store: Store,
  query: UsageQuery,
  asker: { readonly user: string; readonly seesAllUsers: boolean },
  now = new Date(),
): Promise<UsageReport> {
  const { group, offset = -now.getTimezoneOffset() } = query;
  const today = new Date(now.getTime() + offset * 60_000).toISOString().slice(0, 10);
  const to = query.to ?? (query.from && query.from > today ? query.from : today);
  const from = query.from ?? to;
  const start = Date.parse(from) - offset * 60_000;
  const end = Date.parse(to) + dayMs - offset * 60_000;
  if (end <= start || end - start > maxDays * dayMs)
    throw new ProblemError({
      code: 'invalid_input',
      status: 422,
      title: 'Invalid input',
      detail: `query.to: expected a day between ${from} and ${maxDays} days later`,
    });
  const userId = asker.seesAllUsers && query.of === 'all' ? null : asker.user;
  const span = { from: new Date(start), to: new Date(end), group, offset, userId, askedBy: asker.user };
  return { from, to, group, ...(await store.ledger.report(span)) };
}

/** Returns a usage report as CSV. */
export function usageCsv({ from, to, group, rows }: UsageReport): CsvText {
  const head = [
    group,
    'title',
    'calls',
    'input_tokens',
    'output_tokens',
    'thinking_tokens',
    'cache_read_tokens',
    'cache_write_tokens',
    'cost_usd',
    'calls_without_price',
  ];
  return new CsvText(
    `devlm-usage-${from}-${to}.csv`,
    head,
    rows.map((row) => [
      row.key,
      row.title,
      row.calls,
      row.inputTokens,
      row.outputTokens,
      row.thinkingTokens ?? 0,
      row.cacheReadTokens,
      row.cacheWriteTokens,
      row.costUsd,
      row.unpricedSteps,
    ]),
  );
}
