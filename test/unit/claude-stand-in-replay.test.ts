import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { replayOf } from '../support/claude/replay.ts';

test('the stand-in gives the answers of a recorded conversation again, step by step', () => {
  const file = new URL('fixtures/event-logs/v0.1.0/question-answered.json', import.meta.url);
  const { events } = z.object({ events: z.array(z.json()) }).parse(JSON.parse(readFileSync(file, 'utf8')));
  const scenarios = replayOf(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  expect(scenarios).toMatchObject([
    { answer: [{ type: 'tool_use', name: 'ask_user' }], times: 1 },
    { answer: [{ type: 'text' }], times: 1 },
  ]);
});
