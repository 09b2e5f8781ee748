import type { UsageQuery, UsageReport } from '@devlm/protocol/budgets.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Store } from '../storage/ports/store.ts';
import { CsvText } from './csv.ts';

/** Days of one report at most. */
const mostDays = 3_660;
const dayMs = 86_400_000;

/**
 * What was spent in a span of days.
 * @param asker whose conversations are named, and whose usage alone is told unless `everybodys`
 * @throws ProblemError `invalid_input`
 */
export async function usageReport(
  store: Store,
  query: UsageQuery,
  asker: { readonly user: string; readonly everybodys: boolean },
  now = new Date(),
): Promise<UsageReport> {
  const { group, offset = -now.getTimezoneOffset() } = query;
  const today = new Date(now.getTime() + offset * 60_000).toISOString().slice(0, 10);
  const to = query.to ?? (query.from && query.from > today ? query.from : today);
  const from = query.from ?? to;
  const start = Date.parse(from) - offset * 60_000;
  const end = Date.parse(to) + dayMs - offset * 60_000;
  if (end <= start || end - start > mostDays * dayMs)
    throw new ProblemError({
      code: 'invalid_input',
      status: 422,
      title: 'Invalid input',
      detail: `query.to: expected a day from ${from} on, at most ${mostDays} days later.`,
    });
  const userId = asker.everybodys && query.of === 'all' ? null : asker.user;
  const span = { from: new Date(start), to: new Date(end), group, offset, userId, askedBy: asker.user };
  return { from, to, group, ...(await store.ledger.report(span)) };
}

/** A row as a spreadsheet reads it. */
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
