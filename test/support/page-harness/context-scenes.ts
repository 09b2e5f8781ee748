/// <reference lib="dom" />

/*
 * Conversations that fill the model's context window. Each function runs inside the page before it starts,
 * so it can only use `window.host`.
 */

/** A long conversation that was summarized once and shortened once, with an answer after that. */
export function longConversation(): void {
  const { host } = window;
  const id = 'long';
  host.create(id, 'A book of birds');
  host.hello = { ...host.hello, view: { conversationId: id, drafts: {}, model: null, thinking: false } };
  const model = 'claude-sonnet-4-5';
  const frame = { system: 900, rules: 2_100, tools: 9_000 };
  const before = { ...frame, files: 21_000, results: 96_000, conversation: 33_000 };
  const after = { ...frame, files: 0, results: 31_000, conversation: 8_000 };
  const usage = { inputTokens: 1_000, outputTokens: 2_000, cacheReadTokens: 120_000, cacheWriteTokens: 29_000 };
  const spent = { usage, costUsd: 0.31, model };
  const say = (turnId: string, stepId: string, text: string) =>
    host.append(id, [
      { type: 'block.started', turnId, stepId, index: 0, kind: 'text' },
      { type: 'block.delta', turnId, stepId, index: 0, text },
      { type: 'block.ended', turnId, stepId, index: 0 },
    ]);
  const begin = (turnId: string, parent: string | null, text: string) =>
    host.append(id, [
      { type: 'turn.created', turnId, parent, text, attachments: [], model: null, thinking: false },
      { type: 'turn.started', turnId, attempt: 1 },
    ]);
  for (const [turnId, parent, text] of [
    ['t1', null, 'Which birds live at the lake?'],
    ['t2', 't1', 'And which of them sing?'],
  ] as const) {
    begin(turnId, parent, text);
    host.append(id, [{ type: 'step.started', turnId, stepId: `${turnId}s`, model, context: before }]);
    say(turnId, `${turnId}s`, 'Herons, grebes and bitterns. The bittern booms.');
    host.append(id, [
      { type: 'step.ended', turnId, stepId: `${turnId}s`, stopReason: 'end_turn', ...spent },
      { type: 'turn.ended', turnId, outcome: 'completed' },
    ]);
  }
  begin('t3', 't2', 'Write the chapter about the bittern.');
  const made = (stepId: string, textChars: number | null) =>
    host.append(id, [
      {
        type: 'context.compacted',
        turnId: 't3',
        stepId,
        compaction: {
          upTo: { turnId: 't2', stepId: null },
          turns: 2,
          textChars,
          tokensBefore: 162_000,
          context: after,
        },
      },
    ]);
  host.append(id, [{ type: 'step.started', turnId: 't3', stepId: 't3c', model, purpose: 'compaction' }]);
  say('t3', 't3c', '## What the person wants\n\nA book of the **birds** at the lake. <img src=x onerror=alert(1)>');
  host.append(id, [{ type: 'step.ended', turnId: 't3', stepId: 't3c', stopReason: 'end_turn', ...spent }]);
  made('t3c', null);
  host.append(id, [
    { type: 'step.started', turnId: 't3', stepId: 't3d', model, purpose: 'compaction' },
    {
      type: 'step.abandoned',
      turnId: 't3',
      stepId: 't3d',
      problem: { code: 'stream_stalled', status: 504, title: 'Silent', detail: 'Nothing came for too long.' },
    },
  ]);
  made('t3d', 2_000);
  host.append(id, [{ type: 'step.started', turnId: 't3', stepId: 't3s', model, context: after }]);
  say('t3', 't3s', 'The bittern stands in the reeds and is not seen.');
  const cacheBreak = { cause: 'tools' as const, tools: ['mcp_birds_count'], tokens: 39_000 };
  const small = { inputTokens: 1_000, outputTokens: 1_000, cacheReadTokens: 9_000, cacheWriteTokens: 41_000 };
  host.append(id, [
    {
      type: 'step.ended',
      turnId: 't3',
      stepId: 't3s',
      stopReason: 'end_turn',
      usage: small,
      costUsd: 0.2,
      model,
      cacheBreak,
    },
    { type: 'turn.ended', turnId: 't3', outcome: 'completed' },
  ]);
}

/** An open question with an "Always Allow" rule. */
export function offeringConversation(): void {
  const { host } = window;
  const id = 'offering';
  host.create(id, 'Test it');
  host.hello = { ...host.hello, view: { conversationId: id, drafts: {}, model: null, thinking: false } };
  const ids = { turnId: 'o1', stepId: 'o1-s' };
  host.append(id, [
    {
      type: 'turn.created',
      turnId: 'o1',
      parent: null,
      text: 'Test it',
      attachments: [],
      model: null,
      thinking: false,
    },
    { type: 'turn.started', turnId: 'o1', attempt: 1 },
    { type: 'step.started', ...ids, model: 'claude-sonnet-4-5' },
    { type: 'block.started', ...ids, index: 0, kind: 'tool_call', tool: { callId: 'toolu_1', name: 'run_command' } },
    { type: 'block.delta', ...ids, index: 0, text: '{"command":"npm test -- --run unit"}' },
    { type: 'block.ended', ...ids, index: 0 },
    {
      type: 'ask.opened',
      ...ids,
      callId: 'toolu_1',
      ask: {
        kind: 'approval',
        title: 'Run a command',
        reason: 'No rule allows "npm test -- --run unit".',
        detail: 'npm test -- --run unit',
        format: 'command',
        rule: '{"verdict":"allow","tool":"run_command","command":"npm test"}',
      },
    },
  ]);
  const stored = host.stored(id);
  if (stored) stored.summary.busy = true;
}
