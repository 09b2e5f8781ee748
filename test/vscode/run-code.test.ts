import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { root } from '../../scripts/build.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { onlyDeep } from '../support/deep.ts';
import { type PrivateEngine, startDockerEngine } from '../support/docker-engine.ts';
import { importSandboxImage } from '../support/sandbox-images.ts';
import { openVscode, type Vscode, type VscodeWindow } from '../support/vscode/browser.ts';

const steps = ['import time', 'for n in range(8):', '    print("step", n, flush=True)', '    time.sleep(0.25)'];
const answer = [
  'It counts:',
  `\`\`\`python\n${steps.join('\n')}\n\`\`\``,
  'And this one greets:',
  '```python\nprint("hello", input())\n```',
  'This one fails:',
  '```python\nprint("before")\nraise ValueError("no such day")\n```',
].join('\n\n');

/** User operations on the programs of an answer, in one window. */
function programs(window: VscodeWindow) {
  const frame = window.chatFrame();
  const block = (nth: number) => frame.locator('.code-block').nth(nth);
  return {
    frame,
    message: frame.getByRole('textbox', { name: 'Message', exact: true }),
    run: (nth: number) => block(nth).getByRole('button', { name: 'Run Python' }),
    panel: (nth: number) => block(nth).locator('.run'),
    output: (nth: number) => block(nth).locator('.run-output'),
    button: (nth: number, name: string) => block(nth).getByRole('button', { name }),
    block,
  };
}

async function ask(window: VscodeWindow): Promise<void> {
  await window.runCommand('DevLM: Open Chat');
  const { message, run } = programs(window);
  await message.waitFor();
  await message.fill('Show me programs');
  await message.press('Enter');
  await run(2).waitFor();
}

/** Clicks, and confirms if the editor asks because this machine cannot block network access. */
async function runAndAgree(window: VscodeWindow, click: () => Promise<void>): Promise<void> {
  const agree = window.page.locator('.monaco-dialog-box').getByRole('button', { name: 'Run Anyway' });
  await click();
  await agree.click({ timeout: 2_000 }).catch(() => undefined);
}

const text = (locator: ReturnType<ReturnType<typeof programs>['output']>) =>
  locator.textContent({ timeout: 1_000 }).catch(() => '');

describe('running the programs of an answer, without Docker', { timeout: 120_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;

  beforeAll(async () => {
    claude = await startClaude();
    claude.on(any, answer);
    vscode = await openVscode({
      workspace: join(root, 'samples/todo'),
      viewport: { width: 1280, height: 1000 },
      // Without GPU rendering, the text of a terminal can be read.
      settings: { 'terminal.integrated.gpuAcceleration': 'off' },
      env: {
        ANTHROPIC_API_KEY: 'sk-test-0123456789',
        ANTHROPIC_BASE_URL: claude.url,
        // No Docker engine listens there.
        DOCKER_HOST: 'unix:///nonexistent/docker.sock',
      },
    });
    await ask(vscode);
  }, 120_000);
  beforeEach(({ task, onTestFailed }) => {
    onTestFailed(() => vscode.screenshot(`failed ${task.name.slice(0, 40)}`));
  });
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  it('the output of a Python block is streamed and ends with a receipt that names the embedded engine', async () => {
    const { run, panel, output } = programs(vscode);
    await runAndAgree(vscode, () => run(0).click());
    // The runtime may have to be loaded first.
    await expect.poll(() => text(output(0)), { timeout: 40_000 }).toContain('step 1');
    expect(await text(output(0))).not.toContain('step 7');
    await panel(0).getByText('Running', { exact: true }).waitFor();
    await panel(0).getByText('Exit 0').waitFor();
    expect(await text(output(0))).toBe(Array.from({ length: 8 }, (_, n) => `step ${n}\n`).join(''));
    expect(await panel(0).innerText()).toMatch(/\d s[\s\S]*Embedded engine, pyodide/i);
    await panel(0).getByText('Embedded engine: Docker is not running.').waitFor();
  });

  it('a program gets its input, is stopped, and runs again', async () => {
    const { run, panel, output, button, block } = programs(vscode);
    await button(1, 'Input for the Program').click();
    await block(1).getByLabel('Input', { exact: true }).fill('Ada');
    await run(1).click();
    await panel(1).getByText('Exit 0').waitFor();
    expect(await text(output(1))).toBe('hello Ada\n');
    await button(0, 'Run Again').click();
    await expect.poll(() => text(output(0)), { timeout: 20_000 }).toContain('step 0');
    await button(0, 'Stop the Program').click();
    await panel(0).getByText('Stopped').waitFor();
    expect(await text(output(0))).not.toContain('step 7');
    await button(0, 'Run Again').click();
    await panel(0).getByText('Exit 0').waitFor();
  });

  it('a failed run is sent to the model to be fixed', async () => {
    const { run, panel, frame, button } = programs(vscode);
    await run(2).click();
    await panel(2).getByText('Exit 1').waitFor();
    claude.reset();
    claude.on(any, 'The day does not exist.');
    await button(2, 'Fix This').click();
    await frame.getByText('The day does not exist.').waitFor();
    const sent = JSON.stringify(claude.messages.at(-1)?.message?.messages);
    expect(sent).toContain('Exit 1');
    expect(sent).toContain('ValueError: no such day');
  });

  it('receipts are shown after a reload and in a second window', async () => {
    await vscode.reload();
    const { message, panel, output } = programs(vscode);
    await message.waitFor();
    await panel(0).getByText('Exit 0').waitFor();
    expect(await text(output(1))).toBe('hello Ada\n');
    expect(await text(output(2))).toContain('ValueError: no such day');
    const second = await vscode.secondWindow();
    await second.runCommand('DevLM: Open Chat');
    await programs(second).message.waitFor();
    await second.runCommand('DevLM: Show Chat History');
    await programs(second).frame.locator('.row-open', { hasText: 'Show me programs' }).first().click();
    await programs(second).panel(2).getByText('Exit 1').waitFor();
    await programs(second).button(1, 'Run Again').click();
    // It still has the input that was entered in the first window.
    await expect.poll(() => text(programs(second).output(1)), { timeout: 20_000 }).toBe('hello Ada\n');
    await programs(second).panel(1).getByText('Exit 0').waitFor();
    await second.page.close();
  });

  it('a file of the editor runs in its own terminal', async () => {
    const { page } = vscode;
    await programs(vscode).button(0, 'New File with This Code').click();
    await page.locator('.editor-group-container .view-line', { hasText: 'import time' }).first().click();
    await vscode.runCommand('DevLM: Run Selection in Sandbox');
    const shown = page.locator('.part.panel .xterm-rows');
    await expect
      .poll(async () => (await shown.innerText().catch(() => '')).replaceAll('\u00a0', ' '), { timeout: 30_000 })
      .toMatch(/> Untitled-1 \(python\)\s+step 0\s[\s\S]*step 7\s+Exit 0 · /);
  });
});

/** sandbox-docker.test.ts shows without an editor how the engine is chosen. */
onlyDeep(() =>
  describe('running the programs of an answer, with Docker', { timeout: 180_000 }, () => {
    let claude: Claude;
    let engine: PrivateEngine;
    let vscode: Vscode;

    beforeAll(async () => {
      claude = await startClaude();
      claude.on(any, answer);
      engine = await startDockerEngine();
      const image = await importSandboxImage(engine.host, 'python');
      vscode = await openVscode({
        workspace: join(root, 'samples/todo'),
        viewport: { width: 1280, height: 1000 },
        env: {
          ANTHROPIC_API_KEY: 'sk-test-0123456789',
          ANTHROPIC_BASE_URL: claude.url,
          DOCKER_HOST: engine.host,
          DEVLM_SANDBOX_IMAGES: `python=${image}`,
        },
      });
      await ask(vscode);
    }, 300_000);
    beforeEach(({ task, onTestFailed }) => {
      onTestFailed(() => vscode.screenshot(`failed ${task.name.slice(0, 40)}`));
    });
    afterAll(async () => {
      await vscode?.[Symbol.asyncDispose]();
      await engine?.[Symbol.asyncDispose]();
      await claude?.[Symbol.asyncDispose]();
    });

    it('the output of a Python block in Docker is streamed, and its receipt names the image', async () => {
      const { run, panel, output } = programs(vscode);
      await run(0).click();
      await expect.poll(() => text(output(0)), { timeout: 40_000 }).toContain('step 1');
      expect(await text(output(0))).not.toContain('step 7');
      await panel(0).getByText('Exit 0').waitFor();
      expect(await panel(0).innerText()).toMatch(/\d s[\s\S]*MB[\s\S]*Docker, /);
    });

    it('the embedded engine takes over when Docker is stopped, and Docker is used again when it is back', async () => {
      const { panel, button, output } = programs(vscode);
      await engine.stop();
      await runAndAgree(vscode, () => button(0, 'Run Again').click());
      await panel(0).getByText('Embedded engine: Docker is not running.').waitFor({ timeout: 60_000 });
      await panel(0).getByText('Exit 0').waitFor({ timeout: 60_000 });
      expect(await text(output(0))).toContain('step 7');
      await engine.start();
      await expect
        .poll(
          async () => {
            await button(0, 'Run Again').click();
            await panel(0).getByText('Exit 0').waitFor({ timeout: 20_000 });
            return await panel(0).innerText();
          },
          { timeout: 60_000, interval: 2_000 },
        )
        .toContain('Docker, ');
    });
  }),
);
