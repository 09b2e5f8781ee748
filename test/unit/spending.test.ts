import { BudgetTerms } from '@devlm/protocol/budgets.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvText } from '../../server/src/backend/csv.ts';
import { periodEnd, periodStart } from '../../server/src/llm/budget-periods.ts';
import { costOf, dearestCost, listPrices, type PriceTable } from '../../server/src/llm/prices.ts';
import { UsageTap } from '../../server/src/llm/usage-tap.ts';

const million = { inputTokens: 1_000_000, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };
const price = { input: 1, output: 2, cacheRead: 0.1, cacheWrite: 1.25 };

describe('prices', () => {
  const table: PriceTable = {
    m: price,
    'm-big': [
      { ...price, from: '2026-06-01', input: 3 },
      { ...price, from: '2026-03-01', input: 5 },
    ],
  };

  it('the price of a call is that of its day', () => {
    const at = (day: string) => costOf('m-big-20260101', million, table, new Date(day));
    expect([at('2026-02-28'), at('2026-03-01'), at('2026-05-31T23:59:59Z'), at('2026-06-01')]).toEqual([null, 5, 5, 3]);
    expect(costOf('m-20260101', million, table)).toBe(1);
    expect(costOf('mm', million, table)).toBeNull();
  });

  it('a model without a price counts at the highest price', () => {
    expect(dearestCost(million, table, new Date('2026-04-01'))).toBe(5);
    expect(dearestCost(million, table, new Date('2026-01-01'))).toBe(1);
    expect(dearestCost(million, {})).toBe(0);
  });

  it('writing to the 1-hour cache costs more', () => {
    const written = { ...million, inputTokens: 0, cacheWriteTokens: 1_000_000 };
    expect(costOf('m', written, table)).toBe(1.25);
    expect(costOf('m', { ...written, cacheWrite1hTokens: 1_000_000 }, table)).toBe(2);
    // A provider that counts incorrectly does not make it negative.
    expect(costOf('m', { ...written, cacheWrite1hTokens: 9_000_000 }, table)).toBe(2);
    expect(costOf('claude-sonnet-5-5', { ...written, cacheWrite1hTokens: 400_000 }, listPrices)).toBeCloseTo(3.1);
  });

  it('the 1-hour cache and thinking are counted as the provider reports them to a client of the Messages endpoint', () => {
    const usage = {
      input_tokens: 1,
      output_tokens: 9,
      cache_creation_input_tokens: 7,
      cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 },
      output_tokens_details: { thinking_tokens: 5 },
    };
    const tap = new UsageTap('application/json');
    tap.write(Buffer.from(JSON.stringify({ model: 'm', usage })));
    expect(tap.end().usage).toMatchObject({ cacheWriteTokens: 7, cacheWrite1hTokens: 4, thinkingTokens: 5 });
  });
});

describe('periods', () => {
  const local = (date: Date | null) =>
    date && [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours()].join(' ');

  it('periods begin at midnight, and weeks on Monday', () => {
    const sunday = new Date(2026, 10, 1, 23, 30);
    expect(local(periodStart('day', sunday))).toBe('2026 11 1 0');
    expect(local(periodStart('week', sunday))).toBe('2026 10 26 0');
    expect(local(periodStart('month', sunday))).toBe('2026 11 1 0');
    expect(periodStart('turn', sunday)).toBeNull();
    expect(local(periodEnd('week', sunday))).toBe('2026 11 2 0');
    expect(local(periodEnd('month', new Date(2026, 11, 31)))).toBe('2027 1 1 0');
  });

  it('periods cover every moment without gaps or overlaps', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date(2020, 0, 1), max: new Date(2040, 0, 1), noInvalidDate: true }),
        fc.constantFrom('day' as const, 'week' as const, 'month' as const),
        (now, period) => {
          const [start, end] = [periodStart(period, now), periodEnd(period, now)];
          expect(start && end && start <= now && now < end).toBe(true);
          expect(end && periodStart(period, end)).toEqual(end);
        },
      ),
    );
  });
});

describe('a table as text', () => {
  it('a CSV table has no cell that a spreadsheet would run, and keeps its numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), (texts) => {
        const { text } = new CsvText('x.csv', ['a'], [['=1', ' +2', '@x', '-3', '\tz', ...texts, -4.5, null]]);
        const [, ...cells] = [...text.matchAll(/(?:^|,|\r\n)("(?:[^"]|"")*"|[^",\r\n]*)/g)].map(
          ([, cell]) => cell ?? '',
        );
        for (const cell of cells)
          expect(/^\s*[=+\-@]/.test(cell.replace(/^"/, '')) && cell !== '-4.5', cell).toBe(false);
        expect(text).toContain(',-4.5,\r\n');
      }),
    );
  });
});

describe('terms of a budget', () => {
  it('the limit, scope, period and subject of a budget are validated', () => {
    const terms = { scope: 'user', period: 'day', limitUsd: 1, action: 'stop' };
    expect(BudgetTerms.parse(terms)).toEqual({ ...terms, subject: null });
    for (const wrong of [{ limitUsd: Number.POSITIVE_INFINITY }, { limitUsd: '1' }, { scope: 'turn' }, { subject: '' }])
      expect(BudgetTerms.safeParse({ ...terms, ...wrong }).success).toBe(false);
  });
});
