import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

/** Tests a tool call of the model up to the user's editor, in a real VS Code with a real server. */
describe('the workspace that is shared with the agent', { timeout: 90_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  let workspace: string;
  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'devlm-lending-'));
    await writeFile(join(workspace, 'notes.txt'), 'saved text\n');
    claude = await startClaude();
    vscode = await openVscode({
      workspace,
      env: { ANTHROPIC_API_KEY: 'sk-test-0123456789', ANTHROPIC_BASE_URL: claude.url },
      settings: { 'files.autoSave': 'off' },
    });
  }, 120_000);
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
    await rm(workspace, { recursive: true, force: true });
  });

  it('the agent reads a file as the user sees it, with unsaved changes', async () => {
    const { page } = vscode;
    await page.getByRole('treeitem', { name: 'notes.txt' }).dblclick();
    const editor = page.locator('.editor-instance .monaco-editor').first();
    await editor.click();
    await page.keyboard.press('Control+Home');
    await page.keyboard.type('typed, not ');
    await vscode.runCommand('DevLM: Open Chat');
    const message = vscode.chatFrame().getByRole('textbox', { name: 'Message', exact: true });
    await message.waitFor();
    claude.on(any, 'I have read it.');
    claude.on(any, toolUse('file_read', { path: 'notes.txt' }), { times: 1 });
    await message.fill('Read my notes');
    await message.press('Enter');
    await expect
      .poll(
        () =>
          vscode
            .chatFrame()
            .locator('.answer')
            .last()
            .innerText()
            .catch(() => ''),
        { timeout: 30_000 },
      )
      .toContain('I have read it.');
    expect(JSON.stringify((await claude.received(2)).body)).toContain('1\\ttyped, not saved text');
    expect(await readFile(join(workspace, 'notes.txt'), 'utf8')).toBe('saved text\n');
  });
});
