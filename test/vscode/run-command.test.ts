import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { text, toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

/** Tests a command from the model's call to the process, in a real VS Code with a real server. */
describe('a command of the agent', { timeout: 120_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  let workspace: string;
  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'devlm-command-'));
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

  it('a command is shown before it runs, and its output while it runs', async () => {
    const command = 'env >seen; echo started; while [ ! -e go ]; do sleep 0.1; done; echo finished; exit 4';
    claude.on(any, text('It ended with 4.'));
    claude.on(any, toolUse('run_command', { command }), { times: 1 });
    const frame = vscode.chatFrame();
    const message = frame.getByRole('textbox', { name: 'Message', exact: true });
    await message.fill('Run it');
    await message.press('Enter');
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
    claude.reset();
    const command = 'echo $$ >pid; sleep 300';
    claude.on(any, text('It runs.'));
    claude.on(any, toolUse('run_command', { command, background: true }), { times: 1 });
    const frame = vscode.chatFrame();
    const message = frame.getByRole('textbox', { name: 'Message', exact: true });
    await message.fill('Start it');
    await message.press('Enter');
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
