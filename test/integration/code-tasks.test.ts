import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ToolResult, TurnState } from '@devlm/protocol/state.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

const Sent = z.object({ tools: z.array(z.object({ name: z.string() })).default([]), messages: z.array(z.unknown()) });
const resultsOf = (turn: TurnState): ToolResult[] => turn.steps.flatMap((step) => Object.values(step.results));

/** Tests the tasks of the editor's commands, on the real server with a real sandbox. */
describe('the tasks of commands', { timeout: 120_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let window: EditorWindow;
  let folder: string;

  beforeAll(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'embedded'] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    claude.reset();
    folder = mkdtempSync(join(tmpdir(), 'devlm-tasks-'));
    window = new EditorWindow(() => server, folder);
    window.rules = { user: [{ verdict: 'allow', tool: '*' }], workspace: null };
    await window.attach();
  });
  afterEach(() => {
    window[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  const turn = async (task: Task | undefined, ...calls: [name: string, input: object][]) => {
    claude.on(any, 'All tests pass.');
    for (const [name, input] of calls.toReversed()) claude.on(any, toolUse(name, input), { times: 1 });
    const conversationId = await newConversation(server, 'project');
    using reader = new Reader(() => server, conversationId);
    return await reader.ended(await send(server, conversationId, 'Please.', task ? { task } : {}), 110_000);
  };
  const offered = async (task: Task | undefined) => {
    claude.reset();
    await turn(task);
    const body = Sent.parse((await claude.received(1)).body);
    return { names: body.tools.map(({ name }) => name), messages: JSON.stringify(body.messages) };
  };

  const module = 'export const add = (a, b) => a + b;\nexport const isBig = (n) => n > 10 && n < 99;\n';
  const testFile = (checks: string) =>
    `import assert from 'node:assert/strict';\nimport { test } from 'node:test';\nimport { add, isBig } from './sum.mjs';\ntest('works', () => {\n${checks}\n});\n`;
  const check = { framework: 'node', tests: ['sum.test.mjs'], subject: 'sum.mjs' };

  it('a task sends its instructions and offers the tools that it needs', async () => {
    const plain = await offered(undefined);
    expect(plain.names).toEqual(expect.arrayContaining(['file_write', 'run_code', 'check_tests']));
    expect(plain.names).not.toContain('propose');
    const explain = await offered('explain');
    expect(explain.messages).toContain('Explain the attached code');
    for (const name of ['file_write', 'file_edit', 'apply_patch', 'run_code', 'check_tests', 'propose'])
      expect(explain.names).not.toContain(name);
    const generate = await offered('generate');
    expect(generate.names).toEqual(expect.arrayContaining(['file_read', 'propose']));
    expect(generate.names).not.toContain('file_write');
    const test = await offered('test');
    expect(test.names).toEqual(expect.arrayContaining(['file_write', 'check_tests']));
    // No tool that could run the tests beyond the limit.
    for (const name of ['run_code', 'run_command', 'command_control']) expect(test.names).not.toContain(name);
  });

  it('proposed text is returned in the result of a call', async () => {
    const ended = await turn('generate', ['propose', { text: 'const a = 1;' }], ['propose', { text: '' }]);
    expect(resultsOf(ended)[0]).toMatchObject({ ok: true, details: { proposal: { text: 'const a = 1;' } } });
    expect(resultsOf(ended)[1]).toMatchObject({ ok: false, text: expect.stringContaining('The input of propose') });
  });

  it('tests run with the code that they test, and the result says which wrong versions they catch', async () => {
    window.write('sum.mjs', module);
    window.write('sum.test.mjs', testFile('assert.equal(add(2, 3), 5);'));
    const [result] = resultsOf(await turn('test', ['check_tests', check]));
    expect(result?.text).toContain('The tests passed and caught 1 of');
    expect(result?.text).toContain('sum.mjs:2: `>` became `<=`');
    const report = result?.details?.tests;
    expect(report).toMatchObject({ verdict: 'passed', exitCode: 0, failures: 0 });
    // Each has its own record, which contains the wrong version.
    const caught = report?.mutants.filter((mutant) => mutant.caught) ?? [];
    expect(caught).toMatchObject([{ path: 'sum.mjs', line: 1, before: '+', after: '-' }]);
    const { record } = await server.client.call('executions.get', {
      params: { executionId: caught[0]?.executionId ?? '' },
    });
    expect(record).toMatchObject({ status: 'failed' });
    const { files } = await server.client.call('snippets.get', { params: { hash: record?.programHash ?? '' } });
    expect(files.find(({ path }) => path === 'sum.mjs')?.content).toContain('a - b');
    expect(window.text('sum.mjs')).toBe(module);
  });

  it('the result says if tests pass and catch no wrong version', async () => {
    window.write('sum.mjs', module);
    window.write('sum.test.mjs', testFile('assert.ok(add); assert.ok(isBig);'));
    window.write('empty.test.mjs', 'export {};\n');
    const [result, empty] = resultsOf(
      await turn(
        'test',
        ['check_tests', { ...check, function: 'isBig' }],
        // Node reports a file without tests as passed.
        ['check_tests', { ...check, tests: ['empty.test.mjs'] }],
      ),
    );
    expect(empty?.text).toContain('They catch nothing');
    expect(result?.text).toMatch(/caught 0 of [1-9]/);
    expect(result?.text).toContain('They catch nothing');
    expect(result?.details?.tests?.mutants.every(({ line, caught }) => line === 2 && !caught)).toBe(true);
  });

  it('a test task ends after the third failed run, whatever the model says', async () => {
    window.write('sum.mjs', module);
    window.write('sum.test.mjs', testFile('assert.equal(add(2, 3), 6);'));
    const calls = Array.from({ length: 5 }, (): [string, object] => ['check_tests', check]);
    const results = resultsOf(await turn('test', ...calls));
    expect(results.map(({ details }) => details?.tests?.verdict)).toEqual([
      'failed',
      'failed',
      'failed',
      undefined,
      undefined,
    ]);
    expect(results[0]?.text).toContain('Failing runs left: 2.');
    expect(results[2]?.text).toContain('Stop here');
    expect(results[3]).toMatchObject({ ok: false, text: expect.stringContaining('are not run again') });
    expect(results[2]?.details?.tests).toMatchObject({ verdict: 'failed', exitCode: 1, failures: 3 });
    // The model said that all tests pass, which no stored run confirms.
    const runs = await Promise.all(
      results
        .slice(0, 3)
        .map(({ details }) =>
          server.client.call('executions.get', { params: { executionId: details?.tests?.executionId ?? '' } }),
        ),
    );
    expect(new Set(runs.map(({ id }) => id)).size).toBe(3);
    expect(runs.every(({ record }) => record?.status === 'failed')).toBe(true);
  });

  it('a test run that did not start is not taken for a result', async () => {
    window.write('sum.mjs', module);
    const results = resultsOf(
      await turn(
        'test',
        ['check_tests', { ...check, tests: ['missing.test.mjs'] }],
        ['check_tests', { ...check, framework: 'mocha' }],
        ['check_tests', { ...check, subject: '../../etc/passwd' }],
        ['check_tests', { framework: 'pytest', tests: ['test_a.py'], subject: 'sum.mjs', files: ['*.mjs'] }],
      ),
    );
    expect(results[0]).toMatchObject({ ok: false, text: expect.stringContaining('missing.test.mjs cannot be copied') });
    expect(results[1]?.text).toContain('The input of check_tests is not valid');
    for (const { details } of results) expect(details?.tests?.verdict ?? 'unknown').toBe('unknown');
  });

  it('test runs include files by glob', async () => {
    window.write('sum.mjs', module);
    window.write('notes.txt', 'not asked for');
    const source = "import { add } from './sum.mjs'; console.log(add(1, 2));";
    const [result] = resultsOf(
      await turn(undefined, ['run_code', { language: 'javascript', source, workspaceFiles: ['*.mjs'] }]),
    );
    expect(result?.text).toContain('stdout:\n3');
    const { record } = await server.client.call('executions.get', {
      params: { executionId: result?.details?.executionId ?? '' },
    });
    expect(record?.inputs.map(({ path }) => path).sort()).toEqual(['main.mjs', 'sum.mjs']);
  });
});
