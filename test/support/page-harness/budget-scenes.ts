/// <reference lib="dom" />

/*
 * Budgets in a conversation. Each function runs inside the page before it starts,
 * so it can only use `window.host`.
 */

/** A turn that was warned, has answered once, and now asks whether to continue. */
export function pausedConversation(): void {
  const { host } = window;
  const id = 'paused';
  host.create(id, 'A long walk');
  host.hello = { ...host.hello, view: { conversationId: id, drafts: {}, model: null, thinking: false } };
  const turnId = 't1';
  const usage = { inputTokens: 1_000, outputTokens: 2_000, cacheReadTokens: 120_000, cacheWriteTokens: 29_000 };
  const model = 'claude-sonnet-5-5';
  host.append(id, [
    { type: 'turn.created', turnId, parent: null, text: 'Go on.', attachments: [], model: null, thinking: false },
    { type: 'turn.started', turnId, attempt: 1 },
    { type: 'budget.warned', turnId, warning: { budgetId: 'month', period: 'month', limitUsd: 40, spentUsd: 41.5 } },
    { type: 'step.started', turnId, stepId: 's1', model },
    { type: 'block.started', turnId, stepId: 's1', index: 0, kind: 'text' },
    { type: 'block.delta', turnId, stepId: 's1', index: 0, text: 'The first part is done.' },
    { type: 'block.ended', turnId, stepId: 's1', index: 0 },
    { type: 'step.ended', turnId, stepId: 's1', stopReason: 'pause_turn', usage, costUsd: 0.4, model },
    { type: 'step.started', turnId, stepId: 's2', model: '', purpose: 'pause' },
    {
      type: 'ask.opened',
      turnId,
      stepId: 's2',
      callId: 's2',
      ask: {
        kind: 'question',
        question:
          'The next call would exceed the budget settings-day of $5.00 for one user today: $4.98 is already spent or reserved. The budget resets on 24 Nov 2026, 00:00. Continue?',
        options: ['Continue', 'Raise the limit for today', 'Stop'],
        optionIds: ['continue', 'raise', 'stop'],
        topic: { kind: 'budget', budgetId: 'settings-day' },
      },
    },
  ]);
}
