import type { UsageReport } from '@devlm/protocol/budgets.ts';
import { signal } from '@preact/signals';
import { problemOf, transport } from '../transport.ts';

/** Lengths of the periods that can be shown, in days up to today. */
export const spans = [1, 7, 30] as const;
/** Length of a period, in days. */
export type Span = (typeof spans)[number];

/** The selected period. */
export const span = signal<Span>(1);
/** The last loaded reports, and the state of the current request. */
export const usage = signal<{
  readonly state: 'loading' | 'ready' | 'failed';
  readonly byChat?: UsageReport;
  readonly byModel?: UsageReport;
  readonly problem?: string;
}>({ state: 'loading' });

let generation = 0;

/** Loads the usage of the selected period. */
export async function readUsage(): Promise<void> {
  generation += 1;
  const started = generation;
  usage.value = { ...usage.value, state: 'loading' };
  const offset = -new Date().getTimezoneOffset();
  const today = Date.now() + offset * 60_000;
  const day = (daysAgo: number) => new Date(today - daysAgo * 86_400_000).toISOString().slice(0, 10);
  const query = { from: day(span.value - 1), to: day(0), offset, of: 'me' } as const;
  try {
    const [byChat, byModel] = await Promise.all([
      transport.call('usage.report', { query: { ...query, group: 'conversation' } }),
      transport.call('usage.report', { query: { ...query, group: 'model' } }),
    ]);
    if (started === generation) usage.value = { state: 'ready', byChat, byModel };
  } catch (error) {
    if (started === generation) usage.value = { state: 'failed', problem: problemOf(error).detail };
  }
}
