import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../scripts/build.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

/** Tests a budget of the settings and the usage view, in a real VS Code with a real server. */
describe('costs', { timeout: 180_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  beforeAll(async () => {
    claude = await startClaude();
    vscode = await openVscode({
      workspace: join(root, 'samples/todo'),
      env: { ANTHROPIC_API_KEY: 'sk-test-0123456789', ANTHROPIC_BASE_URL: claude.url },
      settings: { 'devlm.budget.perDay': 0.02 },
    });
    await vscode.runCommand('DevLM: Open Chat');
  }, 120_000);
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  it('DevLM asks when the budget of the settings is reached, and shows costs by chat and model', async () => {
    claude.on(any, 'Noted.');
    const frame = vscode.chatFrame();
    const message = frame.getByRole('textbox', { name: 'Message', exact: true });
    await message.fill('A dear question');
    await message.press('Enter');
    await frame.getByRole('feed').getByText('would exceed the budget settings-day').waitFor({ timeout: 60_000 });
    expect(claude.messages).toHaveLength(0);
    await vscode.screenshot('budget-asks');
    await frame.getByRole('button', { name: 'Continue' }).click();
    await frame.getByText('Noted.').waitFor({ timeout: 60_000 });
    await vscode.runCommand('DevLM: Show Usage');
    const chats = frame.getByRole('table', { name: 'By chat' });
    await chats.getByRole('button', { name: 'A dear question' }).waitFor();
    await vscode.screenshot('usage');
    await chats.getByRole('button', { name: 'A dear question' }).click();
    await frame.getByText('You answered: Continue').waitFor();
  });
});
