/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ask, calls, composer, isFocused, PageBench } from '../support/page-bench.ts';
import * as scenes from '../support/page-harness/tool-scenes.ts';

// Each test opens a new page.
vi.setConfig({ testTimeout: 30_000 });

let bench: PageBench;

beforeAll(async () => {
  bench = await PageBench.start();
}, 60_000);
afterAll(() => bench[Symbol.asyncDispose]());

const actions = (page: Page) =>
  page.evaluate(() =>
    window.host.received.flatMap((message) =>
      message.kind === 'editor' && message.action.action.startsWith('open') ? [message.action] : [],
    ),
  );

const reviews = (page: Page) =>
  page.evaluate(() =>
    window.host.received.flatMap((message) =>
      message.kind === 'editor' && message.action.action === 'reviewChanges' ? [message.action] : [],
    ),
  );

describe.each(['dark', 'light', 'contrast'] as const)('tools in the %s theme', (theme) => {
  test(`tools, questions, changes and the plan have no axe violations in the ${theme} theme`, async () => {
    await bench.page({ theme, height: 2_400, prepare: scenes.toolConversation }, async (page) => {
      await ask(page, 'Fetch from a new host').waitFor();
      await page.waitForTimeout(700);
      expect(await bench.violations(page)).toEqual([]);
      await page.getByRole('button', { name: /^Plan/ }).click();
      await page.getByRole('button', { name: /^Read/ }).click();
      await page.getByRole('button', { name: /^Run npm test/ }).click();
      await page.getByRole('button', { name: 'Restore to Before This Message' }).first().click();
      await page.getByRole('menuitem', { name: 'Restore Files...' }).click();
      await page.getByRole('button', { name: 'Accept src/router/old.ts' }).click();
      await page.getByText('accepted').first().waitFor();
      await ask(page, 'Fetch from a new host').getByRole('button', { name: 'Deny with a Note' }).click();
      await page.waitForTimeout(100);
      expect(await bench.violations(page)).toEqual([]);
    });
  });
});

test('web pages that a tool found or fetched are listed as links', async () => {
  await bench.page({ height: 2_400, prepare: scenes.toolConversation }, async (page) => {
    const lists = page.getByRole('list', { name: 'Pages' });
    await lists.first().waitFor();
    const shown = await lists.getByRole('listitem').allInnerTexts();
    expect(shown.map((text) => text.replaceAll(/\s+/g, ' ').trim())).toEqual([
      'Routing guide <b>x</b> 3 days ago',
      'https://example.com/untitled',
      'Routing',
    ]);
    const addresses = await lists
      .getByRole('link')
      .evaluateAll((links) => links.map((link) => link.getAttribute('href')));
    expect(addresses).toEqual([
      'https://example.com/routing',
      'https://example.com/untitled',
      'https://example.com/routing?from=search',
    ]);
  });
});

test('each tool card describes its call in one line, and shows the rest when it is expanded', async () => {
  await bench.page({ height: 2_400, prepare: scenes.toolConversation }, async (page) => {
    await ask(page, 'Fetch from a new host').waitFor();
    const lines = await page.locator('.turn').first().locator('.tool .fold-label').allInnerTexts();
    expect(lines.map((line) => line.replaceAll(/\s+/g, ' ').trim())).toEqual([
      'Read src/router/match.ts lines 1–80 done',
      'List files src/router done',
      'Search files for optional\\( in src/** done',
      'Find symbol match done',
      'Check problems src/router/match.ts, src/router/index.ts done',
      'Search the web for optional route segments done',
      'Fetch https://example.com/routing?from=search done',
      'Edit src/router/match.ts +3 −1 done',
      'Write test/router/optional-segments.test.ts +48 −0 done',
      'Edit src/router/match.ts, src/router/old.ts +2 −33 done',
      'Run python done',
      'Run npm test -- --run router failed',
      'Update the plan done',
      'jira_create_issue WEB done',
    ]);
    const fetched = page.locator('.tool', { hasText: 'Fetch https://example.com' });
    expect(await fetched.locator('pre').count()).toBe(0);
    await fetched.getByRole('button', { name: /^Fetch/ }).click();
    // The result is shown as text and does not become part of the page.
    await fetched.getByText('<img src=x onerror=alert(1)>').waitFor();
    expect(await page.locator('.tool img').count()).toBe(0);
    // A failed call shows the reason while it is collapsed.
    await page.locator('.tool-failure', { hasText: '1 test failed: router > optional segment' }).waitFor();
    // A call that waits for another one is not shown as running.
    await page.getByRole('button', { name: /Run git status.*queued/ }).waitFor();
  });
});

test('a running command shows the end of its output, and scrolls with it', async () => {
  await bench.page({ prepare: scenes.toolConversation }, async (page) => {
    const tail = page.locator('.tool-tail');
    await tail.getByText('transforming (312 modules)').waitFor();
    // Terminal colors are removed.
    expect(await tail.textContent()).toContain('\nvite building for production...\n');
    const ids = { turnId: 't2', stepId: 't2-s', callId: 't2-c0' };
    await page.evaluate((event) => {
      for (let line = 0; line < 300; line += 1)
        window.host.append('tools', [{ type: 'tool.output', ...event, text: `chunk ${line}\n` }]);
    }, ids);
    await tail.getByText('chunk 299').waitFor();
    const { height, rest } = await tail.evaluate((element) => ({
      height: element.clientHeight,
      rest: element.scrollHeight - element.clientHeight - element.scrollTop,
    }));
    expect(height).toBeLessThan(150);
    expect(rest).toBeLessThan(5);
    await page.evaluate(
      (event) => window.host.append('tools', [{ type: 'tool.ended', ...event, ok: true, text: 'Exit code 0.' }]),
      ids,
    );
    await tail.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: /^Run npm run build.*done/ }).click();
    await page.getByRole('group', { name: 'Output' }).getByText('chunk 299').waitFor();
  });
});

test('a program that a tool ran shows the receipt of the server, whatever the model says about it', async () => {
  await bench.page({ height: 2_400, prepare: scenes.toolConversation }, async (page) => {
    const card = page.locator('.tool', { hasText: 'Run python' });
    await card.waitFor();
    expect(await card.locator('.run-state').count()).toBe(0);
    await page.evaluate(() =>
      window.host.sandbox.elsewhere(
        {
          id: 'run-1',
          language: 'python',
          source: 'print(1)',
          files: [],
          stdin: '',
          args: [],
          env: {},
          limits: {},
          network: 'none',
          reuse: false,
          acceptOpenNetwork: false,
          origin: { conversationId: 'tools', turnId: 't1', part: 't1-c11' },
        },
        'one <b>two</b>\n',
        { status: 'failed', exitCode: 3 },
      ),
    );
    await card.locator('.run-failed', { hasText: 'Exit 3' }).waitFor();
    await card.getByRole('button', { name: /^Run python/ }).click();
    const receipt = card.getByRole('group', { name: 'Run', exact: true });
    await receipt.getByText('one <b>two</b>').waitFor();
    // A run of a tool cannot be run again here.
    expect(await receipt.getByRole('button').allTextContents()).toEqual(['']);
    await receipt.getByRole('button', { name: 'Copy Output' }).waitFor();
    expect(await bench.violations(page)).toEqual([]);
  });
});

describe('changes', () => {
  test('changed files open as a diff or as a file, and deleted ones only as a diff', async () => {
    await bench.page({ height: 2_400, prepare: scenes.toolConversation }, async (page) => {
      const all = page.getByRole('region', { name: 'Changes in this turn' });
      await all.getByText('3 files changed').waitFor();
      // The card of a tool that changed one file has the buttons in its own line.
      await page
        .locator('.tool-head', { hasText: 'Edit' })
        .first()
        .getByRole('button', { name: 'Open Diff of' })
        .click();
      expect((await all.getByRole('listitem').allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' '))).toEqual([
        'Open diff src/router/match.ts +5 −3',
        'Open diff test/router/optional-segments.test.ts created +48 −0',
        'Open diff src/router/old.ts deleted +0 −31',
      ]);
      // A file without a decision opens in the review, where the user can decide.
      await all.getByRole('button', { name: /Open diff src\/router\/match/ }).click();
      await all.getByRole('button', { name: 'Open src/router/match.ts', exact: true }).click();
      await all.getByRole('button', { name: 'Accept src/router/old.ts' }).click();
      await all.locator('.change', { hasText: 'old.ts' }).getByText('accepted').waitFor();
      await all.getByRole('button', { name: /Open diff src\/router\/old/ }).click();
      expect(await all.getByRole('button', { name: 'Open src/router/old.ts', exact: true }).count()).toBe(0);
      expect(await actions(page)).toEqual([
        { action: 'openDiff', path: 'src/router/match.ts', before: 'a'.repeat(64), after: 'b'.repeat(64) },
        { action: 'openFile', path: 'src/router/match.ts' },
        { action: 'openDiff', path: 'src/router/old.ts', before: 'e'.repeat(64), after: null },
      ]);
      await all.getByRole('button', { name: 'Review All Changes' }).click();
      expect(await reviews(page)).toEqual([
        { action: 'reviewChanges', conversationId: 'tools', turnId: 't1', path: 'src/router/match.ts' },
        { action: 'reviewChanges', conversationId: 'tools', turnId: 't1' },
      ]);
    });
  });

  test.each([240, 300, 420])('changed files show their names in a view %i pixels wide', async (width) => {
    await bench.page({ width, height: 2_400, prepare: scenes.toolConversation }, async (page) => {
      const all = page.getByRole('region', { name: 'Changes in this turn' });
      await all.getByText('3 files changed').waitFor();
      const folder = process.env['DEVLM_SCREENSHOTS'];
      if (folder) await all.screenshot({ path: `${folder}/changes-${width}.png` });
      // The end of a long path is visible, and a short path as a whole.
      for (const name of await all.locator('.change-name').all()) {
        const { seen, whole } = await name.evaluate(({ clientWidth, scrollWidth }) => ({
          seen: clientWidth,
          whole: scrollWidth,
        }));
        expect(seen).toBeGreaterThanOrEqual(Math.min(whole, width < 300 ? 110 : 150));
      }
      expect(await all.evaluate(({ clientWidth, scrollWidth }) => scrollWidth - clientWidth)).toBe(0);
    });
  });

  test.each([240, 300, 420])(
    'the note of a tool card is not cut to a letter in a view %i pixels wide',
    async (width) => {
      await bench.page({ width, height: 2_400, prepare: scenes.toolConversation }, async (page) => {
        await page.getByText('3 files changed').waitFor();
        const note = page.locator('.tool-about + .tool-note').first();
        // A very long path.
        await note.evaluate(({ previousElementSibling: about }) => {
          if (about) about.textContent = 'tests/of/some/folder/in/another/test_of_everything_there_is.py';
        });
        const seen = await note.evaluate((element) => ({ of: element.scrollWidth, width: element.clientWidth }));
        expect(seen.width).toBeGreaterThanOrEqual(Math.min(seen.of, 24));
      });
    },
  );

  test('changed files are accepted and rejected, one by one or all at once, and a refused rejection shows the conflict', async () => {
    await bench.page({ height: 2_400, prepare: scenes.toolConversation }, async (page) => {
      const all = page.getByRole('region', { name: 'Changes in this turn' });
      const standings = () =>
        all
          .locator('.change')
          .evaluateAll((rows) => rows.map((row) => row.querySelector('.standing')?.textContent ?? ''));
      await all.getByRole('button', { name: 'Reject src/router/match.ts' }).press('Enter');
      await expect.poll(standings, { timeout: 10_000 }).toEqual(['rejected', '', '']);
      await page.evaluate(() =>
        window.host.failures.set('changes.review', {
          ...{
            code: 'files_changed',
            status: 409,
            title: 'Files changed',
            diff: 'a.ts\n@@ line 1 @@\n-DevLM\n+<b>mine</b>',
          },
          detail: 'test/router/optional-segments.test.ts has changed since DevLM wrote it. No files were changed.',
        }),
      );
      await all.getByRole('button', { name: 'Reject All Changes' }).click();
      await all.getByRole('alert').getByText('+<b>mine</b>').waitFor();
      expect(await standings()).toEqual(['rejected', '', '']);
      expect(await bench.violations(page)).toEqual([]);
      await page.evaluate(() => window.host.failures.clear());
      await all.getByRole('button', { name: 'Accept All Changes' }).click();
      await expect.poll(standings, { timeout: 10_000 }).toEqual(['rejected', 'accepted', 'accepted']);
      expect(await all.getByRole('alert').count()).toBe(0);
      expect(await all.getByRole('button', { name: 'Accept All Changes' }).count()).toBe(0);
      const [, , accepted] = await calls(page, 'changes.review');
      expect(accepted?.body).toMatchObject({
        verdict: 'accept',
        files: [
          { path: 'test/router/optional-segments.test.ts', base: null, now: 'c'.repeat(64) },
          { path: 'src/router/old.ts', base: 'e'.repeat(64), now: null },
        ],
      });
    });
  });

  test('files and messages are restored after a confirmation, the restore can be undone, and a refusal shows the conflict', async () => {
    await bench.page({ height: 2_400, prepare: scenes.toolConversation }, async (page) => {
      const open = async (item: string) => {
        await page.getByRole('button', { name: 'Restore to Before This Message' }).first().click();
        await page.getByRole('menuitem', { name: item }).click();
      };
      const confirm = page.getByRole('group', { name: 'Restore to before this message' });
      const restores = async () => (await calls(page, 'files.restore')).map((input) => input.body);
      await open('Restore Files...');
      await confirm.getByText('3 files will be restored').waitFor();
      await confirm.getByText('test/router/optional-segments.test.ts').waitFor();
      // The Cancel button has the focus.
      await expect
        .poll(() => isFocused(confirm.getByRole('button', { name: 'Cancel' })), { timeout: 10_000 })
        .toBe(true);
      await page.keyboard.press('Escape');
      await confirm.waitFor({ state: 'detached' });
      expect(await restores()).toEqual([]);
      await page.evaluate(() =>
        window.host.failures.set('files.restore', {
          ...{ code: 'files_changed', status: 409, title: 'Files were changed', diff: 'src/router/match.ts\n-a\n+b' },
          detail: 'src/router/match.ts has changed since DevLM wrote it. No files were changed.',
        }),
      );
      await open('Restore Files...');
      await confirm.getByText('3 files will be restored').waitFor();
      await confirm.getByRole('button', { name: 'Restore' }).click();
      await confirm.getByText('has changed since DevLM wrote it').waitFor();
      await page.evaluate(() => window.host.failures.clear());
      await confirm.getByRole('button', { name: 'Restore' }).click();
      await confirm.waitFor({ state: 'detached' });
      const all = page.getByRole('region', { name: 'Changes in this turn' });
      await expect.poll(() => all.getByText('restored', { exact: true }).count(), { timeout: 10_000 }).toBe(3);
      await all.getByRole('button', { name: 'Undo Restore' }).click();
      await all.getByRole('button', { name: 'Accept All Changes' }).waitFor();
      await open('Restore Files and Conversation...');
      await confirm.getByText('everything after it will be hidden').waitFor();
      await confirm.getByRole('button', { name: 'Restore' }).click();
      await page.getByText('Later messages are hidden.').waitFor();
      expect(await page.locator('.turn').count()).toBe(0);
      await page.getByRole('button', { name: 'Undo Restore' }).click();
      await all.getByRole('button', { name: 'Accept All Changes' }).waitFor();
      expect(await restores()).toEqual([{ what: 'files' }, { what: 'files' }, { what: 'both' }]);
    });
  });
});

test('the plan is a line above the composer, and can be expanded to a list', async () => {
  await bench.page({ prepare: scenes.toolConversation }, async (page) => {
    const line = page.getByRole('button', { name: 'Plan 1/4 Let an optional segment be left out' });
    await line.click();
    const items = page.getByRole('region', { name: 'Plan' }).getByRole('listitem');
    expect(await items.allInnerTexts()).toHaveLength(4);
    expect(await items.nth(1).getAttribute('aria-current')).toBe('step');
    await page.getByRole('button', { name: 'Plan 1/4' }).press('Enter');
    expect(await items.count()).toBe(0);
  });
});

test('invalid tool inputs and results are shown as plain text', async () => {
  await bench.page({ height: 1_200, prepare: scenes.garbageConversation }, async (page) => {
    await page.getByText('A question without a call?', { exact: true }).waitFor();
    const labels = page.locator('.tool .fold-label');
    expect(await labels.count()).toBe(18);
    for (const label of await labels.all()) await label.click();
    const box = page.getByRole('group', { name: 'Result' });
    await box.getByText('first line').waitFor();
    const text = (await box.textContent()) ?? '';
    expect(text.length).toBeLessThan(120_000);
    expect(text).toContain('<script>window.hacked = 1</script>');
    expect(text).toContain('line\\u{202e}');
    expect(text.endsWith('the last line')).toBe(true);
    expect(text).toMatch(/\[[\d,.]+ characters omitted\]/);
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(await page.locator('.tool :is(b, img, script)').count()).toBe(0);
    expect(await page.locator('.app').textContent()).not.toContain('\u202e');
  });
});

test('an expanded tool card is still expanded when its turn is rendered again', async () => {
  await bench.page({ height: 600, prepare: scenes.toolConversation }, async (page) => {
    await page.locator('.transcript').hover();
    await page.mouse.wheel(0, -10_000);
    const read = page.getByRole('button', { name: /^Read src/ });
    await read.click();
    await page.getByText('export function match() {}').waitFor();
    // A turn with the focus is not removed, so move the focus away.
    await composer(page).focus();
    const height = () => page.evaluate(() => document.querySelector<HTMLElement>('.turn')?.offsetHeight);
    const before = await height();
    await page.evaluate(() => {
      const { host } = window;
      host.append('tools', [{ type: 'turn.ended', turnId: 't2', outcome: 'stopped' }]);
      const stored = host.stored('tools');
      if (stored) stored.summary.busy = false;
      for (let index = 0; index < 5; index += 1)
        host.turn('tools', `more${index}`, 'More?', 'A line.\n\n'.repeat(3_000));
    });
    // Scrolling to the end brings each turn near once. Together they have too much text to stay rendered.
    const isBuilt = async () => {
      for (const part of [0.3, 0.5, 0.7, 0.9, 1]) {
        await page.evaluate((share) => {
          const scroller = document.querySelector('.transcript');
          scroller?.scrollTo({ top: share * scroller.scrollHeight });
        }, part);
        await page.waitForTimeout(100);
      }
      return (await page.locator('.turn').first().locator('.tool').count()) > 0;
    };
    await expect.poll(isBuilt, { timeout: 20_000 }).toBe(false);
    expect(await height()).toBe(before);
    for (let round = 0; round < 20; round += 1) {
      await page.evaluate(() => document.querySelector('.transcript')?.scrollTo({ top: 0 }));
      await page.waitForTimeout(50);
    }
    await page.getByText('export function match() {}').waitFor();
    expect(await height()).toBe(before);
  });
});
