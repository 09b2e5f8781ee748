/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import * as scenes from '../support/page-harness/scenes.ts';
import { type OpenOptions, type PageHarness, startPageHarness } from '../support/page-harness.ts';
import { output, panel, requests, runButton } from '../support/page-runs.ts';

// A browser on a busy machine is slow.
vi.setConfig({ testTimeout: 30_000 });

let harness: PageHarness;

beforeAll(async () => {
  harness = await startPageHarness();
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

/* The display of a run outlives the page, the window and the code block in which it is shown. */

test('a reloaded page shows the latest run of each code block, and follows a running one from its start', async () => {
  const prepare = `() => {
    (${scenes.programs})();
    const { sandbox } = window.host;
    const request = (id, part) => ({ id, language: 'python', origin: { conversationId: 'programs', turnId: 'p1', part } });
    const known = (id, part, text) =>
      sandbox.runs.set(id, { request: request(id, part), events: [{ type: 'started', engine: sandbox.engine }, { type: 'output', stream: 'stdout', text }], record: null });
    known('r1', 'block-1.0.1', 'ended long ago');
    sandbox.end('r1', { status: 'failed', exitCode: 3 });
    known('r2', 'block-1.0.3', 'still at it');
  }`;
  await withPage({ prepare: prepare as never }, async (page) => {
    await panel(page).nth(0).getByText('Exit 3').waitFor();
    await panel(page).nth(1).getByText('Running').waitFor();
    expect(await output(page).allTextContents()).toEqual(['ended long ago', 'still at it']);
    expect((await requests(page)).map(({ id, request }) => [id, request])).toEqual([['r2', undefined]]);
    await page.evaluate(() => {
      window.host.sandbox.print('r2', ', and on');
      // After a lost connection all events arrive again. They must not be shown twice.
      const events = window.host.sandbox.runs.get('r2')?.events ?? [];
      window.host.push({ kind: 'execution', id: 'r2', restart: true, events });
      window.host.sandbox.end('r2');
    });
    await panel(page).nth(1).getByText('Exit 0').waitFor();
    expect(await output(page).nth(1).textContent()).toBe('still at it, and on');
  });
});

test('a run in another window is shown when it has ended, and does not replace a run in this page', async () => {
  await withPage({}, async (page) => {
    await runButton(page).waitFor();
    const elsewhere = (id: string, part: string, text: string) =>
      page.evaluate(
        (given) =>
          window.host.sandbox.elsewhere(
            {
              id: given.id,
              language: 'python',
              files: [],
              stdin: 'their input',
              args: [],
              env: {},
              limits: {},
              network: 'none',
              reuse: false,
              acceptOpenNetwork: false,
              origin: { conversationId: 'programs', turnId: 'p1', part: given.part },
            },
            given.text,
          ),
        { id, part, text },
      );
    await elsewhere('other-1', 'block-1.0.1', 'from the other window');
    await output(page).getByText('from the other window').waitFor();
    await page.getByRole('button', { name: 'Run Again' }).click();
    await panel(page).getByText('Running').waitFor();
    // The same program is run again, with the same input.
    expect((await requests(page)).map(({ request }) => request?.stdin)).toEqual(['their input']);
    expect(await page.getByLabel('Input', { exact: true }).inputValue()).toBe('their input');
    await elsewhere('other-2', 'block-1.0.1', 'not now');
    await page.evaluate(() => {
      window.host.sandbox.print([...window.host.sandbox.runs.keys()][1] ?? '', 'mine');
    });
    await expect.poll(() => output(page).allTextContents()).toEqual(['mine']);
  });
});

test('a run continues while its code block is removed from the page because it is far from the visible area', async () => {
  const prepare = `() => {
    (${scenes.longConversation})();
    const { host } = window;
    const code = '\`\`\`python\\nprint("far")\\n\`\`\`';
    host.turn('long', 'far', 'A program, please', 'Words. '.repeat(4_000) + '\\n\\n' + code);
    for (let index = 0; index < 15; index += 1) host.turn('long', 'after' + index, 'More', 'Words. '.repeat(1_500));
  }`;
  await withPage({ prepare: prepare as never }, async (page) => {
    const scroller = page.locator('.transcript');
    await scroller.waitFor();
    const far = page.locator('article[aria-label*="A program, please"]');
    /** Scrolls until the turn is near the visible area and therefore rendered. */
    const up = async () => {
      await scroller.hover();
      await expect
        .poll(
          async () => {
            if (await runButton(page).isVisible()) return true;
            await page.mouse.wheel(0, -2_000);
            return false;
          },
          { timeout: 15_000 },
        )
        .toBe(true);
    };
    await up();
    await runButton(page).dispatchEvent('click');
    await expect.poll(() => far.locator('.run-status').textContent(), { timeout: 10_000 }).toBe('Running');
    await page.evaluate(() => {
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    });
    await page.getByRole('button', { name: 'Jump to Latest' }).click();
    await expect.poll(() => page.locator('.run').count(), { timeout: 10_000 }).toBe(0);
    await page.evaluate(() => {
      window.host.sandbox.print(window.host.sandbox.last, 'while you were away');
      window.host.sandbox.end(window.host.sandbox.last);
    });
    await up();
    await expect.poll(() => far.locator('.run-status').textContent(), { timeout: 10_000 }).toBe('Exit 0');
    expect(await far.locator('.run-output').textContent()).toBe('while you were away');
  });
}, 40_000);

test('a code block that is still being written has no Run button, and its position is the same as after a reload', async () => {
  await withPage({ prepare: scenes.busyConversation }, async (page) => {
    await page.getByText('The page is one').waitFor();
    expect(await page.getByRole('button', { name: /^Run / }).count()).toBe(0);
    await page.evaluate(() =>
      window.host.append('busy', [
        {
          type: 'block.delta',
          turnId: 'b2',
          stepId: 'q',
          index: 1,
          text: '});\n```\n\n- in a list\n\n  ```py\n  print(1)\n  ```\n\nmore\n\n',
        },
      ]),
    );
    await runButton(page, 'Run TypeScript').click();
    await runButton(page).click();
    const asked = await requests(page);
    expect(asked.map(({ request }) => [request?.origin?.part, request?.language])).toEqual([
      ['block-1.1.1', 'typescript'],
      ['block-1.1.2', 'python'],
    ]);
    // More text arrives, and the code blocks keep the panels of their runs.
    await page.evaluate(() =>
      window.host.append('busy', [
        {
          type: 'block.delta',
          turnId: 'b2',
          stepId: 'q',
          index: 1,
          text: 'and [a link]\n\n[a link]: https://example.com\n',
        },
      ]),
    );
    await page.getByRole('link', { name: 'a link' }).waitFor();
    expect(await panel(page).count()).toBe(2);
  });
});
