import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../scripts/build.ts';
import { toolUse } from '../support/claude/answer.ts';
import { model } from '../support/claude/models.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

const id = 'claude-small-1';
const asksForSummary = 'Write only the summary. Call no tools.';

/** Tests a conversation that exceeds the context window, in a real VS Code with a real server. */
describe('compaction of a long conversation', { timeout: 180_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  beforeAll(async () => {
    const sketch = { id, name: 'Small', created: '2026-01-01', line: 'sonnet' } as const;
    claude = await startClaude({ models: [model({ ...sketch, input: 40_000, output: 32_000 })] });
    vscode = await openVscode({
      workspace: join(root, 'samples/todo'),
      env: { ANTHROPIC_API_KEY: 'sk-test-0123456789', ANTHROPIC_BASE_URL: claude.url, DEVLM_MODEL: id },
    });
    await vscode.runCommand('DevLM: Open Chat');
  }, 120_000);
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  it('a conversation is summarized when it is too long and when the user asks, and the meter shows it', async () => {
    claude.on(any, 'Noted.');
    claude.on(asksForSummary, 'The person likes **plovers**.');
    claude.on('bird 1', toolUse('file_list', {}), { times: 1 });
    const frame = vscode.chatFrame();
    const message = frame.getByRole('textbox', { name: 'Message', exact: true });
    const summaries = frame.getByRole('button', { name: /turns? (was|were) summarised/ });
    let sent = 0;
    while ((await summaries.count()) === 0 && sent < 10) {
      sent += 1;
      await message.fill(`bird ${sent} ${'lorem ipsum dolor sit amet '.repeat(900)}`);
      await message.press('Enter');
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

    await message.fill('What do I like?');
    await message.press('Enter');
    await expect.poll(() => frame.getByText('Noted.').count(), { timeout: 60_000 }).toBe(sent + 1);
    const last = JSON.stringify(claude.messages.at(-1)?.body);
    expect(last).toContain('plovers');
    expect(last).not.toContain('lorem ipsum');
    await vscode.screenshot('context-compacted');
  });
});
