import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { root } from '../../scripts/build.ts';
import { text, toolUse } from '../support/claude/answer.ts';
import { model } from '../support/claude/models.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

/** A model whose context window a few long messages fill. */
const modelId = 'claude-small-1';
const asksForSummary = 'Write only the summary. Do not call any tools.';

/**
 * Tests tools from the model's call to the user's editor and back, in one window: a real VS Code, extension and server.
 */
describe('the agent in the editor', { timeout: 180_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  let workspace: string;
  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'devlm-agent-'));
    await cp(join(root, 'samples/todo'), workspace, { recursive: true });
    await writeFile(join(workspace, 'notes.txt'), 'saved text\n');
    const sketch = { id: modelId, name: 'Small', created: '2026-01-01', line: 'sonnet' } as const;
    claude = await startClaude({ models: [model({ ...sketch, input: 40_000, output: 32_000 })] });
    vscode = await openVscode({
      workspace,
      env: { ANTHROPIC_API_KEY: 'sk-test-0123456789', ANTHROPIC_BASE_URL: claude.url, DEVLM_MODEL: modelId },
      settings: { 'files.autoSave': 'off' },
    });
  }, 120_000);
  beforeEach(async ({ task, onTestFailed }) => {
    onTestFailed(() => vscode.screenshot(`failed ${task.name.slice(0, 40)}`));
    claude.reset();
  });
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
    await rm(workspace, { recursive: true, force: true });
  });

  const chat = () => {
    const frame = vscode.chatFrame();
    return { frame, message: frame.getByRole('textbox', { name: 'Message', exact: true }) };
  };
  const send = async (words: string) => {
    const { message } = chat();
    await message.fill(words);
    await message.press('Enter');
  };
  const newChat = async () => {
    await vscode.runCommand('DevLM: New Chat');
    await expect.poll(() => chat().frame.locator('.user-text').count(), { timeout: 10_000 }).toBe(0);
  };

  it('the agent reads a file as the user sees it, with unsaved changes', async () => {
    const { page } = vscode;
    await page.getByRole('treeitem', { name: 'notes.txt' }).dblclick();
    const editor = page.locator('.editor-instance .monaco-editor').first();
    await editor.click();
    await page.keyboard.press('Control+Home');
    await page.keyboard.type('typed, not ');
    await vscode.runCommand('DevLM: Open Chat');
    await chat().message.waitFor();
    claude.on(any, 'I have read it.');
    claude.on(any, toolUse('file_read', { path: 'notes.txt' }), { times: 1 });
    await send('Read my notes');
    const answer = () =>
      chat()
        .frame.locator('.answer')
        .last()
        .innerText()
        .catch(() => '');
    await expect.poll(answer, { timeout: 30_000 }).toContain('I have read it.');
    expect(JSON.stringify((await claude.received(2)).body)).toContain('1\\ttyped, not saved text');
    expect(await readFile(join(workspace, 'notes.txt'), 'utf8')).toBe('saved text\n');
    await vscode.runCommand('File: Revert File');
  });

  it('a question stays open over a reload, and its answer reaches the model', async () => {
    await newChat();
    const question = { question: 'Which storage should it use?', options: ['SQLite', 'A file'] };
    const items = [
      { text: 'Ask about the storage', status: 'active' },
      { text: 'Write it', status: 'open' },
    ];
    claude.on(any, text('Then SQLite it is.'));
    claude.on(any, [toolUse('update_plan', { items }), toolUse('ask_user', question)], { times: 1 });
    const { frame } = chat();
    await send('Store the tasks');
    const card = frame.getByRole('group', { name: question.question });
    await card.waitFor({ timeout: 30_000 });
    await frame.getByRole('button', { name: 'Waiting for you', exact: true }).waitFor();
    await frame.getByRole('button', { name: /^Plan 0\/2/ }).waitFor();
    // The window shows the chat again by itself.
    await vscode.reload();
    await card.waitFor({ timeout: 60_000 });
    await vscode.screenshot('ask');
    await card.getByRole('button', { name: 'SQLite' }).click();
    await frame.getByText('You answered: SQLite').waitFor();
    await frame.getByText('Then SQLite it is.').waitFor({ timeout: 30_000 });
    expect(await card.count()).toBe(0);
    expect(claude.messages).toHaveLength(2);
    expect(JSON.stringify(claude.messages.at(-1)?.body)).toContain('"content":"SQLite"');
  });

  it('a long conversation is summarized when it is due and when the user asks, and the meter shows it', async () => {
    await newChat();
    claude.on(any, 'Noted.');
    claude.on(asksForSummary, 'The person likes **plovers**.');
    claude.on('bird 1', toolUse('file_list', {}), { times: 1 });
    const { frame } = chat();
    const summaries = frame.getByRole('button', { name: /turns? (was|were) summarized/ });
    let sent = 0;
    while ((await summaries.count()) === 0 && sent < 10) {
      sent += 1;
      await send(`bird ${sent} ${'lorem ipsum dolor sit amet '.repeat(900)}`);
      await expect.poll(() => frame.getByText('Noted.').count(), { timeout: 60_000 }).toBe(sent);
    }
    expect(sent).toBeGreaterThan(1);
    await summaries.first().click();
    await frame.getByText('plovers').waitFor();
    await frame.getByRole('button', { name: /of 40K context tokens used/ }).click();
    const panel = frame.getByRole('dialog', { name: 'Context' });
    await panel.getByText('Tool definitions').waitFor();
    await vscode.screenshot('context-meter');
    await panel.getByRole('button', { name: 'Summarize Now' }).click();
    await expect.poll(() => summaries.count(), { timeout: 60_000 }).toBe(2);

    await send('What do I like?');
    await expect.poll(() => frame.getByText('Noted.').count(), { timeout: 60_000 }).toBe(sent + 1);
    const last = JSON.stringify(claude.messages.at(-1)?.body);
    expect(last).toContain('plovers');
    expect(last).not.toContain('lorem ipsum');
    await vscode.screenshot('context-compacted');
  });

  it('the chat shows what was sent to the model for the newest answer', async () => {
    await vscode.runCommand('DevLM: Show Requests Sent to the Model');
    const rows = vscode.page.locator('.quick-input-list .monaco-list-row', { hasText: modelId });
    await rows.first().waitFor({ timeout: 30_000 });
    await vscode.screenshot('sent-requests');
    await rows.first().click();
    const editor = vscode.page.locator('.editor-instance .view-lines').first();
    await expect.poll(() => editor.innerText(), { timeout: 30_000 }).toContain(modelId);
    await vscode.screenshot('sent-request');
  });

  it('"Always Allow" writes the rule to the settings, and the same action is not asked about again', async () => {
    await newChat();
    const { frame } = chat();
    const write = async (words: string, path: string) => {
      claude.on(words, text(`Answered: ${words}`));
      claude.on(words, toolUse('file_write', { path, content: `${words}\n` }), { times: 1 });
      await send(words);
    };
    claude.on(any, text('Done with it.'));
    const always = frame.getByRole('button', { name: /^Always Allow: / });

    await write('first', 'src/a.txt');
    const first = frame.getByRole('button', { name: 'Always Allow: file_write for files directly in src/' });
    await first.waitFor({ timeout: 30_000 });
    await vscode.screenshot('always-allow');
    await expect.poll(() => first.getAttribute('aria-disabled'), { timeout: 10_000 }).toBe('false');
    await first.click();
    await frame.getByText('Done with it.').waitFor({ timeout: 30_000 });
    expect(await readFile(join(workspace, 'src/a.txt'), 'utf8')).toBe('first\n');

    await write('second', 'src/b.txt');
    await expect.poll(() => frame.getByText('Done with it.').count(), { timeout: 30_000 }).toBe(2);
    expect(await readFile(join(workspace, 'src/b.txt'), 'utf8')).toBe('second\n');
    expect(await always.count()).toBe(0);

    await write('third', 'other/c.txt');
    await frame.getByRole('button', { name: 'Always Allow: file_write for files directly in other/' }).waitFor({
      timeout: 30_000,
    });
    await vscode.runCommand('Preferences: Open User Settings (JSON)');
    const editor = vscode.page.locator('.monaco-editor .view-lines');
    await expect
      .poll(async () => (await editor.allInnerTexts()).join('').replaceAll(/\s/g, ''), { timeout: 30_000 })
      .toContain('"devlm.permissions":[{"verdict":"allow","tool":"file_write","path":"src/*"}]');
    await vscode.screenshot('always-allow-settings');
    await frame.getByRole('button', { name: 'Stop (Escape)' }).click();
  });

  it('a command is shown before it runs, and its output while it runs', async () => {
    await newChat();
    const command = 'env >seen; echo started; while [ ! -e go ]; do sleep 0.1; done; echo finished; exit 4';
    claude.on(any, text('It ended with 4.'));
    claude.on(any, toolUse('run_command', { command }), { times: 1 });
    const { frame } = chat();
    await send('Run it');
    const card = frame.getByRole('group', { name: 'Run a command' });
    await card.getByText(command).waitFor({ timeout: 30_000 });
    await vscode.screenshot('command-ask');
    await card.getByRole('button', { name: 'Allow', exact: true }).click();
    await frame.locator('.tool-tail').getByText('started').waitFor({ timeout: 30_000 });
    await vscode.screenshot('command-live');
    expect(claude.messages).toHaveLength(1);
    await writeFile(join(workspace, 'go'), '');
    await frame.getByText('It ended with 4.').waitFor({ timeout: 30_000 });
    await frame.getByText('exit code 4').waitFor();
    await vscode.screenshot('command-ended');
    expect(await frame.locator('.devlm-boot').count()).toBe(0);
    const told = JSON.stringify((await claude.received(2)).body);
    expect(told).toMatch(/ended with exit code 4 \([\d.]+ s\)/);
    expect(told).toContain('started\\nfinished');
    expect(await readFile(join(workspace, 'seen'), 'utf8')).not.toMatch(/sk-test|ANTHROPIC|DEVLM|VSCODE/);
  });

  it('a command ends when its window is closed', async () => {
    const command = 'echo $$ >pid; sleep 300';
    claude.on(any, text('It runs.'));
    claude.on(any, toolUse('run_command', { command, background: true }), { times: 1 });
    const { frame } = chat();
    await send('Start it');
    const card = frame.getByRole('group', { name: 'Run a command' });
    await card.getByRole('button', { name: 'Allow', exact: true }).click({ timeout: 30_000 });
    await frame.getByText('It runs.').waitFor({ timeout: 30_000 });
    expect(JSON.stringify((await claude.received(2)).body)).toContain('It runs in the background as');
    const pid = Number(await readFile(join(workspace, 'pid'), 'utf8'));
    expect(isAlive(pid)).toBe(true);
    await vscode.page.goto('about:blank');
    await expect.poll(() => isAlive(pid), { timeout: 60_000 }).toBe(false);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
