import type { EventBody, ReceivedEvent } from '@devlm/protocol/events.ts';
import {
  addTurns,
  answerText,
  applyEvent,
  dropTurns,
  emptyConversation,
  joinDeltas,
  shownPath,
  turnUsage,
} from '@devlm/protocol/reducer.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const problem = { code: 'stream_cut', status: 502, title: 'Cut', detail: 'It was cut.' };
const usage = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 2, cacheWriteTokens: 1 };

function numbered(bodies: readonly EventBody[]): ReceivedEvent[] {
  return bodies.map((body, index) => ({ ...body, seq: index + 1, at: new Date(index * 1000).toISOString() }));
}

function fold(events: readonly ReceivedEvent[]) {
  return events.reduce(applyEvent, emptyConversation('c'));
}

function created(turnId: string, parent: string | null): EventBody {
  return { type: 'turn.created', turnId, parent, text: `ask ${turnId}`, attachments: [], model: null, thinking: false };
}

function answered(turnId: string, chunks: readonly string[]): EventBody[] {
  const ids = { turnId, stepId: `s-${turnId}`, index: 0 };
  return [
    { type: 'turn.started', turnId, attempt: 1 },
    { type: 'step.started', turnId, stepId: ids.stepId, model: 'm' },
    { type: 'block.started', ...ids, kind: 'text' },
    ...chunks.map((text): EventBody => ({ type: 'block.delta', ...ids, text })),
    { type: 'block.ended', ...ids },
    { type: 'step.ended', turnId, stepId: ids.stepId, stopReason: 'end_turn', usage, costUsd: 0.5, model: 'm-1' },
    { type: 'turn.ended', turnId, outcome: 'completed' },
  ];
}

/** Generates conversations with branches: each turn has an existing parent, or none. */
const conversations = fc
  .array(fc.record({ parent: fc.nat(), chunks: fc.array(fc.string(), { maxLength: 5 }) }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((turns) => {
    const bodies: EventBody[] = [{ type: 'conversation.created', title: 'T', projectId: null, branchOf: null }];
    turns.forEach(({ parent, chunks }, index) => {
      const above = parent % (index + 1);
      bodies.push(created(`t${index}`, above === 0 ? null : `t${above - 1}`), ...answered(`t${index}`, chunks));
    });
    return numbered(bodies);
  });

describe('the reducer', () => {
  it('the reducer gives the same state if events are delivered repeatedly', () => {
    fc.assert(
      fc.property(conversations, fc.nat(), (events, from) => {
        const once = fold(events);
        expect([...events.slice(from % events.length)].reduce(applyEvent, once)).toEqual(once);
        expect(fold([...events, ...events])).toEqual(once);
      }),
    );
  });

  it('the reducer gives the same turns from pages as from live events, in any order of pages and with joined deltas', () => {
    fc.assert(
      fc.property(conversations, fc.boolean(), (events, reversed) => {
        const live = fold(events);
        const records = Object.values(live.turns).map((turn) => ({
          turnId: turn.id,
          siblings: turn.siblings,
          events: joinDeltas(events.filter((event) => 'turnId' in event && event.turnId === turn.id)),
        }));
        const empty = { ...emptyConversation('c'), head: live.head, lastSeq: live.lastSeq, title: live.title };
        expect(addTurns(empty, reversed ? records.reverse() : records)).toEqual(live);
      }),
    );
  });

  it('the reducer lists all siblings of each turn', () => {
    const state = fold(numbered([created('a', null), created('b', null), created('c', null)]));
    for (const id of ['a', 'b', 'c']) expect(state.turns[id]?.siblings).toEqual(['a', 'b', 'c']);
  });

  it('the reducer shows the branch of the head, and where older turns continue', () => {
    const state = fold(numbered([created('a', null), created('b', 'a'), created('c', 'b'), created('d', 'a')]));
    expect(shownPath(state).turns.map((turn) => turn.id)).toEqual(['a', 'd']);
    expect(shownPath(state, 'c').turns.map((turn) => turn.id)).toEqual(['a', 'b', 'c']);
    const dropped = dropTurns(state, new Set(['a']));
    expect(shownPath(dropped)).toMatchObject({ turns: [{ id: 'd' }], older: 'a' });
  });

  it('the reducer keeps only the reason and the cost of an abandoned step', () => {
    const [started, , block, delta] = answered('a', ['half an answer']).slice(0, 4);
    const events = [created('a', null), ...answered('a', ['half an answer']).slice(0, 4)];
    expect(started && block && delta).toBeTruthy();
    const state = fold(
      numbered([...events, { type: 'step.abandoned', turnId: 'a', stepId: 's-a', problem, usage, costUsd: 0.25 }]),
    );
    expect(state.turns['a']?.steps).toMatchObject([{ status: 'abandoned', blocks: [], problem }]);
    expect(turnUsage(state.turns['a'] ?? expect.fail())).toEqual({ ...usage, costUsd: 0.25 });
    expect(answerText(state.turns['a'] ?? expect.fail())).toBe('');
  });

  it('the cost of a turn is unknown if that of one step is', () => {
    const events = numbered([
      created('a', null),
      ...answered('a', ['x']).slice(0, -1),
      { type: 'step.started', turnId: 'a', stepId: 's2', model: 'm' },
      { type: 'step.ended', turnId: 'a', stepId: 's2', stopReason: 'end_turn', usage, costUsd: null, model: 'm' },
    ]);
    expect(turnUsage(fold(events).turns['a'] ?? expect.fail())).toMatchObject({ outputTokens: 10, costUsd: null });
  });

  it('the reducer skips event types of a newer server, and counts them', () => {
    const state = applyEvent(fold(numbered([created('a', null)])), {
      seq: 2,
      at: new Date().toISOString(),
      type: 'hologram.shown',
    });
    expect(state).toMatchObject({ lastSeq: 2, head: 'a' });
  });

  it('the reducer keeps unchanged objects identical, so that views can compare by reference', () => {
    const before = fold(numbered([created('a', null), ...answered('a', ['x']), created('b', 'a')]));
    const after = applyEvent(before, {
      seq: before.lastSeq + 1,
      at: new Date().toISOString(),
      type: 'turn.started',
      turnId: 'b',
      attempt: 1,
    });
    expect(after.turns['a']).toBe(before.turns['a']);
  });
});
