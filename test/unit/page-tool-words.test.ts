import { turnFiles } from '@devlm/protocol/turn-files.ts';
import { describe, expect, it } from 'vitest';
import type { StepState, TurnState } from '../../protocol/src/state.ts';
import type { FileChange, PlanItem } from '../../protocol/src/tools.ts';
import { partialFields } from '../../webview-ui/src/state/partial-json.ts';
import { oneLine, printed, shown, shownStrictly } from '../../webview-ui/src/state/shown-text.ts';
import { toolWords } from '../../webview-ui/src/state/tool-words.ts';
import { planOf } from '../../webview-ui/src/state/turn-work.ts';

describe('partial JSON', () => {
  const input = {
    path: 'src/ä "quoted" \\ \u2028 a.ts',
    edits: [{ old: '}{][",', new: 'x' }, null],
    count: -1.5e3,
    flag: true,
    nothing: null,
    last: 'the \n end',
  };

  it.each([JSON.stringify(input), JSON.stringify(input, null, 2), JSON.stringify(input).replaceAll('ä', '\\u00e4')])(
    'partial JSON: a complete input is parsed whole, and every prefix has only correct fields: %#',
    (json) => {
      expect(Object.fromEntries(partialFields(json))).toEqual(input);
      for (let end = 0; end < json.length; end += 1) {
        for (const [name, value] of partialFields(json.slice(0, end))) {
          const whole = (input as Record<string, unknown>)[name];
          if (typeof whole === 'string') expect(whole.startsWith(String(value)), `${name} at ${end}`).toBe(true);
          else expect(value, `${name} at ${end}`).toEqual(whole);
        }
      }
    },
  );

  it('partial JSON: the value of a string is available as soon as it begins', () => {
    expect(partialFields('{"path":"src/a').get('path')).toBe('src/a');
    expect(partialFields('{"path":"a\\\\').get('path')).toBe('a\\');
    expect(partialFields('{"path":"a\\').get('path')).toBe('a');
    expect(partialFields('{"path":"a\\u00').get('path')).toBe('a');
  });

  it.each([
    '',
    ' ',
    '{',
    '[1]',
    'null',
    '{"a"',
    '{"a":',
    '{"a":}',
    '{:1}',
    '{"a" "b"}',
    '}',
    '{"a":[',
    '{"a":{"b":"]"',
    '{a:1}',
  ])('partial JSON: invalid input has no fields: %s', (text) => {
    expect([...partialFields(text)]).toEqual([]);
  });

  it('partial JSON: a million characters are parsed within the limits of time and length', () => {
    const start = performance.now();
    for (const text of ['{"a":"', '{"a":[[', '{"a":"\\\\', '{"', '{"a":"\\"'].map((begin) =>
      begin.padEnd(1_000_000, begin.slice(-2)),
    ))
      partialFields(text);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(String(partialFields(`{"a":"${'x'.repeat(1_000_000)}`).get('a')).length).toBeLessThanOrEqual(4_000);
  });
});

describe('tool words', () => {
  const words = (name: string, text: string) => {
    const { verb, about, note } = toolWords({
      index: 0,
      kind: 'tool_call',
      text,
      done: true,
      tool: { callId: 'c', name },
    });
    return [verb, about, note].filter(Boolean).join(' ');
  };

  it.each([
    ['file_read', '{"path":"src/a.ts","start":1,"end":80}', 'Read src/a.ts lines 1–80'],
    ['file_read', '{"path":"src/a.ts","start":40', 'Read src/a.ts'],
    ['file_read', '{"path":"src/a.ts","start":40}', 'Read src/a.ts from line 40'],
    ['file_edit', '{"path":"src/a.ts","old":"x', 'Edit src/a.ts'],
    ['apply_patch', '{"patch":"*** Update File: a.ts\\n*** Add File: b/c.ts\\n"}', 'Edit a.ts, b/c.ts'],
    ['apply_patch', '{"patch":"--- a/x.ts\\n+++ b/x.ts\\n@@"}', 'Edit x.ts'],
    ['run_command', '{"command":"npm test\\n  && rm x"}', 'Run npm test && rm x'],
    ['run_code', '{"language":"python","source":"1"}', 'Run python'],
    ['run_code', '{"language":"python","command":["python3","-m","pytest"]}', 'Run python python3 -m pytest'],
    ['diagnostics', '{"paths":["a.ts","b.ts"]}', 'Check problems a.ts, b.ts'],
    ['update_plan', '{"items":[]}', 'Update the plan'],
    ['jira', '{"n":1,"key":"WEB-7"}', 'jira WEB-7'],
    ['__proto__', '{"constructor":"c"}', '__proto__ c'],
    ['toString', '{}', 'toString'],
    ['', 'garbage', 'Tool'],
    ['file_read', '{"path":17}', 'Read'],
  ])('tool words: %s %s', (name, text, expected) => {
    expect(words(name, text)).toBe(expected);
  });
});

describe('shown text', () => {
  it('shown text: bidirectional, zero-width and control characters and unusual spaces are written out', () => {
    expect(shownStrictly('rm \u202etxt.\u2066 a\u200bb\u00a0c\ufe0f\u0000\u{e0041}')).toBe(
      'rm \\u{202e}txt.\\u{2066} a\\u{200b}b\\u{a0}c\\u{fe0f}\\u{0}\\u{e0041}',
    );
    expect(shown('👩‍💻 می‌خواهم\ttab\r\nline\ud83d')).toBe('👩‍💻 می‌خواهم\ttab\nline\\u{d83d}');
  });

  it('shown text: output of a program loses its terminal colors, and nothing else', () => {
    expect(printed('\u001b[31mred\u001b[0m\r\nnext\u202e')).toBe('red\nnext\\u{202e}');
  });

  it('shown text: a label fits on one line and does not end with half a character', () => {
    expect(oneLine('a\n\n  b', 10)).toBe('a b');
    expect(oneLine('😀'.repeat(50), 10)).toBe('😀😀😀😀…');
    expect(oneLine('x'.repeat(1_000_000), 5)).toBe('xxxx…');
  });
});

describe('work of a turn', () => {
  const hash = (digit: string) => digit.repeat(64);
  const change = (path: string, before: string | null, after: string | null, added = 1, removed = 1): FileChange => ({
    path,
    before: before && hash(before),
    after: after && hash(after),
    encoding: 'utf8',
    added,
    removed,
  });
  const turn = (id: string, ...steps: Partial<StepState>[]): TurnState => ({
    id,
    parent: null,
    siblings: [id],
    at: '',
    text: '',
    attachments: [],
    model: null,
    thinking: false,
    status: 'completed',
    steps: steps.map((step) => ({ id: 's', model: 'm', status: 'ended', blocks: [], results: {}, calls: {}, ...step })),
  });
  const call = (callId: string) =>
    ({ index: 0, kind: 'tool_call', text: '', done: true, tool: { callId, name: 'x' } }) as const;

  it('work of a turn: each changed file is listed once, from before the first change to after the last', () => {
    const files = turnFiles(
      turn(
        't',
        {
          blocks: [call('a'), call('b'), call('c')],
          // Results may arrive in any order.
          results: {
            b: { ok: true, text: '', details: { changes: [change('x', '2', '3'), change('new', null, '4', 9, 0)] } },
            a: { ok: true, text: '', details: { changes: [change('x', '1', '2', 5, 0), change('back', '7', '8')] } },
          },
          // This call was started and has no result.
          calls: { c: { started: true, output: '', changes: [change('cut', '5', '6')] } },
        },
        {
          blocks: [call('d'), call('e')],
          results: {
            d: { ok: true, text: '', details: { changes: [change('back', '8', '7'), change('new', '4', null, 0, 9)] } },
            e: { ok: false, text: 'conflict' },
          },
          // This call announced a change and then failed.
          calls: { e: { started: true, output: '', changes: [change('not', '1', '2')] } },
        },
      ),
    );
    const pending = ({ before, after, ...rest }: FileChange) => ({
      ...{ ...rest, before, after, base: before, now: after, verdict: null },
    });
    expect(files).toEqual([
      pending(change('x', '1', '3', 6, 1)),
      pending(change('back', '7', '7', 2, 2)),
      pending(change('new', null, null, 9, 9)),
      // It is not known whether this change was made.
      { ...pending(change('cut', '5', '6')), unsure: { now: hash('5') } },
    ]);
  });

  it('work of a turn: the latest plan is shown, until a turn follows the one that completed it', () => {
    const plan = (...statuses: PlanItem['status'][]) => statuses.map((status) => ({ text: status, status }));
    const planned = (id: string, ...plans: PlanItem[][]) =>
      turn(id, {
        blocks: plans.map((_, index) => call(`${id}${index}`)),
        results: Object.fromEntries(
          plans
            .map((items, index) => [`${id}${index}`, { ok: true, text: '', details: { plan: items } }] as const)
            .reverse(),
        ),
      });
    const first = planned('a', plan('open', 'open'), plan('done', 'active'));
    expect(planOf([first])).toEqual(plan('done', 'active'));
    expect(planOf([first, turn('b')])).toEqual(plan('done', 'active'));
    const finished = planned('c', plan('done', 'done'));
    expect(planOf([first, finished])).toEqual(plan('done', 'done'));
    expect(planOf([first, finished, turn('d')])).toBeNull();
    expect(planOf([turn('e')])).toBeNull();
  });
});
