import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../scripts/build.ts';
import { text, toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

/** Tests a tool that asks a question, in a real VS Code with a real server. */
describe('questions from DevLM', { timeout: 120_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  beforeAll(async () => {
    claude = await startClaude();
    vscode = await openVscode({
      workspace: join(root, 'samples/todo'),
      env: { ANTHROPIC_API_KEY: 'sk-test-0123456789', ANTHROPIC_BASE_URL: claude.url },
    });
    await vscode.runCommand('DevLM: Open Chat');
  }, 120_000);
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  it('a question pauses the turn, survives a reload, and its answer reaches the model', async () => {
    const question = { question: 'Which storage should it use?', options: ['SQLite', 'A file'] };
    const items = [
      { text: 'Ask about the storage', status: 'active' },
      { text: 'Write it', status: 'open' },
    ];
    claude.on(any, text('Then SQLite it is.'));
    claude.on(any, [toolUse('update_plan', { items }), toolUse('ask_user', question)], { times: 1 });
    const frame = vscode.chatFrame();
    const message = frame.getByRole('textbox', { name: 'Message', exact: true });
    await message.fill('Store the tasks');
    await message.press('Enter');
    const card = frame.getByRole('group', { name: question.question });
    await card.waitFor({ timeout: 30_000 });
    await frame.getByRole('button', { name: 'Waiting for you' }).waitFor();
    await frame.getByRole('button', { name: /^Plan 0\/2/ }).waitFor();
    // The window shows the chat again on its own.
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
});
