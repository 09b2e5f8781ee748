import type { EventBody } from '@devlm/protocol/events.ts';
import { applyEvent, emptyConversation } from '@devlm/protocol/reducer.ts';
import type { Review } from '@devlm/protocol/review.ts';
import { standingOf, turnFiles } from '@devlm/protocol/turn-files.ts';
import { describe, expect, it } from 'vitest';
import { shifted } from '../../extension/src/review/shifted.ts';

const [one, two, three] = ['1', '2', '3'].map((digit) => digit.repeat(64));
const ids = { turnId: 't', stepId: 's', callId: 'c' };
const change = (path: string, before: string | null, after: string | null) => ({
  ...{ path, before: before ?? null, after: after ?? null, encoding: 'utf8', added: 1, removed: 1 },
});

function fold(...bodies: EventBody[]) {
  return bodies
    .map((body, index) => ({ ...body, seq: index + 1, at: new Date(index).toISOString() }))
    .reduce(applyEvent, emptyConversation('c'));
}

const changed: EventBody[] = [
  { type: 'turn.created', turnId: 't', parent: null, text: '', attachments: [], model: null, thinking: false },
  { type: 'step.started', turnId: 't', stepId: 's', model: 'm' },
  { type: 'tool.ended', ...ids, ok: true, text: '', details: { changes: [change('a', one ?? null, two ?? null)] } },
  { type: 'turn.ended', turnId: 't', outcome: 'completed' },
];

describe('decisions about changes', () => {
  const review: Review = { id: 'r', verdict: 'reject', changes: [], marks: [], previous: [] };
  const mark = { path: 'a', base: one ?? null, now: one ?? null, verdict: 'reject' as const };

  it('decisions about changes are folded: open, then done or failed', () => {
    const started: EventBody = { type: 'review.started', turnId: 't', review };
    const marked: EventBody = { type: 'review.marked', turnId: 't', reviewId: 'r', files: [mark] };
    const ended = (done: boolean): EventBody => ({ type: 'review.ended', turnId: 't', reviewId: 'r', done });
    const states = [
      fold(...changed, started),
      fold(...changed, started, marked, ended(true)),
      fold(...changed, started, ended(false)),
    ];
    expect(states.map(({ turns }) => turns['t']?.reviews?.map(({ status }) => status))).toEqual([
      ['open'],
      ['done'],
      ['failed'],
    ]);
    const standings = states.map(({ turns }) => turns['t'] && turnFiles(turns['t']).map(standingOf));
    expect(standings).toEqual([['pending'], ['rejected'], ['pending']]);
  });

  it('a partly accepted file stays pending, with the accepted content as its base', () => {
    const files = [{ ...mark, base: three ?? null, now: two ?? null, verdict: 'accept' as const }];
    const { turns } = fold(...changed, { type: 'review.marked', turnId: 't', reviewId: 'r', files });
    const [file] = turns['t'] ? turnFiles(turns['t']) : [];
    expect([file && standingOf(file), file?.base, file?.before]).toEqual(['pending', three, one]);
  });

  it('decisions are remembered with the rejected content until the next message', () => {
    const aside = { turnId: 't', reviewId: 'r' };
    const moved: EventBody = { type: 'head.moved', turnId: null, aside };
    expect(fold(...changed, moved)).toMatchObject({ head: null, aside });
    expect(fold(...changed, moved, { type: 'head.moved', turnId: 't' }).aside).toBeUndefined();
  });
});

describe('differences in a document that is edited', () => {
  const hunks = [
    { base: { line: 2, lines: 1 }, now: { line: 2, lines: 1 } },
    { base: { line: 8, lines: 0 }, now: { line: 8, lines: 3 } },
  ];
  const range = (line: number, character: number, endLine = line) => ({
    start: { line, character },
    end: { line: endLine },
  });
  const linesAfter = (...changes: Parameters<typeof shifted>[1]) => shifted(hunks, changes).map(({ now }) => now.line);

  it.each([
    ['a line typed above', [{ range: range(0, 3), text: '\nmore' }], [3, 9]],
    ['lines removed between', [{ range: range(4, 0, 6), text: '' }], [2, 6]],
    ['a line put at its very beginning', [{ range: range(2, 0), text: 'x\r\n' }], [3, 9]],
    ['a line typed inside', [{ range: range(9, 2), text: '\n' }], [2, 8]],
    ['text without a line end', [{ range: range(0, 0), text: 'abc' }], [2, 8]],
  ])('the position of a change is updated by %s', (_what, changes, lines) => {
    expect(linesAfter(...changes)).toEqual(lines);
  });
});
