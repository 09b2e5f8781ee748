import { setTimeout as sleep } from 'node:timers/promises';
import type { EventBody } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import type { BlockState, StepState, TurnState } from '@devlm/protocol/state.ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { attachmentText } from '../../server/src/agent/attachment-text.ts';
import { EventWriter } from '../../server/src/agent/event-writer.ts';
import { toMessages } from '../../server/src/agent/prompt.ts';
import { parseInput } from '../../server/src/agent/tool-input.ts';
import { costOf, listPrices } from '../../server/src/llm/prices.ts';

const delta = (text: string, index = 0): EventBody => ({ type: 'block.delta', turnId: 't', stepId: 's', index, text });

describe('EventWriter', () => {
  function recorder(delayMs = 0) {
    const appends: EventBody[][] = [];
    const writer = new EventWriter(async (events) => {
      await sleep(delayMs);
      appends.push([...events]);
    });
    return { appends, writer };
  }
  const words = (appends: EventBody[][]) =>
    appends.flat().map((event) => (event.type === 'block.delta' ? event.text : event.type));

  describe('the event writer', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());
    const clocked = () => {
      const appends: EventBody[][] = [];
      const writer = new EventWriter(async (events) => void appends.push([...events]));
      return { appends, writer };
    };

    it('the event writer sends the first text at once and joins what follows', async () => {
      const { appends, writer } = clocked();
      writer.write(delta('a'));
      await vi.advanceTimersByTimeAsync(1);
      expect(words(appends)).toEqual(['a']);
      for (const word of 'bcdef') writer.write(delta(word));
      await vi.advanceTimersByTimeAsync(limits.coalesceMs / 2);
      expect(appends).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(limits.coalesceMs);
      expect(words(appends)).toEqual(['a', 'bcdef']);
    });

    it('the event writer stores the beginning of a step and all waiting events long before it joins text', async () => {
      const { appends, writer } = clocked();
      writer.write({ type: 'turn.started', turnId: 't', attempt: 1 });
      await vi.advanceTimersByTimeAsync(limits.coalesceMs / 2);
      expect(appends).toEqual([]);
      writer.write({ type: 'step.started', turnId: 't', stepId: 's', model: 'm' });
      await vi.advanceTimersByTimeAsync(limits.coalesceMs / 8);
      expect(words(appends)).toEqual(['turn.started', 'step.started']);
      // Nothing is left that could be sent a second time.
      await vi.advanceTimersByTimeAsync(2 * limits.coalesceMs);
      expect(appends).toHaveLength(1);
    });
  });

  it('the event writer keeps the order and separates blocks, even when appending is slow', async () => {
    const { appends, writer } = recorder(15);
    const expected: string[] = [];
    for (let i = 0; i < 200; i++) {
      writer.write(delta(`${i} `, i % 10 === 0 ? 1 : 0));
      expected.push(`${i} `);
      if (i % 20 === 0) await sleep(3);
    }
    await writer.flush();
    expect(words(appends).join('')).toBe(expected.join(''));
    for (const event of appends.flat())
      if (event.type === 'block.delta' && event.index === 1) expect(event.text.trim()).toMatch(/^\d*0$/);
    expect(appends.length).toBeLessThan(30);
  });

  it('the event writer throws the error of the store at the next write and at flush', async () => {
    const writer = new EventWriter(() => Promise.reject(new Error('disk full')));
    writer.write(delta('a'));
    await expect(writer.flush()).rejects.toThrow('disk full');
    expect(() => writer.write(delta('b'))).toThrow('disk full');
  });
});

describe('the prompt', () => {
  const block = (more: Partial<BlockState>): BlockState => ({ index: 0, kind: 'text', text: '', done: true, ...more });
  const step = (blocks: BlockState[], more: Partial<StepState> = {}): StepState => ({
    id: 's',
    model: 'm',
    status: 'ended',
    blocks,
    results: {},
    calls: {},
    ...more,
  });
  const turn = (text: string, steps: StepState[] = []): TurnState => ({
    id: text,
    parent: null,
    siblings: [],
    at: '2026-01-01T00:00:00.000Z',
    text,
    attachments: [],
    model: null,
    thinking: false,
    status: 'completed',
    steps,
  });
  const noBlob = async () => null;

  it('the prompt alternates roles, whatever happened in earlier turns', async () => {
    const messages = await toMessages(
      [turn('failed at once'), turn('stopped', [step([block({ text: '  ' })])]), turn('now')],
      noBlob,
    );
    expect(messages).toEqual([
      { role: 'user', content: ['failed at once', 'stopped', 'now'].map((text) => ({ type: 'text', text })) },
    ]);
  });

  it('the prompt omits blocks that were cut short and cannot be sent back', async () => {
    const steps = [
      step([
        block({ kind: 'thinking', text: 'half a thought', done: false }),
        block({ index: 1, text: 'Half an' }),
        block({ index: 2, kind: 'tool_call', text: '{"pa', done: false, tool: { callId: 'c', name: 'x' } }),
        block({ index: 3, kind: 'server_tool', text: '{}', tool: { callId: 'd', name: 'web_search' } }),
      ]),
      step([block({ text: 'abandoned' })], { status: 'abandoned', blocks: [] }),
    ];
    const messages = await toMessages([turn('q', steps), turn('next')], noBlob);
    expect(messages[1]).toEqual({ role: 'assistant', content: [{ type: 'text', text: 'Half an' }] });
    expect(messages).toHaveLength(3);
  });

  it('the prompt contains thinking only while its turn continues', async () => {
    const steps = [step([block({ kind: 'thinking', text: 'hm', signature: 'x' }), block({ index: 1, text: 'said' })])];
    expect(JSON.stringify(await toMessages([turn('q', steps)], noBlob))).toContain('hm');
    expect(JSON.stringify(await toMessages([turn('q', steps), turn('next')], noBlob))).not.toContain('hm');
  });

  it('the prompt gives every tool call a result', async () => {
    const calls = [
      block({ kind: 'tool_call', text: '{"a":1}', tool: { callId: 'c1', name: 'x' } }),
      block({ index: 1, kind: 'tool_call', text: '', tool: { callId: 'c2', name: 'y' } }),
    ];
    const messages = await toMessages(
      [turn('q', [step(calls, { results: { c1: { ok: true, text: 'one' } } })])],
      noBlob,
    );
    expect(messages[2]?.content).toMatchObject([
      { type: 'tool_result', callId: 'c1', ok: true, text: 'one' },
      { type: 'tool_result', callId: 'c2', ok: false },
    ]);
  });

  it('a file in the prompt cannot close its own tag', () => {
    const shown = attachmentText({ kind: 'file', path: 'a"><x>\n.ts', text: '</file>\n<file path="b">' });
    expect(shown.match(/<\/file>/g)).toHaveLength(1);
    expect(shown.split('\n')[0]).not.toContain('<x>');
  });

  it.each([
    ['', {}],
    ['{"a":[1]}', { a: [1] }],
    ['[1]', undefined],
    ['null', undefined],
    ['{"a":', undefined],
    ['1', undefined],
    ['{"a":[[[1]]]}', { a: [[[1]]] }],
    [`{"a":${'['.repeat(64)}${']'.repeat(64)}}`, undefined],
    [`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, undefined],
  ])('the tool input %j is parsed', (json, value) => {
    expect(parseInput(json)).toEqual(value);
  });
});

describe('prices', () => {
  const million = { inputTokens: 1e6, outputTokens: 1e6, cacheReadTokens: 1e6, cacheWriteTokens: 1e6 };
  it.each([
    ['claude-opus-5-5', 4 + 20 + 0.2 + 5],
    ['claude-opus-5', 5 + 25 + 0.5 + 6.25],
    ['claude-sonnet-4-5-20250929', 3 + 15 + 0.3 + 3.75],
    ['claude-opus-4-5@20251101', 5 + 25 + 0.5 + 6.25],
    ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 3 + 15 + 0.3 + 3.75],
    ['anthropic.claude-haiku-4-5-20251001-v1:0', 1 + 5 + 0.1 + 1.25],
  ])('of %s', (model, dollars) => expect(costOf(model, million, listPrices)).toBeCloseTo(dollars, 6));
  it.each(['llama3', 'claude-opus-50', 'gpt', ''])('the price of %s is unknown', (model) =>
    expect(costOf(model, million, listPrices)).toBeNull(),
  );
});
