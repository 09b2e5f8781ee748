/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { calls, composer, PageBench } from '../support/page-bench.ts';
import * as budgetScenes from '../support/page-harness/budget-scenes.ts';
import * as scenes from '../support/page-harness/scenes.ts';

vi.setConfig({ testTimeout: 30_000 });

let bench: PageBench;
beforeAll(async () => {
  bench = await PageBench.start();
}, 60_000);
afterAll(() => bench[Symbol.asyncDispose]());

async function showUsage(page: Page) {
  await composer(page).waitFor();
  await page.evaluate(() => window.host.push({ kind: 'do', what: 'showUsage' }));
  await page.getByRole('table', { name: 'By chat' }).waitFor();
}

test('the usage view shows the cost by chat and by model, and loads other periods', async () => {
  await bench.page({}, async (page) => {
    await showUsage(page);
    await page.getByText('185 model calls').waitFor();
    await page.getByText('Calls with unknown price: 5').waitFor();
    const chats = page.getByRole('table', { name: 'By chat' });
    expect(await chats.getByRole('rowheader').allTextContents()).toEqual([
      expect.stringContaining('Why does the <b>worker</b> leak?'),
      'Other clients',
      'New chat',
      'Deleted chat',
    ]);
    expect(await chats.locator('b').count()).toBe(0);
    const models = page.getByRole('table', { name: 'By model' });
    expect(await models.getByRole('row').last().textContent()).toContain('?');
    await page.getByLabel('Period').selectOption('Last 7 days');
    await expect.poll(() => calls(page, 'usage.report')).toHaveLength(4);
    const [first, , third] = await calls(page, 'usage.report');
    expect(JSON.stringify(first)).not.toBe(JSON.stringify(third));
    await page.keyboard.press('Escape');
    await composer(page).waitFor();
    expect(await chats.count()).toBe(0);
  });
});

test('the usage view opens from the cost of an answer, and opens a chat', async () => {
  await bench.page({ prepare: scenes.richConversation }, async (page) => {
    await page
      .getByRole('button', { name: /show usage$/ })
      .last()
      .click();
    const chat = page.getByRole('button', { name: /^Why does the/ });
    await chat.click();
    await expect.poll(() => calls(page, 'conversations.get')).not.toHaveLength(0);
    await composer(page).waitFor();
  });
});

test.each(['dark', 'light', 'contrast'] as const)(
  'the usage view fits a narrow view without axe violations in the %s theme',
  async (theme) => {
    await bench.page({ theme, width: 280, height: 700 }, async (page) => {
      await showUsage(page);
      expect(await bench.violations(page)).toEqual([]);
      const overflow = await page.locator('.usage-view').evaluate((view) => view.scrollWidth - view.clientWidth);
      expect(overflow).toBe(0);
      const { DEVLM_SCREENSHOTS: folder } = process.env;
      if (folder) await page.screenshot({ path: `${folder}/usage-${theme}.png` });
    });
  },
);

test('a turn that has reached a budget warns, asks the user, and shows the answer', async () => {
  await bench.page({ prepare: budgetScenes.pausedConversation, width: 420 }, async (page) => {
    await page.getByText('Budget for this month: $41.5').waitFor();
    await page.getByRole('feed').getByText('would exceed the budget settings-day').waitFor();
    // A card ignores answers just after it appears.
    await page.waitForTimeout(600);
    expect(await bench.violations(page)).toEqual([]);
    const { DEVLM_SCREENSHOTS: folder } = process.env;
    if (folder) await page.screenshot({ path: `${folder}/budget-pause.png` });
    await page.getByRole('button', { name: 'Raise the limit for today' }).click();
    await expect.poll(() => calls(page, 'asks.answer')).toHaveLength(1);
    expect(await calls(page, 'asks.answer')).toMatchObject([
      {
        params: { callId: 's2' },
        body: { kind: 'question', text: 'Raise the limit for today', option: 'raise' },
      },
    ]);
    await page.getByText('You answered: Raise the limit for today').waitFor();
    expect(await page.getByText('Summarizing the conversation').count()).toBe(0);
  });
});
