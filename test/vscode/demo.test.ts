import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { root } from '../../scripts/build.ts';
import { startDemo } from '../../scripts/demo/scenarios.ts';
import { openVscode, type Vscode, type VscodeOptions } from '../support/vscode/browser.ts';

/* Tests what a user sees after the first `npm start` without a key. */

async function openSample(options: Partial<VscodeOptions> = {}): Promise<Vscode> {
  const folder = await mkdtemp(join(tmpdir(), 'devlm-demo-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const workspace = join(folder, 'todo');
  await cp(join(root, 'samples/todo'), workspace, { recursive: true });
  const demo = await startDemo({ pace: {} });
  onTestFinished(() => demo[Symbol.asyncDispose]());
  const vscode = await openVscode({
    workspace,
    env: {
      ANTHROPIC_BASE_URL: demo.url,
      ANTHROPIC_API_KEY: 'demo-key',
      DEVLM_DEMO: '1',
      DEVLM_SHOW_CHAT: '1',
      DEVLM_SANDBOX: 'embedded',
    },
    ...options,
  });
  onTestFinished(() => vscode[Symbol.asyncDispose]());
  return vscode;
}

async function ask(vscode: Vscode, text: string): Promise<void> {
  const message = vscode.chatFrame().getByRole('textbox', { name: 'Message', exact: true });
  await message.waitFor();
  await message.fill(text);
  await message.press('Enter');
}

test('the demo shows the chat once, under its banner, and runs the tests for real', { timeout: 180_000 }, async () => {
  const vscode = await openSample();
  const chat = vscode.chatFrame();
  await chat.getByText('Scripted demo: the answers do not come from a model.').waitFor();
  await ask(vscode, 'Run the tests');
  await chat.getByText('It shows one error among eight tests').waitFor({ timeout: 60_000 });
  await chat.getByText('Exit 1', { exact: true }).waitFor();

  const explorer = vscode.page.getByRole('tab', { name: /^Explorer/ });
  await explorer.click();
  await vscode.page.getByRole('treeitem', { name: 'README.md' }).dblclick();
  await vscode.reload();
  // A file is open, so DevLM is active.
  await vscode.page
    .getByRole('button', { name: /^DevLM/ })
    .first()
    .waitFor();
  await vscode.page.waitForTimeout(1_000);
  expect(await explorer.getAttribute('aria-selected')).toBe('true');
});

test('in Restricted Mode the demo says that nothing was run and how to change that', { timeout: 120_000 }, async () => {
  const vscode = await openSample({ askTrust: true });
  const { page } = vscode;
  const chat = vscode.chatFrame();
  const banner = chat.getByText('This folder is not trusted. DevLM can only read it.');
  await banner.waitFor();
  await ask(vscode, 'Run the tests');
  await chat.getByText('Nothing was run and nothing was changed.').waitFor();
  expect(await chat.getByText('I ran the tests').count()).toBe(0);
  await vscode.screenshot('restricted');
  await chat.getByRole('button', { name: 'Manage Trust' }).click();
  await page.locator('.workspace-trust-editor').getByRole('button', { name: 'Trust', exact: true }).click();
  await banner.waitFor({ state: 'detached' });
  await ask(vscode, 'Run the tests');
  await chat.getByText('It shows one error among eight tests').waitFor({ timeout: 60_000 });
});
