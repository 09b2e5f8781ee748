/// <reference lib="dom" />
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { isFocused } from '../support/page-bench.ts';
import * as scenes from '../support/page-harness/scenes.ts';
import { type OpenOptions, type PageHarness, startPageHarness } from '../support/page-harness.ts';
import { calls, copied, output, panel, requests, runButton, said } from '../support/page-runs.ts';

// A browser on a busy machine is slow.
vi.setConfig({ testTimeout: 30_000 });

let harness: PageHarness;
let axe: string;

beforeAll(async () => {
  harness = await startPageHarness();
  axe = await readFile(join(import.meta.dirname, '../../node_modules/axe-core/axe.min.js'), 'utf8');
}, 60_000);
afterAll(() => harness[Symbol.asyncDispose]());

async function withPage(options: OpenOptions, work: (page: Page) => Promise<void>): Promise<void> {
  const { page, errors } = await harness.open({ prepare: scenes.programs, ...options });
  try {
    await work(page);
    expect(errors).toEqual([]);
  } finally {
    await page.context().close();
  }
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found: unknown = await page.evaluate('axe.run(document, { resultTypes: ["violations"] })');
  const { violations: all } = found as { violations: { id: string; nodes: { html: string }[] }[] };
  return all.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`));
}

test('only code blocks in a language that can be run have a Run button', async () => {
  await withPage({}, async (page) => {
    await runButton(page).waitFor();
    expect(await page.getByRole('button', { name: /^Run / }).count()).toBe(2);
    expect(await runButton(page, 'Run Bash').count()).toBe(1);
  });
  const prepare = `() => {
    (${scenes.programs})();
    window.host.sandbox.status.languages = [{ language: 'rust', state: 'missing', runs: 'rust', message: null }];
  }`;
  await withPage({ prepare: prepare as never }, async (page) => {
    await runButton(page, 'Run Rust').waitFor();
  });
});

test('a run is requested with its code block, streams both outputs in order without escape sequences, and ends with a receipt', async () => {
  await withPage({}, async (page) => {
    await runButton(page).click();
    await panel(page).getByText('Running').waitFor();
    await expect.poll(() => said(page)).toBe('The program is running');
    const [asked] = await requests(page);
    expect(asked?.request).toMatchObject({
      id: asked?.id,
      language: 'python',
      source: 'name = input()\nprint(f"hello {name}")',
      stdin: '',
      acceptOpenNetwork: false,
      origin: { conversationId: 'programs', turnId: 'p1', part: 'block-1.0.1' },
    });
    await page.evaluate(() => {
      const { sandbox } = window.host;
      sandbox.print(sandbox.last, 'one\n\u001b[3');
      sandbox.print(sandbox.last, 'wrong\n', 'stderr');
      sandbox.print(sandbox.last, '1mred\u001b[0m\r');
      sandbox.print(sandbox.last, '\nlast\n');
    });
    await expect.poll(() => output(page).textContent()).toBe('one\nwrong\nred\nlast\n');
    expect(await page.locator('.run-stderr').allTextContents()).toEqual(['wrong\n']);
    await page.evaluate(() => window.host.sandbox.end(window.host.sandbox.last));
    await panel(page).getByText('Exit 0').waitFor();
    expect(await page.locator('.run-state').innerText()).toMatch(/42 ms\s+11\.8 MB\s+Docker, python:3\.13-slim/);
    await expect.poll(() => said(page)).toBe('The program has ended: Exit 0');
    expect(await output(page).textContent()).toBe('one\nwrong\nred\nlast\n');
    expect(await page.getByRole('button', { name: 'Fix This' }).count()).toBe(0);
  });
});

describe.each(['dark', 'light', 'contrast'] as const)('runs in the %s theme', (theme) => {
  test(`running, failed and waiting runs have no axe violations in the ${theme} theme`, async () => {
    await withPage({ theme, height: 1000 }, async (page) => {
      await runButton(page).click();
      await page.evaluate(() => {
        const { sandbox } = window.host;
        sandbox.print(sandbox.last, 'Reading the name\n');
        sandbox.print(
          sandbox.last,
          'Traceback (most recent call last):\nEOFError: EOF when reading a line\n',
          'stderr',
        );
      });
      await output(page).getByText('EOFError').waitFor();
      expect(await violations(page)).toEqual([]);
      await page.evaluate(() => window.host.sandbox.end(window.host.sandbox.last, { status: 'failed', exitCode: 1 }));
      await page.getByRole('button', { name: 'Input for the Program' }).first().click();
      await page.getByLabel('Input', { exact: true }).fill('Ada');
      await page.evaluate(() => {
        window.host.sandbox.plan = (id) =>
          window.host.sandbox.emit(id, { type: 'preparing', message: 'Pulling bash:5.3', fraction: 0.4 });
      });
      await runButton(page, 'Run Bash').click();
      await page.getByText('40 %').waitFor();
      expect(await violations(page)).toEqual([]);
    });
  });
});

test('Stop ends a run with a receipt, and Run Again starts a new run of the same code block by keyboard', async () => {
  await withPage({}, async (page) => {
    await runButton(page).focus();
    await page.keyboard.press('Enter');
    await page.evaluate(() => window.host.sandbox.print(window.host.sandbox.last, 'first\n'));
    const stop = page.getByRole('button', { name: 'Stop the Program' });
    // A second run of the same block waits for the end of the first.
    expect(await runButton(page).getAttribute('aria-disabled')).toBe('true');
    await runButton(page).click({ force: true });
    expect(await requests(page)).toHaveLength(1);
    await stop.focus();
    await page.keyboard.press('Enter');
    await panel(page).getByText('Stopped').waitFor();
    expect(await page.getByRole('button', { name: 'Fix This' }).count()).toBe(0);
    expect(await output(page).textContent()).toBe('first\n');
    // The focus is still on the button, which now runs the program again.
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Run Again');
    await page.keyboard.press('Enter');
    await panel(page).getByText('Running').waitFor();
    const [first, second] = await requests(page);
    expect(second?.id).not.toBe(first?.id);
    expect(second?.request?.origin).toEqual(first?.request?.origin);
    expect(await output(page).count()).toBe(0);
  });
});

test('a run that could not be stopped shows the reason, and can be stopped again', async () => {
  await withPage({}, async (page) => {
    await runButton(page).click();
    await page.evaluate(() =>
      window.host.failures.set('executions.cancel', { code: 'x', status: 503, title: 'x', detail: 'Not reachable.' }),
    );
    await page.getByRole('button', { name: 'Stop the Program' }).click();
    await page.getByText('Not reachable.').waitFor();
    await page.evaluate(() => window.host.failures.clear());
    await page.getByRole('button', { name: 'Stop the Program' }).click();
    await panel(page).getByText('Stopped').waitFor();
  });
});

test('the text of the input field is sent to the program, in the first run and when it is run again', async () => {
  await withPage({}, async (page) => {
    const opener = page.getByRole('button', { name: 'Input for the Program' }).first();
    await opener.click();
    expect(await opener.getAttribute('aria-expanded')).toBe('true');
    const box = page.getByLabel('Input', { exact: true });
    await expect.poll(() => isFocused(box)).toBe(true);
    await page.keyboard.type('Ada\nGrace');
    await runButton(page).click();
    await page.evaluate(() => window.host.sandbox.end(window.host.sandbox.last));
    await page.getByRole('button', { name: 'Run Again' }).click();
    expect((await requests(page)).map(({ request }) => request?.stdin)).toEqual(['Ada\nGrace', 'Ada\nGrace']);
  });
});

test.each([
  ['failed', { status: 'failed', exitCode: 1 }, 'Exit 1'],
  ['a signal', { status: 'failed', exitCode: 139, signal: 'SIGSEGV' }, 'Exit 139 (SIGSEGV)'],
  ['time', { status: 'timeout' }, 'Timed out after 30 s'],
  ['memory', { status: 'out-of-memory', exitCode: 137 }, 'Out of memory (50 MB)'],
  ['output', { status: 'output-limit' }, 'Too much output'],
] as const)(
  'Fix This sends the result and the output of the program as a message of the user: %s',
  async (_name, result, words) => {
    await withPage({}, async (page) => {
      await runButton(page).click();
      await page.evaluate(() => {
        const { sandbox } = window.host;
        sandbox.print(sandbox.last, `${'x'.repeat(9_000)}\n`);
        sandbox.print(sandbox.last, 'NameError: ``` name\n', 'stderr');
      });
      await page.evaluate((given) => window.host.sandbox.end(window.host.sandbox.last, { ...given }), result);
      await panel(page).getByText(words, { exact: true }).waitFor();
      await page.getByRole('button', { name: 'Fix This' }).click();
      await page.getByText('An answer.').waitFor();
      const [created] = await calls(page, 'turns.create');
      const { text, parent } = (created?.body ?? {}) as { text: string; parent: string };
      expect(parent).toBe('p1');
      expect(text).toContain(`I ran the Python program that begins with \`name = input()\`. Result: ${words}.`);
      expect(text).toMatch(/````text\nx+\n\[[\d,.]+ characters omitted\]\nx+\nNameError: ``` name\n````$/);
      expect(text.length).toBeLessThan(9_000);
    });
  },
);

test('a run that the engine cannot perform shows the reason, and offers no Fix This', async () => {
  await withPage({}, async (page) => {
    await runButton(page, 'Run Bash').click();
    await page.evaluate(() =>
      window.host.sandbox.end(window.host.sandbox.last, {
        status: 'engine-error',
        message: 'The embedded engine has no shell. Start Docker to run bash.',
        engine: null,
        image: null,
      }),
    );
    await panel(page).getByText('Could not run').waitFor();
    await panel(page).getByText('Start Docker to run bash.').waitFor();
    expect(await page.getByRole('button', { name: 'Fix This' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Run Again' }).waitFor();
  });
});

test('a language that the embedded engine cannot run has a receipt without a runtime', async () => {
  await withPage({}, async (page) => {
    await runButton(page, 'Run Bash').click();
    await page.evaluate(() =>
      window.host.sandbox.end(window.host.sandbox.last, {
        status: 'engine-error',
        message: 'The embedded engine has no shell. Start Docker to run bash.',
        engine: { kind: 'embedded', runtime: 'none', networkCut: true, warm: false },
        image: null,
      }),
    );
    await panel(page).getByText('Embedded engine', { exact: true }).waitFor();
    expect(await page.locator('.run-state').innerText()).not.toContain('none');
    expect(await page.locator('.run-state').getAttribute('title')).not.toContain('none');
  });
});

test('a refused run shows the reason, and can be started again', async () => {
  await withPage({}, async (page) => {
    await page.evaluate(() => {
      window.host.sandbox.plan = (id) =>
        window.host.sandbox.refuse(
          id,
          'network_refused',
          'The program was not run because this machine cannot block its network access.',
        );
    });
    await runButton(page).click();
    await panel(page).getByText('this machine cannot block its network access').waitFor();
    await expect.poll(() => said(page)).toContain('did not run');
    await page.evaluate(() => {
      window.host.sandbox.plan = (id) => window.host.sandbox.start(id);
    });
    await page.getByRole('button', { name: 'Run Again' }).click();
    await panel(page).getByText('Running').waitFor();
  });
});

test('a run in the embedded engine names the engine, and says if network access was not blocked', async () => {
  await withPage({}, async (page) => {
    await page.evaluate(() => {
      window.host.sandbox.engine = { kind: 'embedded', runtime: 'pyodide 314.0.0', networkCut: false, warm: false };
    });
    await runButton(page).click();
    await panel(page).getByText('Embedded engine: Docker is not running.').waitFor();
    await panel(page).getByText('Network access was not blocked.').waitFor();
    await page.evaluate(() => window.host.sandbox.end(window.host.sandbox.last));
    await panel(page).getByText('Embedded engine, pyodide 314.0.0').waitFor();
  });
});

test('several programs run at the same time, each with its own output', async () => {
  await withPage({}, async (page) => {
    await runButton(page).click();
    await runButton(page, 'Run Bash').click();
    await page.evaluate(() => {
      const { sandbox } = window.host;
      const [first = '', second = ''] = sandbox.runs.keys();
      sandbox.print(second, 'from bash');
      sandbox.print(first, 'from python');
      sandbox.end(first);
    });
    await panel(page).nth(0).getByText('Exit 0').waitFor();
    expect(await output(page).allTextContents()).toEqual(['from python', 'from bash']);
    await panel(page).nth(1).getByText('Running').waitFor();
  });
});

test('a very long output is shortened in the page, and can be copied as a whole', async () => {
  await withPage({}, async (page) => {
    await runButton(page).click();
    await page.evaluate(() => {
      const { sandbox } = window.host;
      for (let index = 0; index < 3_000; index += 1) {
        sandbox.print(sandbox.last, `line ${index} ${'.'.repeat(90)}\n`, index % 7 === 0 ? 'stderr' : 'stdout');
      }
      sandbox.end(sandbox.last);
    });
    await panel(page).getByText('Exit 0').waitFor();
    const shown = (await output(page).textContent()) ?? '';
    expect(shown).toContain('line 0 ');
    expect(shown).toContain('line 2999 ');
    expect(shown).toMatch(/\[[\d,.]+ characters omitted\]/);
    expect(shown.length).toBeLessThan(90_000);
    expect(await output(page).locator('span').count()).toBeLessThan(600);
    await page.getByRole('button', { name: 'Copy Output' }).click();
    await expect.poll(() => copied(page)).toHaveLength(1);
    const [text] = await copied(page);
    expect(text?.split('\n').filter((line) => /^line \d+ \.{90}$/.test(line))).toHaveLength(3_000);
  });
});
