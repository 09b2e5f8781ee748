/// <reference lib="dom" />
import type { EventBody } from '@devlm/protocol/events.ts';
import type { Mutant, TestReport } from '@devlm/protocol/tasks.ts';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PageBench } from '../support/page-bench.ts';

// Each test opens a new page.
vi.setConfig({ testTimeout: 30_000 });

let bench: PageBench;

beforeAll(async () => {
  bench = await PageBench.start();
}, 60_000);
afterAll(() => bench[Symbol.asyncDispose]());

function openConversation(): void {
  const { host } = window;
  host.create('tests', 'Test it');
  host.hello = { ...host.hello, view: { conversationId: 'tests', drafts: {}, model: null, thinking: false } };
}

const wrong = (caught: boolean): Mutant => ({
  path: 'todo/tasks.py',
  line: 7,
  before: 'a < b',
  after: 'a <= b',
  executionId: `wrong-${caught}`,
  caught,
});
const passed: TestReport = {
  executionId: 'run-1',
  verdict: 'passed',
  exitCode: 0,
  failures: 0,
  mutants: [wrong(true)],
};

const ids = { turnId: 't1', stepId: 't1-s' };
let index = 0;

function called(name: string, details: Extract<EventBody, { type: 'tool.ended' }>['details']): EventBody[] {
  index++;
  const callId = `call-${index}`;
  return [
    { type: 'block.started', ...ids, index, kind: 'tool_call', tool: { callId, name } },
    { type: 'block.delta', ...ids, index, text: '{}' },
    { type: 'block.ended', ...ids, index },
    { type: 'tool.ended', ...ids, callId, ok: true, text: '', details },
  ];
}

const changed = called('file_edit', {
  changes: [
    { path: 'todo/tasks.py', before: 'a'.repeat(64), after: 'b'.repeat(64), encoding: 'utf8', added: 1, removed: 1 },
  ],
});

/** Returns the text of the badge of a "Test This" turn whose answer claims that all tests pass. */
async function badgeOf(events: readonly EventBody[]): Promise<string> {
  let said = '';
  await bench.page({ prepare: openConversation }, async (page) => {
    const all: EventBody[] = [
      {
        type: 'turn.created',
        turnId: 't1',
        parent: null,
        text: 'Test it',
        attachments: [],
        model: null,
        thinking: false,
        task: 'test',
      },
      { type: 'turn.started', turnId: 't1', attempt: 1 },
      { type: 'step.started', ...ids, model: 'm' },
      ...events,
      { type: 'block.started', ...ids, index: 100, kind: 'text' },
      { type: 'block.delta', ...ids, index: 100, text: 'All tests pass.' },
      { type: 'block.ended', ...ids, index: 100 },
      { type: 'turn.ended', turnId: 't1', outcome: 'completed' },
    ];
    await page.evaluate((text) => window.host.append('tests', JSON.parse(text)), JSON.stringify(all));
    const badge = page.getByRole('region', { name: 'Tests' });
    await badge.waitFor();
    said = await badge.innerText();
    expect(await bench.violations(page)).toEqual([]);
  });
  return said;
}

test('a turn without a recorded test run has a badge that says that no tests were run', async () => {
  expect(await badgeOf([])).toMatch(/Tests were not run/);
});

test('the badge of passed tests says how many faulty versions of the code they detected', async () => {
  const said = await badgeOf(called('check_tests', { tests: passed }));
  expect(said).toMatch(/^Tests passed$/m);
  expect(said).toContain('The tests detected 1 of 1 faulty versions');
});

test('the badge of tests that were not run against faulty code says that it is not known whether they detect it', async () => {
  const said = await badgeOf(called('check_tests', { tests: { ...passed, mutants: [] } }));
  expect(said).toContain('It is not known whether the tests detect faulty code.');
});

test('the badge of tests that detect no faulty code warns', async () => {
  const said = await badgeOf(called('check_tests', { tests: { ...passed, mutants: [wrong(false)] } }));
  expect(said).toContain('Tests passed, but they also pass with faulty code');
});

test('the badge shows failed tests and tests that did not start, whatever the answer says', async () => {
  const failing = { ...passed, verdict: 'failed' as const, exitCode: 1, failures: 1, mutants: [] };
  const said = await badgeOf(called('check_tests', { tests: failing }));
  expect(said).toContain('Tests failed (exit code 1)');
  expect(said).not.toContain('detect faulty code');
  const unknown = { ...failing, verdict: 'unknown' as const };
  expect(await badgeOf(called('check_tests', { tests: unknown }))).toContain('Tests did not run');
});

test('the badge says if files were changed after the last test run', async () => {
  const run = called('check_tests', { tests: passed });
  expect(await badgeOf([...run, ...changed])).toContain('Files were changed after this run');
  expect(await badgeOf([...changed, ...run])).not.toContain('Files were changed after this run');
});
