import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { text, toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

/** Tests the "always allow" button up to the user's settings, in a real VS Code with a real server. */
describe('the "always allow" button', { timeout: 180_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  let workspace: string;
  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'devlm-always-'));
    claude = await startClaude();
    vscode = await openVscode({
      workspace,
      env: { ANTHROPIC_API_KEY: 'sk-test-0123456789', ANTHROPIC_BASE_URL: claude.url },
    });
    await vscode.runCommand('DevLM: Open Chat');
  }, 120_000);
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
    await rm(workspace, { recursive: true, force: true });
  });

  it('"always allow" writes the rule to the settings, and the same action is not asked about again', async () => {
    const frame = vscode.chatFrame();
    const message = frame.getByRole('textbox', { name: 'Message', exact: true });
    const say = async (words: string, path: string) => {
      claude.on(words, text(`Answered: ${words}`));
      claude.on(words, toolUse('file_write', { path, content: `${words}\n` }), { times: 1 });
      await message.fill(words);
      await message.press('Enter');
    };
    claude.on(any, text('Done with it.'));
    const always = frame.getByRole('button', { name: /^Always Allow: / });

    await say('first', 'src/a.txt');
    const first = frame.getByRole('button', { name: 'Always Allow: file_write for files directly in src/' });
    await first.waitFor({ timeout: 30_000 });
    await vscode.screenshot('always-allow');
    await expect.poll(() => first.getAttribute('aria-disabled'), { timeout: 10_000 }).toBe('false');
    await first.click();
    await frame.getByText('Done with it.').waitFor({ timeout: 30_000 });
    expect(await readFile(join(workspace, 'src/a.txt'), 'utf8')).toBe('first\n');

    await say('second', 'src/b.txt');
    await expect.poll(() => frame.getByText('Done with it.').count(), { timeout: 30_000 }).toBe(2);
    expect(await readFile(join(workspace, 'src/b.txt'), 'utf8')).toBe('second\n');
    expect(await always.count()).toBe(0);

    await say('third', 'other/c.txt');
    await frame.getByRole('button', { name: 'Always Allow: file_write for files directly in other/' }).waitFor({
      timeout: 30_000,
    });
    await vscode.runCommand('Preferences: Open User Settings (JSON)');
    const editor = vscode.page.locator('.monaco-editor .view-lines');
    await expect
      .poll(async () => (await editor.allInnerTexts()).join('').replaceAll(/\s/g, ''), { timeout: 30_000 })
      .toContain('"devlm.permissions":[{"verdict":"allow","tool":"file_write","path":"src/*"}]');
    await vscode.screenshot('always-allow-settings');
  });
});
