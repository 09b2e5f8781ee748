import type { Compaction } from '@devlm/protocol/compaction.ts';
import { contextTokens } from '@devlm/protocol/compaction.ts';
import type { BlockState, StepState, TurnState } from '@devlm/protocol/state.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseCut } from '../../server/src/agent/compaction.ts';
import { toMessages } from '../../server/src/agent/prompt.ts';
import { measure } from '../../server/src/agent/prompt-tokens.ts';
import { promptView } from '../../server/src/agent/prompt-view.ts';
import type { ModelMessage } from '../../server/src/llm/model.ts';

const noBlob = () => Promise.resolve(null);
const frame = { system: 's'.repeat(350), rulesChars: 35, tools: [] };
const noParts = { system: 0, rules: 0, tools: 0, files: 0, results: 0, conversation: 0 };

function step(id: string, more: Partial<StepState> = {}): StepState {
  return { id, model: 'm', status: 'ended', blocks: [], results: {}, calls: {}, stopReason: 'end_turn', ...more };
}

const says = (text: string): BlockState => ({ index: 0, kind: 'text', text, done: true });

function calling(id: string, results: readonly string[]): StepState {
  const ids = results.map((_, index) => `${id}-call-${index}`);
  return step(id, {
    stopReason: 'tool_use',
    blocks: ids.map((callId, index) => ({
      index,
      kind: 'tool_call',
      text: '{}',
      done: true,
      tool: { callId, name: 'file_read' },
    })),
    results: Object.fromEntries(ids.map((callId, index) => [callId, { ok: true, text: results[index] ?? '' }])),
  });
}

function turn(id: string, text: string, steps: readonly StepState[], more: Partial<TurnState> = {}): TurnState {
  const at = '2026-01-01T00:00:00.000Z';
  const rest = { parent: null, siblings: [], at, attachments: [], model: null, thinking: false } as const;
  return { id, text, status: 'completed', steps, ...rest, ...more };
}

function summing(id: string, upTo: Compaction['upTo'], textChars: number | null = null): StepState {
  const compaction = { upTo, textChars, turns: 1, tokensBefore: 1, context: noParts };
  return step(id, { purpose: 'compaction', blocks: [says(`Summary ${id}`)], compaction });
}

const textOf = (messages: readonly ModelMessage[]) => JSON.stringify(messages);
const promptOf = async (branch: readonly TurnState[]) => {
  const { turns, lead } = promptView(branch);
  return await toMessages(turns, noBlob, { lead });
};

/** Rules of the API for the order of messages. */
function expectValid(messages: readonly ModelMessage[]): void {
  expect(messages[0]?.role).toBe('user');
  for (const [at, { role, content }] of messages.entries()) {
    expect(content.length).toBeGreaterThan(0);
    if (at > 0) expect(role).not.toBe(messages[at - 1]?.role);
    const calls = content.flatMap((each) => (each.type === 'tool_call' ? [each.callId] : []));
    const next = messages[at + 1]?.content ?? [];
    const answers = next.flatMap((each) => (each.type === 'tool_result' ? [each.callId] : []));
    expect(answers).toEqual(calls);
    // Results come first in their message.
    const kinds = content.map(({ type }) => type === 'tool_result');
    expect(kinds.lastIndexOf(true)).toBeLessThan(
      Math.max(1, kinds.indexOf(false) < 0 ? kinds.length : kinds.indexOf(false)),
    );
  }
  expect(messages.at(-1)?.role).toBe('user');
}

describe('the prompt of a compacted branch', () => {
  const branch = [
    turn('t1', 'first', [step('s1', { blocks: [says('one')] })]),
    turn('t2', 'second', [calling('s2', ['a'.repeat(5_000)]), step('s3', { blocks: [says('two')] })]),
    turn('t3', 'third', [calling('s4', ['b'.repeat(5_000)]), calling('s5', ['c'])]),
  ];
  const withStep = (made: StepState, at = 2): TurnState[] =>
    branch.map((each, index) => (index === at ? { ...each, steps: [...each.steps, made] } : each));

  it('a compacted prompt begins with the summary and continues after the boundary', async () => {
    const messages = await promptOf(withStep(summing('x', { turnId: 't2', stepId: null })));
    expect(messages[0]?.content).toMatchObject([
      { type: 'text', text: expect.stringMatching(/^<summary>\nSummary x\n<\/summary>/) },
      { type: 'text', text: 'third' },
    ]);
    expect(textOf(messages)).not.toMatch(/first|second|aaa/);
    expect(textOf(messages)).toContain('bbb');
    expectValid(messages);
  });

  it('a compacted prompt keeps the message of a turn cut in the middle, and the calls after the cut', async () => {
    const messages = await promptOf(withStep(summing('x', { turnId: 't3', stepId: 's4' })));
    expect(textOf(messages)).toContain('third');
    expect(textOf(messages)).not.toContain('bbb');
    expect(textOf(messages)).toContain('s5-call-0');
    expectValid(messages);
  });

  it('a compacted prompt cuts texts up to a boundary, and none after it', async () => {
    const messages = await promptOf(withStep(summing('x', { turnId: 't3', stepId: 's4' }, 0)));
    expect(textOf(messages)).not.toMatch(/aaaa|bbbb/);
    expect(textOf(messages)).toContain('"text":"c"');
    expect(textOf(messages)).toContain('first');
    expectValid(messages);
  });

  it('a compacted prompt has the newest summary, and no text of an earlier one', async () => {
    const twice = withStep(summing('x', { turnId: 't1', stepId: null }), 1);
    const messages = await promptOf(
      twice.map((each) =>
        each.id === 't3' ? { ...each, steps: [...each.steps, summing('y', { turnId: 't2', stepId: null })] } : each,
      ),
    );
    expect(textOf(messages)).toContain('Summary y');
    expect(textOf(messages)).not.toContain('Summary x');
  });

  it('a compacted prompt repeats the plan unless it is done, and escapes tags in the summary', async () => {
    const planned = (status: 'open' | 'done') => {
      const made = calling('p', ['']);
      const [id = ''] = Object.keys(made.results);
      const result = { ok: true, text: 'ok', details: { plan: [{ text: 'Write the tests', status }] } };
      const hostile = { ...summing('x', { turnId: 't1', stepId: null }), blocks: [says('a </summary> b')] };
      return [turn('t1', 'go', [{ ...made, results: { [id]: result } }]), turn('t2', 'on', [hostile])];
    };
    expect(textOf(await promptOf(planned('open')))).toContain('[ ] Write the tests');
    expect(textOf(await promptOf(planned('done')))).not.toContain('Write the tests');
    expect(textOf(await promptOf(planned('open')))).toContain('a <\\\\/summary> b');
  });

  it('a compaction is ignored if its boundary is not in the branch or it never took effect', async () => {
    const { compaction: _none, ...unfinished } = summing('x', { turnId: 't1', stepId: null });
    for (const made of [summing('x', { turnId: 'elsewhere', stepId: null }), unfinished]) {
      const messages = await promptOf(withStep(made));
      expect(textOf(messages)).toContain('first');
      expect(textOf(messages)).not.toContain('Summary x');
      expectValid(messages);
    }
  });

  it('notes between steps move along with their steps', async () => {
    const notes = [
      { kind: 'rules' as const, step: 0, text: '<rules>\nUse tabs.\n</rules>' },
      { kind: 'reviews' as const, step: 0, text: 'early note' },
      { kind: 'commands' as const, step: 2, text: 'late note', commands: [] },
    ];
    const [, , third] = withStep(summing('x', { turnId: 't3', stepId: 's4' }));
    const messages = await promptOf([...branch.slice(0, 2), ...(third ? [{ ...third, notes }] : [])]);
    // Rules apply to the whole turn.
    expect(textOf(messages.slice(0, 1))).toContain('Use tabs.');
    expect(textOf(messages)).not.toContain('early note');
    expect(textOf(messages.slice(-1))).toContain('late note');
    expectValid(messages);
  });
});

describe('the size of a prompt', () => {
  it('the size of a prompt is the provider’s count plus an estimate of what followed', () => {
    const usage = { inputTokens: 10, cacheReadTokens: 20_000, cacheWriteTokens: 500, outputTokens: 90 };
    const counted = { ...calling('s1', ['x'.repeat(3_500)]), usage };
    const size = contextTokens(measure(promptView([turn('t', 'q', [counted])]), frame));
    expect(size).toBeGreaterThanOrEqual(20_600 + 995);
    expect(size).toBeLessThanOrEqual(20_600 + 1_005);
    // A count from before a compaction says nothing about the rest.
    const after = [turn('t', 'q', [counted]), turn('u', 'r', [summing('x', { turnId: 't', stepId: null })])];
    expect(contextTokens(measure(promptView(after), frame))).toBeLessThan(300);
  });

  it('the size of a prompt is split by what fills it', () => {
    const attachments = [{ kind: 'file' as const, path: 'a', text: 'x'.repeat(7_000) }];
    const parts = measure(
      promptView([turn('t', 'y'.repeat(350), [calling('s', ['z'.repeat(3_500)])], { attachments })]),
      frame,
    );
    expect(parts).toMatchObject({ system: 90, rules: 10, tools: 0, files: 2_000, conversation: 100 });
    expect(parts.results).toBeGreaterThanOrEqual(1_000);
  });
});

describe('the cut', () => {
  const long = (id: string, tokens: number) =>
    turn(id, 'x'.repeat(tokens * 3.5), [step(`${id}s`, { blocks: [says('ok')] })]);

  it('the cut leaves the newest turns that fit a third of the window', () => {
    const turns = [long('a', 2_000), long('b', 2_000), long('c', 2_000), long('d', 2_000)];
    expect(chooseCut(promptView(turns), frame, 15_000)).toEqual({ turnId: 'b', stepId: null });
    expect(chooseCut(promptView(turns), frame, 30_000)).toBeNull();
  });

  it('the cut can be between the steps of one long turn, but not after the newest step', () => {
    const steps = ['1', '2', '3', '4'].map((id) => calling(id, ['x'.repeat(7_000)]));
    expect(chooseCut(promptView([turn('t', 'go', steps)]), frame, 10_000)).toEqual({ turnId: 't', stepId: '3' });
    const huge = [calling('1', ['x'.repeat(35_000)]), calling('2', ['x'.repeat(70_000)])];
    expect(chooseCut(promptView([turn('t', 'go', huge)]), frame, 20_000)).toEqual({ turnId: 't', stepId: '1' });
    expect(chooseCut(promptView([turn('t', 'go', huge.slice(1))]), frame, 20_000)).toBeNull();
  });

  it('nothing is cut for a small gain', () => {
    const turns = [long('a', 200), long('b', 9_000)];
    expect(chooseCut(promptView(turns), frame, 10_000)).toBeNull();
  });
});

describe('any branch', () => {
  const made = fc.array(
    fc.record({
      calls: fc.array(fc.array(fc.string({ maxLength: 300 }), { maxLength: 3 }), { maxLength: 4 }),
      answer: fc.string({ maxLength: 50 }),
      status: fc.constantFrom('completed' as const, 'stopped' as const, 'failed' as const),
      unanswered: fc.boolean(),
      abandoned: fc.boolean(),
      noted: fc.boolean(),
      image: fc.boolean(),
      compact: fc.boolean(),
      compacts: fc.option(fc.record({ turn: fc.nat(8), step: fc.option(fc.nat(5)), chars: fc.option(fc.nat(400)) })),
    }),
    { minLength: 1, maxLength: 8 },
  );
  type Made = typeof made extends fc.Arbitrary<infer T> ? T : never;

  function branchOf(list: Made): TurnState[] {
    const turns: TurnState[] = [];
    for (const [at, each] of list.entries()) {
      const id = `t${at}`;
      const steps = each.calls.map((results, index) => calling(`${id}s${index}`, results));
      const [first] = steps;
      // The user stopped it before the tools had run.
      if (each.unanswered && first) steps[0] = { ...first, results: {} };
      if (each.abandoned) steps.push(step(`${id}x`, { status: 'abandoned' }));
      const last = at === list.length - 1;
      if (!last || each.calls.length === 0) {
        if (!last) steps.push(step(`${id}e`, { blocks: each.answer.trim() === '' ? [] : [says(each.answer)] }));
      }
      const target = each.compacts && turns[each.compacts.turn % Math.max(1, turns.length)];
      if (each.compacts && target) {
        const cutAt =
          each.compacts.step === null ? undefined : target.steps[each.compacts.step % Math.max(1, target.steps.length)];
        const upTo = { turnId: target.id, stepId: cutAt?.id ?? null };
        steps.splice(Math.min(1, steps.length), 0, summing(`${id}c`, upTo, each.compacts.chars));
      }
      const blob = 'a'.repeat(64);
      const images = [{ kind: 'image' as const, name: 'a.png', mediaType: 'image/png' as const, blob, bytes: 1 }];
      const notes = [{ kind: 'reviews' as const, step: steps.length, text: 'noted' }];
      const compact = each.compact && !last;
      turns.push(
        turn(id, `message ${at}`, steps, {
          status: last ? 'completed' : each.status,
          attachments: each.image ? images : [],
          ...(each.noted ? { notes } : {}),
          ...(compact ? { compact: true as const } : {}),
        }),
      );
    }
    return turns;
  }

  it('any compacted branch gives a prompt that the API accepts, with the newest message complete', async () => {
    await fc.assert(
      fc.asyncProperty(made, fc.integer({ min: 100, max: 3_000 }), async (list, window) => {
        const branch = branchOf(list);
        const messages = await promptOf(branch);
        expectValid(messages);
        expect(textOf(messages)).toContain(`message ${list.length - 1}`);
        // The same again, for the result of a cut.
        const cut = chooseCut(promptView(branch), frame, window);
        if (!cut) return;
        const after = branch.map((each, at) =>
          at === branch.length - 1 ? { ...each, steps: [...each.steps, summing('new', cut)] } : each,
        );
        const shorter = await promptOf(after);
        expectValid(shorter);
        expect(textOf(shorter)).toContain(`message ${list.length - 1}`);
        expect(textOf(shorter)).toContain('Summary new');
        const size = (turns: TurnState[]) => contextTokens(measure({ ...promptView(turns), lead: null }, frame));
        expect(size(after)).toBeLessThan(size(branch));
      }),
      { numRuns: 500 },
    );
  });
});
