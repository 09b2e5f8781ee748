import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { text, toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { share } from '../support/deep.ts';
import { dockerEngine } from '../support/docker-engine.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

/** A file of each language, the places to test and generate code for, and the answers of the model. */
const samples = [
  {
    language: 'python',
    path: 'shop.py',
    source:
      'def total(prices, rate):\n    if rate > 1:\n        return 0\n    return sum(prices) * (1 - rate)\n\n\n# TODO: the cheapest of the prices\n',
    rightClick: 'return sum',
    named: '`total` in shop.py, lines 1 to 4',
    framework: 'pytest, as in tests/test_other.py',
    test: 'tests/test_shop.py',
    tests:
      'from shop import total\n\n\ndef test_discount():\n    assert total([10, 30], 0.25) == 30\n\n\ndef test_too_much():\n    assert total([10], 2) == 0\n\n\ndef test_all():\n    assert total([10], 1) == 0\n',
    check: { framework: 'pytest', tests: ['tests/test_shop.py'], subject: 'shop.py', function: 'total' },
    todo: 'TODO: the cheapest',
    code: '```python\ndef cheapest(prices):\n    return min(prices)\n```',
    generated: '\n\ndef cheapest(prices):\n    return min(prices)\n',
  },
  {
    language: 'javascript',
    path: 'cart.mjs',
    source:
      'export function count(items) {\n  return items.reduce((sum, { n }) => sum + n, 0);\n}\n\nexport const cart = {\n  // TODO: whether there is nothing in it\n};\n',
    rightClick: 'return items',
    named: '`count` in cart.mjs, lines 1 to 3',
    framework: 'node, the default of the language',
    test: 'cart.test.mjs',
    tests:
      "import assert from 'node:assert/strict';\nimport { test } from 'node:test';\nimport { count } from './cart.mjs';\n\ntest('adds up', () => assert.equal(count([{ n: 2 }, { n: 3 }]), 5));\n",
    check: { framework: 'node', tests: ['cart.test.mjs'], subject: 'cart.mjs', function: 'count' },
    todo: 'TODO: whether',
    code: 'isEmpty(items) {\n  return items.length === 0;\n},',
    generated: '{\n  isEmpty(items) {\n    return items.length === 0;\n  },\n};\n',
  },
  {
    language: 'go',
    path: 'stack/stack.go',
    source:
      'package stack\n\nfunc Largest(values []int) int {\n\tbest := values[0]\n\tfor _, value := range values {\n\t\tif value > best {\n\t\t\tbest = value\n\t\t}\n\t}\n\treturn best\n}\n\nfunc Sum(values []int) int {\n\t// TODO: add them up\n}\n',
    rightClick: 'best := values',
    named: '`Largest` in stack/stack.go, lines 3 to 11',
    framework: 'go, the default of the language',
    test: 'stack/stack_test.go',
    tests:
      'package stack\n\nimport "testing"\n\nfunc TestLargest(t *testing.T) {\n\tif got := Largest([]int{2, 9, 4}); got != 9 {\n\t\tt.Fatalf("got %d", got)\n\t}\n}\n',
    check: { framework: 'go', tests: ['stack/stack_test.go'], subject: 'stack/stack.go', function: 'Largest' },
    // Without it the package cannot be built.
    before: '\treturn 0\n',
    todo: 'TODO: add',
    code: 'sum := 0\nfor _, value := range values {\n\tsum += value\n}\nreturn sum',
    generated: '\tsum := 0\n\tfor _, value := range values {\n\t\tsum += value\n\t}\n\treturn sum\n}\n',
  },
  {
    language: 'ruby',
    path: 'lib/words.rb',
    source:
      "module Words\n  def self.longest(words)\n    words.max_by { |word| word.length } || 'none'\n  end\n\n  def self.shortest(words)\n  end\nend\n",
    rightClick: 'words.max_by',
    named: '`longest` in lib/words.rb, lines 2 to 4',
    framework: 'minitest, the default of the language',
    test: 'test/words_test.rb',
    tests:
      "require 'minitest/autorun'\nrequire 'words'\n\nclass WordsTest < Minitest::Test\n  def test_longest\n    assert_equal 'three', Words.longest(%w[one three])\n    assert_equal 'none', Words.longest([])\n  end\nend\n",
    check: { framework: 'minitest', tests: ['test/words_test.rb'], subject: 'lib/words.rb', function: 'longest' },
    todo: 'def self.shortest',
    code: 'def self.shortest(words)\n  words.min_by(&:length)\nend',
    generated: '  def self.shortest(words)\n    words.min_by(&:length)\n  end\nend\n',
  },
] as const;

/** Tests the context menu commands in a real VS Code with a real server, and with Docker running the tests. */
describe('commands in the editor', { timeout: 240_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  let workspace: string;

  const write = async (path: string, content: string) => {
    await mkdir(dirname(join(workspace, path)), { recursive: true });
    await writeFile(join(workspace, path), content);
  };
  const read = (path: string) => readFile(join(workspace, path), 'utf8').catch(() => null);
  const open = async (path: string) => {
    const { page } = vscode;
    const input = page.locator('.quick-input-widget input');
    const row = page.locator('.quick-input-list .monaco-list-row').first();
    // A key may be lost while the focus leaves the chat, and the input may close again.
    await expect
      .poll(
        async () => {
          await page.keyboard.press('F1');
          const found = input.fill(path, { timeout: 2_000 }).then(() => row.waitFor({ timeout: 2_000 }));
          return await found.then(
            () => true,
            () => false,
          );
        },
        { timeout: 30_000 },
      )
      .toBe(true);
    await input.press('Enter');
    await page.locator('.tab.active', { hasText: path.split('/').at(-1) }).waitFor();
  };
  /** Right-clicks a line and chooses the entry of the submenu, as a user does. */
  const choose = async (line: string, entry: string, shot?: string) =>
    chooseAt(vscode.page.locator('.editor-instance .view-line', { hasText: line }).first(), entry, shot);
  const chooseAt = async (place: Locator, entry: string, shot?: string) => {
    const { page } = vscode;
    await place.click({ button: 'right' });
    const submenu = page.getByRole('menuitem', { name: 'DevLM', exact: true });
    await submenu.hover();
    const item = page.getByRole('menuitem', { name: entry });
    await item.waitFor();
    if (shot) await vscode.screenshot(shot);
    // A menu ignores clicks right after it opens.
    await expect
      .poll(
        async () => {
          await item.click({ timeout: 2_000 }).catch(() => undefined);
          return await item.waitFor({ state: 'hidden', timeout: 1_000 }).then(
            () => true,
            () => false,
          );
        },
        { timeout: 20_000 },
      )
      .toBe(true);
  };
  const badge = () => vscode.chatFrame().locator('.answer .tests').last();
  /** Allows the single file write. */
  const allow = () => vscode.chatFrame().getByRole('button', { name: 'Allow', exact: true }).click({ timeout: 60_000 });
  /** Returns the text of the active editor, line by line as it is shown. */
  const shown = async () => {
    const lines = vscode.page.locator('.editor-instance .view-line');
    const tops = await lines.evaluateAll((all) =>
      all.map((line) => ({ top: Number.parseFloat(line.style.top), text: line.textContent ?? '' })),
    );
    return tops
      .sort((a, b) => a.top - b.top)
      .map(({ text: line }) => line.replaceAll('\u00a0', ' '))
      .join('\n');
  };
  const lens = (name: string) => vscode.page.locator('.codelens-decoration a', { hasText: name }).first();
  const save = async (path: string, until: (content: string) => boolean) => {
    await vscode.page.keyboard.press('Control+s');
    await expect.poll(async () => until((await read(path)) ?? ''), { timeout: 20_000 }).toBe(true);
  };
  const bothThemes = async (name: string) => {
    await vscode.screenshot(`${name}-dark`);
    await vscode.runCommand('Preferences: Toggle between Light/Dark Themes');
    await vscode.page.locator('.monaco-workbench.vs').waitFor();
    await vscode.screenshot(`${name}-light`);
    await vscode.runCommand('Preferences: Toggle between Light/Dark Themes');
    await vscode.page.locator('.monaco-workbench.vs-dark').waitFor();
  };
  const newChat = async () => {
    await vscode.runCommand('DevLM: New Chat');
    await vscode.chatFrame().locator('.composer').waitFor();
  };
  const sent = () => JSON.stringify(claude.messages.at(-1)?.body);

  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'devlm-commands-'));
    for (const { path, source } of samples) await write(path, source);
    await write('go.mod', 'module example.com/sample\n\ngo 1.19\n');
    await write('broken.js', 'const a = 1;\nconst b = ;\n');
    await write('package.json', '{ "type": "module" }\n');
    await write('tests/test_other.py', 'def test_one():\n    assert 1 == 1\n');
    for (const args of [
      ['init', '-q'],
      ['add', 'shop.py'],
    ])
      execFileSync('git', args, { cwd: workspace });
    claude = await startClaude();
    const { host, images } = await dockerEngine(samples.map(({ language }) => language));
    vscode = await openVscode({
      workspace,
      viewport: { width: 1400, height: 1000 },
      settings: { 'files.autoSave': 'off', 'editor.minimap.enabled': false },
      env: {
        ANTHROPIC_API_KEY: 'sk-test-0123456789',
        ANTHROPIC_BASE_URL: claude.url,
        DOCKER_HOST: host,
        DEVLM_SANDBOX_IMAGES: Object.entries(images)
          .map((pair) => pair.join('='))
          .join(','),
      },
    });
  }, 400_000);
  beforeEach(({ task, onTestFailed }) => {
    claude.reset();
    onTestFailed(() => vscode.screenshot(`failed ${task.name.slice(0, 40)}`));
  });
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
    await rm(workspace, { recursive: true, force: true });
  });

  it.for(share(samples, 4))(
    '"Test This" writes and runs tests for the clicked $language code, and shows their record',
    async (sample) => {
      claude.on(any, text('I wrote the tests.'));
      claude.on(any, toolUse('check_tests', sample.check), { times: 1 });
      claude.on(any, toolUse('file_write', { path: sample.test, content: sample.tests }), { times: 1 });
      // The first command opens the chat.
      if (sample !== samples[0]) await newChat();
      // A Go package is built as a whole.
      if ('before' in sample)
        await write(sample.path, sample.source.replace('\t// TODO: add them up\n', sample.before));
      await open(sample.path);
      await choose(sample.rightClick, 'Test This', `menu-${sample.language}`);
      const frame = vscode.chatFrame();
      // The text is in the message, and later also in the title.
      await frame.getByText(`Write tests for ${sample.named}.`).first().waitFor({ timeout: 60_000 });
      await frame.getByText(`Framework: ${sample.framework}.`).first().waitFor();
      await allow();
      await expect
        .poll(
          () =>
            badge()
              .innerText({ timeout: 1_000 })
              .catch(() => ''),
          { timeout: 150_000 },
        )
        .toContain('Tests passed');
      expect(await badge().innerText()).toMatch(/The tests detected [1-9]\d* of [1-9]\d* faulty versions/);
      await badge().getByText('Exit 0', { exact: true }).waitFor();
      expect(await read(sample.test)).toBe(sample.tests);
      expect(sent()).toContain('The tests passed and caught');
      await vscode.screenshot(`tests-${sample.language}`);
    },
  );

  it.for(share(samples, 4, 1))(
    '"Generate Here" proposes $language code, which is rejected, generated again and accepted',
    async (sample) => {
      claude.on(any, text('It is proposed.'));
      claude.on(any, toolUse('propose', { text: sample.code }), { times: 1 });
      await write(sample.path, sample.source);
      await open(sample.path);
      await vscode.page.locator('.editor-instance .view-line', { hasText: sample.todo }).first().waitFor();
      await choose(sample.todo, 'Generate Here');
      await lens('Accept').waitFor({ timeout: 60_000 });
      await (sample === samples[0] ? bothThemes('generate') : vscode.screenshot(`generate-${sample.language}`));
      expect(await read(sample.path)).toBe(sample.source);
      // Only read-only tools, and the one that proposes code.
      const names = (claude.messages.at(-1)?.message?.tools ?? []).map((tool) => ('name' in tool ? tool.name : ''));
      expect(names).toContain('propose');
      expect(names).not.toContain('file_write');
      await lens('Reject').click();
      await lens('Accept').waitFor({ state: 'detached' });
      await vscode.page.locator('.editor-instance .view-line', { hasText: sample.todo }).first().waitFor();
      claude.on(any, toolUse('propose', { text: sample.code }), { times: 1 });
      await choose(sample.todo, 'Generate Here');
      await lens('Accept').click({ timeout: 60_000 });
      await lens('Accept').waitFor({ state: 'detached' });
      // The file is briefly empty while it is saved.
      await save(sample.path, (content) => content !== '' && content !== sample.source);
      const content = (await read(sample.path)) ?? '';
      expect(content.endsWith(sample.generated)).toBe(true);
      expect(sample.source.startsWith(content.slice(0, -sample.generated.length))).toBe(true);
      // A single undo removes all of it.
      await vscode.page.locator('.editor-instance .view-line').first().click();
      await vscode.page.keyboard.press('Control+z');
      await save(sample.path, (undone) => undone === sample.source);
    },
  );

  it('a false claim about tests is contradicted, and tests may fail three times at most', async () => {
    const tests = 'from shop import total\n\n\ndef test_wrong():\n    assert total([10], 0.5) == 6\n';
    const check = { framework: 'pytest', tests: ['tests/test_lies.py'], subject: 'shop.py' };
    claude.on(any, text('All tests pass.'));
    claude.on(any, toolUse('check_tests', check), { times: 4 });
    claude.on(any, toolUse('file_write', { path: 'tests/test_lies.py', content: tests }), { times: 1 });
    await newChat();
    await open('shop.py');
    await choose('return sum', 'Test This');
    await allow();
    await vscode.chatFrame().getByText('All tests pass.').waitFor({ timeout: 120_000 });
    await badge().getByText('Tests failed (exit code 1)').waitFor();
    await badge().getByText('Exit 1', { exact: true }).waitFor();
    expect(sent()).toContain('the limit of 3 failing runs is reached');
    expect(sent()).toContain('The tests failed 3 times and are not run again.');
    await bothThemes('tests-lie');
  });

  it('generated code is not inserted where the user has typed, and moves with edits above it', async () => {
    const { page } = vscode;
    await write('shop.py', samples[0].source);
    await open('shop.py');
    const generate = async (during: () => Promise<void>) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      claude.reset();
      claude.on(any, text('Done.'));
      const late = {
        blocks: [toolUse('propose', { text: 'NEW = 1' })],
        wire: { stall: { afterEvents: 1, until: promise } },
      };
      claude.on(any, late, { times: 1 });
      await choose('TODO: the cheapest', 'Generate Here');
      await claude.received(1);
      await during();
      resolve();
    };
    await generate(async () => {
      await page.locator('.editor-instance .view-line').first().click();
      await page.keyboard.press('Control+Home');
      await page.keyboard.type('import os\n');
    });
    await lens('Accept').waitFor({ timeout: 30_000 });
    expect(await shown()).toBe(`import os\n${samples[0].source.replace(/# TODO.*\n/, 'NEW = 1\n')}`);
    await lens('Reject').click();
    await generate(async () => {
      await page.locator('.editor-instance .view-line', { hasText: 'TODO: the cheapest' }).first().click();
      await page.keyboard.press('End');
      await page.keyboard.type(' and the dearest');
    });
    await page.getByText('The code was not inserted').first().waitFor({ timeout: 30_000 });
    expect(await shown()).toBe(`import os\n${samples[0].source.replace(/(# TODO.*)\n/, '$1 and the dearest\n')}`);
    await vscode.runCommand('File: Revert File');
  });

  it('a fix is offered at a problem in the editor, and by slash command', async () => {
    const { page } = vscode;
    claude.on(any, text('The value is missing.'));
    await newChat();
    await open('broken.js');
    await page.locator('.squiggly-error').first().waitFor({ timeout: 60_000 });
    const action = page.locator('.action-widget').getByText('Fix with DevLM');
    // Until the language extension has responded, the list says that there are no actions, and closes.
    await expect
      .poll(
        async () => {
          await page.keyboard.press('Escape');
          await page.locator('.editor-instance .view-line', { hasText: 'const b' }).click();
          await page.keyboard.press('Control+.');
          return await action.waitFor({ timeout: 5_000 }).then(
            () => true,
            () => false,
          );
        },
        { timeout: 60_000 },
      )
      .toBe(true);
    await vscode.screenshot('lightbulb');
    await action.click();
    const frame = vscode.chatFrame();
    await frame.getByText('Fix these problems in broken.js:').first().waitFor({ timeout: 60_000 });
    await frame.getByText('Line 2: Expression expected.').waitFor();
    await frame.getByText('The value is missing.').waitFor({ timeout: 60_000 });
    const message = frame.getByRole('textbox', { name: 'Message', exact: true });
    await message.fill('/explain as to a child');
    await message.press('Enter');

    await frame.getByText('Explain broken.js.').first().waitFor({ timeout: 60_000 });
    await frame.getByText('as to a child').first().waitFor();
    await claude.received(2);
    expect(sent()).toContain('Explain the attached code to a reader');
  });

  it('a commit message for the staged changes is written into the source control view', async () => {
    claude.on(any, text('Done.'));
    claude.on(any, toolUse('propose', { text: 'Add the shop\n\nIt knows discounts.' }), { times: 1 });
    await vscode.runCommand('DevLM: Write Commit Message');
    await claude.received(1);
    expect(JSON.stringify(claude.messages[0]?.body)).toContain('+def total(prices, rate):');
    await vscode.runCommand('Source Control: Focus on Changes View');
    await vscode.page.locator('.scm-editor .view-line', { hasText: 'Add the shop' }).waitFor({ timeout: 60_000 });
    await vscode.screenshot('commit');
  });

  it('"Explain This" explains a file of the Explorer', async () => {
    claude.on(any, text('It counts.'));
    await newChat();
    await vscode.runCommand('View: Show Explorer');
    await chooseAt(vscode.page.getByRole('treeitem', { name: 'cart.mjs' }), 'Explain This');
    await vscode.chatFrame().getByText('Explain cart.mjs.').first().waitFor({ timeout: 60_000 });
    await vscode.chatFrame().getByText('It counts.').waitFor({ timeout: 60_000 });
    expect(sent()).toContain('items.reduce');
  });
});
