/// <reference lib="dom" />
import type { EventBody } from '@devlm/protocol/events.ts';
import type { Mutant, TestReport } from '@devlm/protocol/tasks.ts';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PageBench } from '../support/page-bench.ts';

// Each opens a page of its own.
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

/** What the badge says of a turn of "Test This" whose answer claims that all tests pass. */
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

test('without a record the badge says that nothing was run', async () => {
  expect(await badgeOf([])).toMatch(/Tests were not run/);
});

test('tests that passed and caught wrong code are said to have', async () => {
  const said = await badgeOf(called('check_tests', { tests: passed }));
  expect(said).toMatch(/^Tests passed$/m);
  expect(said).toContain('The tests detected 1 of 1 faulty versions');
});

test('tests that nothing wrong was tried on are said to be unproven', async () => {
  const said = await badgeOf(called('check_tests', { tests: { ...passed, mutants: [] } }));
  expect(said).toContain('It is not known whether the tests detect faulty code.');
});

test('tests that catch nothing are no good', async () => {
  const said = await badgeOf(called('check_tests', { tests: { ...passed, mutants: [wrong(false)] } }));
  expect(said).toContain('Tests passed, but they also pass with faulty code');
});

test('a failing run, and one that did not begin, are told whatever the answer says', async () => {
  const failing = { ...passed, verdict: 'failed' as const, exitCode: 1, failures: 1, mutants: [] };
  const said = await badgeOf(called('check_tests', { tests: failing }));
  expect(said).toContain('Tests failed (exit code 1)');
  expect(said).not.toContain('detect faulty code');
  const unknown = { ...failing, verdict: 'unknown' as const };
  expect(await badgeOf(called('check_tests', { tests: unknown }))).toContain('Tests did not run');
});

test('a run before the last change says nothing of the files as they are', async () => {
  const run = called('check_tests', { tests: passed });
  expect(await badgeOf([...run, ...changed])).toContain('Files were changed after this run');
  expect(await badgeOf([...changed, ...run])).not.toContain('Files were changed after this run');
});
