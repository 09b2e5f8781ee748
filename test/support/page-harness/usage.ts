import type { UsageReport } from '@devlm/protocol/budgets.ts';

const none = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, unpricedSteps: 0 };

function row(key: string | null, title: string | null, calls: number, costUsd: number, unpricedSteps = 0) {
  const tokens = { inputTokens: calls * 900, outputTokens: calls * 700, cacheReadTokens: calls * 21_000 };
  return { ...none, ...tokens, key, title, calls, costUsd, unpricedSteps };
}

/** The host's usage reports, including a chat with a title that is very long and contains HTML. */
export function usageReport(group: unknown): UsageReport {
  const long = `Why does the <b>worker</b> leak? ${'And what about the other one? '.repeat(8)}`;
  const chats = [
    row('c-1', long, 131, 4.2031),
    row(null, null, 40, 1.1),
    row('c-2', '', 12, 0.31),
    row('c-3', null, 2, 0.004),
  ];
  const models = [
    row('claude-sonnet-5-5', null, 180, 5.6171),
    row('local-model-with-quite-a-long-name', null, 5, 0, 5),
  ];
  const rows = group === 'model' ? models : chats;
  return {
    from: '2026-11-23',
    to: '2026-11-23',
    group: group === 'model' ? 'model' : 'conversation',
    rows,
    total: { ...row(null, null, 185, 5.6171, 5) },
  };
}
