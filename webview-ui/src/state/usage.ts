import type { UsageReport } from '@devlm/protocol/budgets.ts';
import { signal } from '@preact/signals';
import { problemOf, transport } from '../transport.ts';

/** Days up to today that the usage is shown of. */
export const spans = [1, 7, 30] as const;
export type Span = (typeof spans)[number];

export const span = signal<Span>(1);
/** What was read last, and whether the next is under way. */
export const usage = signal<{
  readonly state: 'loading' | 'ready' | 'failed';
  readonly byChat?: UsageReport;
  readonly byModel?: UsageReport;
  readonly problem?: string;
}>({ state: 'loading' });

let generation = 0;

/** Reads what was spent in the span. */
export async function readUsage(): Promise<void> {
  generation += 1;
  const mine = generation;
  usage.value = { ...usage.value, state: 'loading' };
  const offset = -new Date().getTimezoneOffset();
  const today = Date.now() + offset * 60_000;
  const day = (ago: number) => new Date(today - ago * 86_400_000).toISOString().slice(0, 10);
  const query = { from: day(span.value - 1), to: day(0), offset, of: 'me' } as const;
  try {
    const [byChat, byModel] = await Promise.all([
      transport.call('usage.report', { query: { ...query, group: 'conversation' } }),
      transport.call('usage.report', { query: { ...query, group: 'model' } }),
    ]);
    if (mine === generation) usage.value = { state: 'ready', byChat, byModel };
  } catch (error) {
    if (mine === generation) usage.value = { state: 'failed', problem: problemOf(error).detail };
  }
}
