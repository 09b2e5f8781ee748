import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { text, toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

const numbered = (end: string, change: Readonly<Record<number, string>> = {}) =>
  Array.from({ length: 24 }, (_, index) => `${change[index + 1] ?? `line ${index + 1}`}${end}`).join('');
const failing = 'def half(n):\n    return n // 0\n';
const repaired = 'def half(n):\n    return n // 2\n';
/** UTF-16 with a byte order mark and mixed line endings. */
const wide = Buffer.from('\ufeffwide “text”\r\nand more\n', 'utf16le');
const edit = (path: string, ...edits: [oldText: string, newText: string][]) =>
  toolUse('file_edit', { path, edits: edits.map(([oldText, newText]) => ({ oldText, newText })) });
const run = (source: string) => toolUse('run_code', { language: 'python', source });

/** Tests reviews from the model's calls to the bytes on disk and in documents, in a real VS Code with a real server and sandbox. */
describe('the review of changed files', { timeout: 300_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  let workspace: string;
  const onDisk = async (name: string) => await readFile(join(workspace, name), 'utf8');

  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'devlm-review-'));
    await writeFile(join(workspace, 'notes.txt'), 'saved text\nsecond line\n');
    await writeFile(join(workspace, 'table.csv'), numbered('\r\n'));
    await writeFile(join(workspace, 'half.py'), 'def half(n):\n    return n\n');
    await writeFile(join(workspace, 'wide.txt'), wide);
    claude = await startClaude();
    vscode = await openVscode({
      workspace,
      viewport: { width: 1500, height: 1000 },
      env: {
        ANTHROPIC_API_KEY: 'sk-test-0123456789',
        ANTHROPIC_BASE_URL: claude.url,
        // No Docker engine listens there, so that the embedded sandbox is used.
        DOCKER_HOST: 'unix:///nonexistent/docker.sock',
      },
      settings: { 'files.autoSave': 'off', 'files.eol': '\n', 'devlm.acceptEdits': false },
    });
  }, 180_000);
  beforeEach(({ task, onTestFailed }) => {
    onTestFailed(() => vscode.screenshot(`failed ${task.name.slice(0, 40)}`));
  });
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
    await rm(workspace, { recursive: true, force: true });
  });

  it('changes are reviewed by file and by change, and undone byte for byte', async () => {
    const { page } = vscode;
    await page.getByRole('treeitem', { name: 'notes.txt' }).dblclick();
    const editor = page.locator('.editor-instance .monaco-editor').first();
    await editor.click();
    await page.keyboard.press('Control+Home');
    await page.keyboard.type('typed, not ');
    const buffer = async () => {
      const lines = page.locator(
        '.editor-instance[aria-label*="notes.txt"] .view-line, .monaco-editor[data-uri$="notes.txt"] .view-line',
      );
      return (await lines.allInnerTexts()).map((line) => line.replaceAll('\u00a0', ' '));
    };
    await expect.poll(buffer, { timeout: 30_000 }).toEqual(['typed, not saved text', 'second line', '']);

    const patch = '*** Begin Patch\n*** Delete File: wide.txt\n*** Add File: made/new.txt\n+new\n*** End Patch';
    const steps = [
      [
        toolUse('file_read', { path: 'notes.txt' }),
        toolUse('file_read', { path: 'table.csv' }),
        toolUse('file_read', { path: 'half.py' }),
        toolUse('file_read', { path: 'wide.txt' }),
      ],
      [edit('notes.txt', ['second line', 'SECOND LINE'])],
      [edit('table.csv', ['line 3\n', 'line three\n'], ['line 20\n', 'line twenty\n'])],
      [edit('half.py', ['    return n\n', '    return n // 0\n'])],
      [toolUse('apply_patch', { patch })],
      [run(`${failing}print(half(8))`)],
      [edit('half.py', ['n // 0', 'n // 2'])],
      [run(`${repaired}print(half(8))`)],
      [toolUse('run_command', { command: 'echo ran > ran.txt' })],
    ];
    claude.on(any, text('It works now.'));
    for (const step of steps.toReversed()) claude.on(any, step, { times: 1 });
    await vscode.runCommand('DevLM: Open Chat');
    const frame = vscode.chatFrame();
    const message = frame.getByRole('textbox', { name: 'Message', exact: true });
    await message.waitFor();
    await message.fill('Make half work');
    await message.press('Enter');
    // DevLM asks about each change and shows its diff.
    for (const title of [
      'Change notes.txt',
      'Change table.csv',
      'Change half.py',
      'Change 2 files',
      'Change half.py',
    ]) {
      const card = frame.getByRole('group', { name: title }).last();
      const allow = card.getByRole('button', { name: 'Allow', exact: true });
      await allow.waitFor({ timeout: 90_000 });
      await allow.click();
      await allow.waitFor({ state: 'detached', timeout: 60_000 });
    }
    const command = frame.getByRole('group', { name: 'Run a command' });
    await command.getByRole('button', { name: 'Deny', exact: true }).click({ timeout: 90_000 });
    await frame.getByText('It works now.').waitFor({ timeout: 60_000 });
    const records = JSON.stringify(claude.messages.at(-1)?.body);
    expect(records).toContain('ZeroDivisionError');
    expect(records).toMatch(/ended with exit code 0 \(\d+ ms\)[^"]*stdout:\\\\?n4/);

    // The unsaved text stays unsaved, with the change in it.
    expect(await onDisk('notes.txt')).toBe('saved text\nsecond line\n');
    await expect.poll(buffer, { timeout: 30_000 }).toEqual(['typed, not saved text', 'SECOND LINE', '']);
    const changed = { 3: 'line three', 20: 'line twenty' };
    expect(await onDisk('table.csv')).toBe(numbered('\r\n', changed));
    expect(await onDisk('half.py')).toBe(repaired);
    expect(await onDisk('made/new.txt')).toBe('new\n');
    for (const gone of ['ran.txt', 'wide.txt']) await expect(onDisk(gone)).rejects.toThrow('ENOENT');

    const changes = frame.getByRole('region', { name: 'Changes in this turn' });
    const row = (name: string) => changes.locator('.change', { hasText: name });
    await row('half.py').getByRole('button', { name: 'Accept half.py' }).click();
    await row('half.py').getByText('accepted').waitFor({ timeout: 30_000 });
    expect(await onDisk('half.py')).toBe(repaired);

    // All remaining changes in one view.
    await changes.getByRole('button', { name: 'Review All Changes' }).click();
    await page.getByRole('tab', { name: /Changes by DevLM/ }).waitFor({ timeout: 30_000 });
    await page.locator('.multiDiffEntry', { hasText: 'table.csv' }).first().waitFor({ timeout: 30_000 });
    await vscode.screenshot('review-all');

    // One change of two, in the diff editor.
    await row('table.csv')
      .getByRole('button', { name: /Open diff/ })
      .click();
    const diff = page.locator('.monaco-diff-editor .editor.modified .view-line', { hasText: 'line three' });
    await diff.waitFor({ timeout: 30_000 });
    await vscode.screenshot('review-diff');
    await diff.click();
    await vscode.runCommand('DevLM: Reject Change at Cursor');
    await expect.poll(() => onDisk('table.csv'), { timeout: 30_000 }).toBe(numbered('\r\n', { 20: 'line twenty' }));
    await row('table.csv').getByRole('button', { name: 'Accept table.csv' }).waitFor();

    const restore = async () => {
      await frame.locator('.user').first().hover();
      await frame.getByRole('button', { name: 'Restore to Before This Message' }).first().click();
      await frame.getByRole('menuitem', { name: 'Restore Files...' }).click();
      const confirm = frame.getByRole('group', { name: 'Restore to before this message' });
      await confirm.getByText('5 files will be restored').waitFor({ timeout: 30_000 });
      await confirm.getByRole('button', { name: 'Restore' }).click();
      return confirm;
    };
    // The user's own edit is in conflict, so nothing is changed.
    await writeFile(join(workspace, 'half.py'), `${repaired}# mine\n`);
    const refused = await restore();
    await refused.getByText('half.py has changed since DevLM wrote it').waitFor({ timeout: 30_000 });
    await refused.getByText('+# mine').waitFor();
    await vscode.screenshot('review-refused');
    expect(await onDisk('table.csv')).toBe(numbered('\r\n', { 20: 'line twenty' }));
    await page.getByRole('tab', { name: /notes\.txt/ }).click();
    await expect.poll(buffer, { timeout: 30_000 }).toEqual(['typed, not saved text', 'SECOND LINE', '']);
    await refused.getByRole('button', { name: 'Cancel' }).click();
    await writeFile(join(workspace, 'half.py'), repaired);

    const done = await restore();
    await done.waitFor({ state: 'detached', timeout: 60_000 });
    await expect.poll(() => changes.getByText('restored', { exact: true }).count(), { timeout: 30_000 }).toBe(5);
    expect(await onDisk('half.py')).toBe('def half(n):\n    return n\n');
    expect(await onDisk('table.csv')).toBe(numbered('\r\n'));
    expect(await readFile(join(workspace, 'wide.txt'))).toEqual(wide);
    await expect(onDisk('made/new.txt')).rejects.toThrow('ENOENT');
    expect(await onDisk('notes.txt')).toBe('saved text\nsecond line\n');
    await expect.poll(buffer, { timeout: 30_000 }).toEqual(['typed, not saved text', 'second line', '']);
    await vscode.screenshot('review-restored');
  });
});
