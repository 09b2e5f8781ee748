import { readdirSync, readFileSync } from 'node:fs';
import { Event } from '@devlm/protocol/events.ts';
import { applyEvent, emptyConversation, shownPath } from '@devlm/protocol/reducer.ts';
import type { AskState, ConversationState, ToolCallState, ToolResult, TurnNote } from '@devlm/protocol/state.ts';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { pausesOf } from '../../server/src/agent/pause.ts';
import { repetitionNotice, toMessages } from '../../server/src/agent/prompt.ts';
import { promptView } from '../../server/src/agent/prompt-view.ts';
import { eventLogs } from '../support/event-log-fixture.ts';

const Recorded = z.object({
  events: z.array(Event),
  state: z.looseObject({ id: z.string() }),
  messages: z.array(z.json()),
});

/** Returns a value as it is after a round trip through JSON, without the members that are undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const read = (version: string, name: string) =>
  Recorded.parse(JSON.parse(readFileSync(new URL(`${version}/${name}`, eventLogs), 'utf8')));

const logs = readdirSync(eventLogs).flatMap((version) =>
  readdirSync(new URL(`${version}/`, eventLogs)).map((name): [string, string] => [version, name]),
);

/** The notice that 0.1.0 appended to the result of a repeated call. */
const oldNotice =
  '\n\n(This is the same call with the same result as before, 3 times or more. Do something else, or ask the person.)';

/** Returns a note as 0.1.0 folded it: every note had commands, and none a kind. */
function noteOfThen(note: TurnNote) {
  const { kind: _kind, ...rest } = note;
  return { commands: [], ...rest };
}

/** Returns a result as 0.1.0 folded it: what the model was told of a repetition was part of the text. */
function resultOfThen({ repeated, ...result }: ToolResult) {
  return repeated ? { ...result, text: `${result.text}${oldNotice}` } : result;
}

const mapped = <T, R>(record: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));

/** Returns a question as 0.1.0 folded it: its options were their labels, and its topic was in the id of the call. */
function askOfThen(ask: AskState) {
  if (ask.kind === 'approval') return ask;
  const { topic: _topic, options, ...rest } = ask;
  return { ...rest, options: options.map(({ label }) => label) };
}

/** Returns the state of a call as 0.1.0 folded it: an answer was its text alone. */
function callOfThen({ ask, answer, ...call }: ToolCallState) {
  const { option: _option, ...rest } = { option: null, ...answer };
  return { ...call, ...(ask ? { ask: askOfThen(ask) } : {}), ...(answer ? { answer: rest } : {}) };
}

/** Returns a state in the form in which 0.1.0 folded it, so that nothing that it showed is lost. */
function stateOfThen({ turns, ...state }: ConversationState) {
  return {
    ...state,
    turns: mapped(turns, ({ notes, ...turn }) => ({
      ...turn,
      ...(notes ? { notes: notes.map(noteOfThen) } : {}),
      steps: turn.steps.map((step) => ({
        ...step,
        calls: mapped(step.calls, callOfThen),
        results: mapped(step.results, resultOfThen),
      })),
    })),
  };
}

describe.each(logs)('an event log of %s, %s', (version, name) => {
  const { events, state, messages } = read(version, name);
  const folded = events.reduce(applyEvent, emptyConversation(state.id));

  it('an old event log gives the state that its version showed', () => {
    expect(plain(stateOfThen(folded))).toEqual(state);
  });

  it('an old event log gives the messages that its version sent to the model', async () => {
    const { turns, lead } = promptView(shownPath(folded).turns);
    const sent = JSON.stringify(await toMessages(turns, async () => null, { lead }));
    // The words of the notice may change; where it stands may not.
    const inJson = (text: string) => JSON.stringify(text).slice(1, -1);
    expect(JSON.parse(sent.replaceAll(inJson(repetitionNotice), inJson(oldNotice)))).toEqual(messages);
  });
});

describe('an event log of v0.1.0', () => {
  const turnsOf = (name: string) => {
    const { events, state } = read('v0.1.0', name);
    return Object.values(events.reduce(applyEvent, emptyConversation(state.id)).turns);
  };

  it('notes of v0.1.0 get a kind, and only notes about commands have commands', () => {
    const notesOf = (name: string) => turnsOf(name).flatMap(({ notes = [] }) => notes);
    expect(notesOf('rules-noted.json').map(({ kind }) => kind)).toEqual(['rules', 'rules']);
    expect(notesOf('reviews-noted.json').map(({ kind }) => kind)).toEqual(['reviews']);
    expect(notesOf('commands-noted.json')).toMatchObject([
      { kind: 'commands', commands: [{ state: 'running', seen: 11 }] },
    ]);
  });

  it('pauses of v0.1.0 get a topic, and their answers the id of an option', () => {
    const pauses = (name: string) =>
      turnsOf(name).flatMap((turn) => pausesOf(turn).map(({ topic, answer }) => ({ topic, answer })));
    const topic = { kind: 'budget', budgetId: 'test' };
    expect(pauses('budget-continued.json')).toEqual([{ topic, answer: 'continue' }]);
    expect(pauses('budget-raised.json')).toEqual([{ topic, answer: 'raise' }]);
    expect(pauses('budget-stopped.json')).toEqual([{ topic, answer: 'stop' }]);
    expect(pauses('budget-other-answer.json')).toEqual([{ topic, answer: 'other' }]);
    expect(pauses('repeated-call.json')).toEqual([{ topic: { kind: 'sentinel', trouble: 'loop' }, answer: 'stop' }]);
    expect(pauses('cost-continued.json')).toEqual([
      { topic: { kind: 'sentinel', trouble: 'cost' }, answer: 'continue' },
    ]);
  });

  it('options in questions of v0.1.0 get numbers as ids', () => {
    const calls = turnsOf('question-answered.json').flatMap(({ steps }) =>
      steps.flatMap((step) => Object.values(step.calls)),
    );
    expect(calls).toMatchObject([
      { ask: { options: [{ id: '1' }, { id: '2' }] }, answer: { kind: 'question', text: 'Tabs', option: '1' } },
    ]);
  });

  it('repeated calls of v0.1.0 are marked, and their results lose the notice', () => {
    const results = turnsOf('repeated-call.json').flatMap(({ steps }) =>
      steps.flatMap((step) => Object.values(step.results)),
    );
    expect(results.map(({ repeated }) => repeated ?? false)).toEqual([false, false, true, true, true, true]);
    expect(new Set(results.map(({ text }) => text)).size).toBe(1);
  });
});
