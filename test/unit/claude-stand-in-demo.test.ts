import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import Anthropic from '@anthropic-ai/sdk';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { loadAnswers, startDemo, tour } from '../../scripts/demo/scenarios.ts';

/* The demo's statements about the sample have to be true of the sample as it ships. */

const sample = fileURLToPath(new URL('../../samples/todo/', import.meta.url));
let files: ReadonlyMap<string, string>;
let answers: ReadonlyMap<string, { thinking: string; text: string }>;

beforeAll(async () => {
  const entries = await readdir(sample, { recursive: true, withFileTypes: true });
  const paths = entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
  const sources = paths.filter((path) => /\.(py|js|md|json)$/.test(path));
  files = new Map(
    await Promise.all(sources.map(async (path) => [relative(sample, path), await readFile(path, 'utf8')] as const)),
  );
  answers = await loadAnswers();
});

interface Fence {
  readonly language: string;
  readonly about: string;
  readonly code: string;
}

function fences(text: string): Fence[] {
  return [...text.matchAll(/^```(\w+) ?(\S*)\n([\s\S]*?)^```$/gm)].map(([, language = '', about = '', code = '']) => ({
    language,
    about,
    code,
  }));
}

function said(answer: string): string {
  const found = answers.get(answer);
  if (!found) throw new Error(`no answer ${answer}`);
  return found.text;
}

/** Creates a copy of the sample with the code that the answers propose. */
async function sampleWith(...names: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'todo-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(sample, folder, { recursive: true });
  const changed = new Map<string, string>();
  for (const { about, code } of names.flatMap((name) => fences(said(name)))) {
    if (!about.startsWith('proposed:')) continue;
    const path = about.slice('proposed:'.length);
    const before = changed.get(path) ?? files.get(path);
    changed.set(path, before === undefined ? code : withChange(before, code));
  }
  for (const [path, source] of changed) await writeFile(join(folder, path), source);
  return folder;
}

/** Replaces the function of the same name, and adds an import below the module's docstring. */
function withChange(source: string, code: string): string {
  const head = /^( *)def \w+\(/m.exec(code);
  if (!head) return source.replace('\n\n', () => `\n\n${code}`);
  const start = source.indexOf(head[0]);
  if (start < 0) throw new Error(`the sample has no ${head[0]}`);
  const rest = source.slice(start + head[0].length);
  const next = rest.search(new RegExp(`\\n {0,${head[1]?.length ?? 0}}\\S`));
  return `${source.slice(0, start)}${code.trimEnd()}\n\n${next < 0 ? '' : rest.slice(next)}`;
}

function run(command: string, folder: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', FORCE_COLOR: '0' };
    execFile(command, args, { cwd: folder, env }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
    });
  });
}

const python = (folder: string, ...args: string[]) => run('python3', folder, ...args);
const unittest = (folder: string, ...args: string[]) => python(folder, '-m', 'unittest', ...args);

/** Returns the value of an expression of the library, or the name of its error. */
async function evaluate(folder: string, expression: string): Promise<string> {
  const lines = [
    'from datetime import date',
    'from todo import TodoList',
    'from todo.recurrence import next_due',
    'try:',
    `    print(${expression})`,
    'except Exception as error:',
    '    print(type(error).__name__)',
  ];
  return (await python(folder, '-c', lines.join('\n'))).output.trim();
}

describe('the sample as it ships', () => {
  test('the sample fails one of eight Python tests, the one that the demo names', async () => {
    const { code, output } = await unittest(sample);
    expect(code).toBe(1);
    expect(output).toMatch(/Ran 8 tests/);
    expect(output).toMatch(/FAILED \(errors=1\)/);
    const named = /`(test_\w+)`/.exec(said('bug'))?.[1];
    expect(output).toContain(`ERROR: ${named}`);
    expect(said('explain')).toContain('8 Python tests and 4 JavaScript tests');
  });

  test('the sample passes its four JavaScript tests', async () => {
    const { code, output } = await run(process.execPath, sample, '--test', '--test-reporter=tap');
    expect(code).toBe(0);
    expect(output).toMatch(/# pass 4\b/);
  });

  test('the sample works from the command line as its README shows, once the bug is fixed', async () => {
    const folder = await sampleWith('fix');
    const session = /```console\n([\s\S]*?)```/.exec(files.get('README.md') ?? '')?.[1] ?? '';
    const steps = session.split(/^\$ /m).filter(Boolean);
    expect(steps).toHaveLength(3);
    for (const step of steps) {
      const [command = '', ...expected] = step.split('\n');
      const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '');
      expect((await run(args[0] ?? '', folder, ...args.slice(1))).output).toBe(expected.join('\n'));
    }
  });
});

describe('every answer', () => {
  test.each(tour.map((stop) => [stop.answer, stop] as const))(
    "the demo's answer %s is complete and suggests what to ask next",
    (name, stop) => {
      expect(said(name).length).toBeGreaterThan(400);
      expect(answers.get(name)?.thinking.length).toBeGreaterThan(60);
      const suggested = new Set(tour.map((each) => each.prompts[0]));
      expect(stop.next.length).toBeGreaterThan(0);
      for (const prompt of stop.next) expect(suggested).toContain(prompt);
    },
  );

  const names = tour.flatMap(({ answer, otherwise = [] }) => [answer, ...otherwise.map((other) => other.answer)]);
  test.each(names)("the demo's answer %s quotes only existing code", (name) => {
    for (const { language, about, code } of fences(said(name))) {
      if (about.startsWith('proposed:') || language === 'sh' || about === 'output') continue;
      expect([...files.keys()]).toContain(about);
      expect(files.get(about)).toContain(code.trimEnd());
    }
  });

  test.each(names)("the demo's answer %s names only existing code", (name) => {
    const answer = said(name);
    const proposed = fences(answer).map(({ about, code }) => `${about}\n${code}`);
    const known = [...files.keys(), ...files.values(), ...proposed].join('\n');
    const prose = answer.replaceAll(/^```[\s\S]*?^```$/gm, '');
    const named = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? '');
    // A call that the sample does not make, a title that a user might type, the text of an error.
    const outside = new Set(['<b>', 'python3 -m todo done 99', 'done 1', 'replace']);
    expect(named.filter((code) => !known.includes(code) && !outside.has(code))).toEqual([]);
  });

  test('the demo has a stop for every prompt, and no prompt twice', () => {
    const prompts = tour.flatMap((stop) => stop.prompts.map((prompt) => prompt.toLowerCase()));
    expect(new Set(prompts).size).toBe(prompts.length);
  });
});

describe('what the answers claim', () => {
  test('the answer "bug" of the demo shows the right error and dates', async () => {
    const { output } = await unittest(sample);
    for (const fence of fences(said('bug')).filter(({ about }) => about === 'output')) {
      expect(output).toContain(fence.code);
    }
    const rows = [...said('bug').matchAll(/^\| (\d{4}-\d\d-\d\d) +\| (\S+) +\|$/gm)];
    expect(rows).toHaveLength(6);
    for (const [, due = '', expected = ''] of rows) {
      const given = await evaluate(sample, `next_due(date.fromisoformat("${due}"), "month")`);
      expect(`${due} ${given}`).toBe(`${due} ${expected === 'error' ? 'ValueError' : expected}`);
    }
  });

  test('with the answer "fix" of the demo, all tests pass, and months drift as it says', async () => {
    const folder = await sampleWith('fix');
    const { code, output } = await unittest(folder);
    expect([code, output]).toEqual([0, expect.stringContaining('Ran 8 tests')]);
    const twice = 'next_due(next_due(date(2026, 1, 31), "month"), "month")';
    expect(await evaluate(folder, twice)).toBe('2026-03-28');
  });

  test('the edits "repair" of the demo apply to the sample, and all tests pass with them', async () => {
    const folder = await sampleWith();
    const Edits = z.object({
      path: z.string(),
      edits: z.array(z.object({ oldText: z.string(), newText: z.string() })),
    });
    const calls = tour.find(({ answer }) => answer === 'repair')?.work?.flat() ?? [];
    for (const { input } of calls.filter(({ name }) => name === 'file_edit')) {
      const { path, edits } = Edits.parse(input);
      let source = files.get(path) ?? '';
      for (const { oldText, newText } of edits) {
        expect(source.split(oldText)).toHaveLength(2);
        source = source.replace(oldText, () => newText);
      }
      await writeFile(join(folder, path), source);
    }
    expect((await unittest(folder)).code).toBe(0);
    // The files that are copied into the sandbox are all that the tests need.
    const tests = z.object({ workspaceFiles: z.array(z.string()) }).parse(calls.at(-1)?.input);
    for (const path of await readdir(folder, { recursive: true })) {
      if (/\.py$/.test(path) && !tests.workspaceFiles.includes(path)) await rm(join(folder, path));
    }
    expect(await unittest(folder)).toMatchObject({ code: 0, output: expect.stringContaining('Ran 8 tests') });
  });

  test('of the five dates in the answer "tests" of the demo, three fail before the fix and none after', async () => {
    const before = await unittest(await sampleWith('tests'), 'tests.test_recurrence');
    expect(before.output).toContain('FAILED (errors=3)');
    const after = await unittest(await sampleWith('tests', 'fix'));
    expect([after.code, after.output]).toEqual([0, expect.stringContaining('Ran 10 tests')]);
  });

  test('the flaws in the answer "next" of the demo exist, and its way of saving works', async () => {
    const add = '(lambda t: (t.add("a", date(2026, 1, 1), "day"), t.complete(1), t.complete(1), len(t.tasks))[-1])';
    expect(await evaluate(sample, `${add}(TodoList())`)).toBe('3');
    const folder = await sampleWith('next', 'fix');
    const lost = await python(folder, '-m', 'todo', 'done', '99');
    expect(lost.output).toMatch(/Traceback[\s\S]*KeyError/);
    expect((await unittest(folder)).code).toBe(0);
  });
});

describe('the demo as a server', () => {
  async function begin() {
    const demo = await startDemo({ pace: {} });
    onTestFinished(() => demo[Symbol.asyncDispose]());
    const sdk = new Anthropic({ apiKey: 'none', baseURL: demo.url, maxRetries: 0, logLevel: 'off' });
    const ask = async (content: Anthropic.MessageParam['content'], model = 'scripted-demo') =>
      sdk.messages
        .stream({
          model,
          max_tokens: 32_000,
          thinking: { type: 'adaptive', display: 'summarized' },
          messages: [{ role: 'user', content }],
        })
        .finalMessage();
    return { sdk, ask };
  }

  test('the demo has one model, whose name says that it is scripted', async () => {
    const { sdk } = await begin();
    const { data } = await sdk.models.list();
    expect(data.map((model) => model.display_name)).toEqual(['Scripted demo (not AI)']);
  });

  test('the demo answers a known prompt in any case, and after attachments', async () => {
    const { ask } = await begin();
    const message = await ask([
      { type: 'text', text: '<file path="todo/tasks.py">\n...\n</file>' },
      { type: 'text', text: 'please FIX the bug!' },
    ]);
    expect(message.content[0]).toMatchObject({ type: 'thinking', thinking: answers.get('fix')?.thinking });
    const answer = message.content[1]?.type === 'text' ? message.content[1].text : '';
    expect(answer.startsWith(said('fix'))).toBe(true);
    expect(answer).toContain('“Write tests for the fix”');
    expect(message.stop_reason).toBe('end_turn');
  });

  describe('a stop that works with tools', () => {
    const asTools = (names: readonly string[]): Anthropic.Tool[] =>
      names.map((name) => ({ name, input_schema: { type: 'object' } }));
    /** Asks, ends each call with the result of `result`, and returns the final answer. */
    async function work(prompt: string, names: readonly string[], result: (name: string) => [string, boolean]) {
      const { sdk } = await begin();
      const messages: Anthropic.MessageParam[] = [{ role: 'user', content: prompt }];
      for (let step = 0; step < 10; step++) {
        const request = { model: 'scripted-demo', max_tokens: 32_000, tools: asTools(names), messages };
        const { content } = await sdk.messages.stream(request).finalMessage();
        const calls = content.filter((block) => block.type === 'tool_use');
        if (calls.length === 0) return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
        const results = calls.map(({ id, name }) => {
          const [text, ok] = result(name);
          return { type: 'tool_result' as const, tool_use_id: id, content: text, is_error: !ok };
        });
        messages.push({ role: 'assistant', content: calls }, { role: 'user', content: results });
      }
      throw new Error('It works for ever.');
    }
    const allTools = ['file_read', 'file_edit', 'run_code'];
    const ran = async (...names: string[]): Promise<[string, boolean]> => {
      const { code, output } = await unittest(await sampleWith(...names));
      return [`The program ended with exit code ${code} (9 ms).\nstderr:\n${output}`, true];
    };

    test('the demo says that nothing was run if it has no tools', async () => {
      for (const prompt of ['Run the tests', 'Repair it for me']) {
        const answer = await work(prompt, ['file_read'], () => ['', true]);
        expect(answer).toContain('Nothing was run and nothing was changed');
        expect(answer).not.toMatch(/I ran|I changed/);
      }
    });

    test('the demo claims only results that its runs have shown', async () => {
      const [failing, passing] = [await ran(), await ran('fix')];
      expect(await work('Run the tests', allTools, () => failing)).toContain('one error among eight');
      expect(await work('Run the tests', allTools, () => passing)).toContain('All eight tests pass');
      expect(await work('Repair it', allTools, (name) => (name === 'run_code' ? passing : ['ok', true]))).toContain(
        'I changed two files',
      );
    });

    test('the demo makes no claims if the results are unexpected', async () => {
      const [failing, passing] = [await ran(), await ran('fix')];
      const odd = await Promise.all([
        work('Run the tests', allTools, () => ['The program could not be run. No engine.', false]),
        work('Run the tests', allTools, () => ['The program ended with exit code 1 (9 ms).\nstderr:\nimport', true]),
        work('Repair it', allTools, (name) => (name === 'run_code' ? failing : ['ok', true])),
        work('Repair it', allTools, (name) =>
          name === 'run_code' ? passing : ['No such text.', name !== 'file_edit'],
        ),
      ]);
      for (const answer of odd) {
        expect(answer).toContain('differ from what the script expects');
        expect(answer).not.toMatch(/I ran|I changed|pass/);
      }
    });
  });

  test('the demo says that it does not know an answer, and lists its prompts', async () => {
    const { ask } = await begin();
    for (const prompt of ['Write me a compiler', 'Hello']) {
      const [block] = (await ask(prompt, 'claude-of-another-day')).content;
      const answer = block?.type === 'text' ? block.text : '';
      expect(answer).toContain('not AI');
      for (const stop of tour) expect(answer).toContain(stop.prompts[0]);
    }
  });

  test('the demo can be started by hand, prints its address and ends on request', async () => {
    const main = fileURLToPath(new URL('../support/claude/main.ts', import.meta.url));
    const child = spawn(process.execPath, [main, '--demo'], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    expect(line).toMatch(/^http:\/\/127\.0\.0\.1:\d+\n$/);
    const models = await fetch(`${line.trim()}/v1/models`, {
      headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
    });
    expect(await models.text()).toContain('Scripted demo (not AI)');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('no shipped code contains the demo', async () => {
    for (const room of ['protocol/src', 'workspace-core/src', 'server/src', 'extension/src', 'webview-ui/src']) {
      const root = fileURLToPath(new URL(`../../${room}`, import.meta.url));
      for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const source = await readFile(join(entry.parentPath, entry.name), 'utf8');
        expect(source, entry.name).not.toMatch(/from '[^']*(test\/support|scripts\/demo)/);
      }
    }
  });
});
