/// <reference lib="dom" />
import { NewAttachment } from '@devlm/protocol/events.ts';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { calls, composer, PageBench } from '../support/page-bench.ts';

// Each test opens a new page.
vi.setConfig({ testTimeout: 30_000 });

let bench: PageBench;

beforeAll(async () => {
  bench = await PageBench.start();
}, 60_000);
afterAll(() => bench[Symbol.asyncDispose]());

const chip = (page: Page, text: string) => page.locator('.composer .chip', { hasText: text });
/** Returns the attachments of the messages that were sent. */
async function attached(page: Page): Promise<NewAttachment[]> {
  const inputs = await calls(page, 'turns.create');
  return inputs.flatMap(({ body }) => z.object({ attachments: z.array(NewAttachment) }).parse(body).attachments);
}

/** Types a text and picks the first suggestion with the name. */
async function pick(page: Page, text: string, name: string | RegExp): Promise<void> {
  await composer(page).pressSequentially(text);
  await page.getByRole('option', { name }).first().click();
}

test('mentions of folders, symbols, Git changes, terminals and pages are attached and sent', async () => {
  await bench.page({}, async (page) => {
    await pick(page, '@fold', '@folder');
    await pick(page, 'router', 'router');
    await chip(page, 'router').waitFor();
    await pick(page, '@sym', '@symbol');
    await pick(page, 'match', 'matchRoute');
    await chip(page, 'match.ts:3-9').waitFor();
    await pick(page, '@staged', '@staged');
    await chip(page, 'staged changes').waitFor();
    await pick(page, '@term', '@terminal');
    await chip(page, 'npm test').waitFor();
    await pick(page, '@https://example.com/a', 'example.com');
    await chip(page, 'example.com').waitFor();
    await pick(page, '@sel', '@selection');
    await chip(page, 'app.ts:12-20').waitFor();
    expect(await composer(page).inputValue()).toBe(
      '@src/router @matchRoute @staged @terminal https://example.com/a @selection ',
    );
    await composer(page).press('Enter');
    await expect.poll(() => attached(page)).toHaveLength(6);
    const sent = await attached(page);
    expect(sent.map((each) => ('path' in each ? [each.kind, each.path] : []))).toEqual([
      ['folder', 'src/router'],
      ['symbol', 'src/router/match.ts'],
      ['git', 'staged changes'],
      ['terminal', 'npm test'],
      ['url', 'https://example.com/a'],
      ['selection', 'src/app.ts'],
    ]);
    expect(sent[4]).toMatchObject({ untrusted: { kind: 'web', name: 'example.com' } });
  });
});

test('a mention that cannot be attached shows the reason, and a repeated mention replaces the earlier one', async () => {
  await bench.page({}, async (page) => {
    await pick(page, '@problems', '@problems');
    await page.getByText('No problems have been detected in the workspace.').waitFor();
    expect(await page.locator('.composer .chip').count()).toBe(0);
    await pick(page, '@staged', '@staged');
    await chip(page, 'staged changes').waitFor();
    await pick(page, 'and @staged', '@staged');
    await expect.poll(() => page.locator('.composer .chip').count()).toBe(1);
  });
});

test('a symbol that both the server and the editor find is listed once', async () => {
  await bench.page({}, async (page) => {
    await composer(page).pressSequentially('@symbol:rout');
    await page.getByRole('option', { name: 'matchRoute' }).waitFor();
    expect(await page.getByRole('option', { name: /^Router / }).count()).toBe(1);
  });
});

test.each(['dark', 'light'] as const)(
  'the list of mentions shows all kinds without axe violations in the %s theme',
  async (theme) => {
    await bench.page({ theme }, async (page) => {
      await composer(page).pressSequentially('@');
      for (const name of ['folder', 'symbol', 'problems', 'selection', 'terminal', 'staged', 'branch', 'url'])
        await page.getByRole('option', { name: `@${name}` }).waitFor();
      expect(await bench.violations(page)).toEqual([]);
      const folder = process.env['DEVLM_SCREENSHOTS'];
      if (folder) await page.screenshot({ path: `${folder}/mentions-${theme}.png` });
      await composer(page).fill('');
      await pick(page, '@sym', '@symbol');
      await pick(page, 'match', 'matchRoute');
      await pick(page, '@staged', '@staged');
      await pick(page, '@term', '@terminal');
      await chip(page, 'npm test').waitFor();
      if (folder) await page.screenshot({ path: `${folder}/mention-chips-${theme}.png` });
    });
  },
);

test('text that is typed right after a mention is picked follows the mention', async () => {
  await bench.page({}, async (page) => {
    await composer(page).pressSequentially('@sym rest');
    await composer(page).evaluate((field) => field instanceof HTMLTextAreaElement && field.setSelectionRange(4, 4));
    await composer(page).dispatchEvent('click');
    const option = page.getByRole('option', { name: '@symbol' });
    // No frame is drawn between the click and the text.
    await option.evaluate((element) => {
      if (element instanceof HTMLElement) element.click();
      document.execCommand('insertText', false, 'match');
    });
    await page.getByRole('option', { name: 'matchRoute' }).waitFor();
    expect(await composer(page).inputValue()).toBe('@symbol:match rest');
  });
});
