/// <reference lib="dom" />
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ask, calls, composer, isFocused, PageBench, said } from '../support/page-bench.ts';
import * as scenes from '../support/page-harness/context-scenes.ts';

// Each test opens a new page.
vi.setConfig({ testTimeout: 30_000 });

let bench: PageBench;

beforeAll(async () => {
  bench = await PageBench.start();
}, 60_000);
afterAll(() => bench[Symbol.asyncDispose]());

test('a summary in the chat can be expanded, and the summarized turns are still shown', async () => {
  await bench.page({ prepare: scenes.longConversation }, async (page) => {
    const card = page.getByRole('button', { name: '2 turns were summarized' });
    await card.waitFor();
    expect(await card.textContent()).toContain('162K → 51K tokens');
    await page.getByText('Which birds live at the lake?').waitFor();
    expect(await page.getByRole('heading', { name: 'What the person wants' }).count()).toBe(0);
    await card.press('Enter');
    await page.getByRole('heading', { name: 'What the person wants' }).waitFor();
    expect(await card.getAttribute('aria-expanded')).toBe('true');
    // The summary is text of a model, so its HTML must not become part of the page.
    expect(await page.locator('img').count()).toBe(0);
    await page.getByText('Long results and attachments above were shortened for the model.').waitFor();
    await page.getByText('The conversation could not be summarized: Nothing came for too long.').waitFor();
    expect(await bench.violations(page)).toEqual([]);
    await card.press(' ');
    expect(await page.getByRole('heading', { name: 'What the person wants' }).count()).toBe(0);
    // The summary is not part of the answer.
    await page.getByRole('button', { name: 'Copy Answer' }).last().click();
    const copied = await page.evaluate(() =>
      window.host.received.flatMap((message) =>
        message.kind === 'editor' && message.action.action === 'copy' ? [message.action.text] : [],
      ),
    );
    expect(copied).toEqual(['The bittern stands in the reeds and is not seen.']);
  });
});

test('a running summary shows its progress, and a stopped one says that it is not used', async () => {
  await bench.page({ prepare: scenes.longConversation }, async (page) => {
    await page.evaluate(() =>
      window.host.append('long', [
        { type: 'turn.created', turnId: 't4', parent: 't3', text: 'On', attachments: [], model: null, thinking: false },
        { type: 'turn.started', turnId: 't4', attempt: 1 },
        { type: 'step.started', turnId: 't4', stepId: 't4c', model: 'x', purpose: 'compaction' },
      ]),
    );
    const working = page.getByText('Summarizing the conversation to make room...');
    await working.waitFor();
    expect(await page.getByText('Working...').count()).toBe(0);
    await page.evaluate(() => window.host.append('long', [{ type: 'turn.ended', turnId: 't4', outcome: 'stopped' }]));
    await page.getByText('A summary was started here but is not used.').waitFor();
    expect(await working.count()).toBe(0);
  });
});

test('the context meter shows the parts of the context, also by keyboard', async () => {
  await bench.page({ prepare: scenes.longConversation }, async (page) => {
    const meter = page.getByRole('button', { name: '26% 52K of 200K context tokens used' });
    await meter.waitFor();
    expect(await meter.getAttribute('title')).toBe('52K of 200K context tokens used');
    await meter.press('Enter');
    const panel = page.getByRole('dialog', { name: 'Context' });
    await expect.poll(() => isFocused(panel)).toBe(true);
    const rows = await panel.locator('dl > div').allInnerTexts();
    // In this conversation, the server's estimates add up to the provider's count.
    expect(rows.map((row) => row.split('\n').filter(Boolean))).toEqual([
      ['Tool definitions', '9K'],
      ['System prompt', '900'],
      ['Project rules', '2.1K'],
      ['Tool calls and results', '31K'],
      ['Conversation', '9K'],
      ['Free', '148K'],
    ]);
    await panel
      .getByText(
        '39K tokens were charged again instead of being read from the cache, because the tools changed (mcp_birds_count).',
      )
      .waitFor();
    expect(await bench.violations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    expect(await panel.count()).toBe(0);
    await expect.poll(() => isFocused(meter)).toBe(true);
    // A click outside the panel closes it too.
    await meter.click();
    await panel.waitFor();
    await composer(page).click();
    expect(await panel.count()).toBe(0);
    await expect.poll(() => isFocused(composer(page))).toBe(true);
  });
});

test.each([200, 300, 1_000])('the panel of the context meter fits into a page %i pixels wide', async (width) => {
  await bench.page({ prepare: scenes.longConversation, width }, async (page) => {
    await page.locator('.meter').click();
    const panel = page.getByRole('dialog', { name: 'Context' });
    await expect
      .poll(async () => {
        const box = await panel.boundingBox();
        return box !== null && box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.width > 150;
      })
      .toBe(true);
    // The panel does not cover the composer.
    await composer(page).click();
    expect(await panel.count()).toBe(0);
  });
});

test('a summary can be requested in the context meter and with /compact', async () => {
  await bench.page({ prepare: scenes.longConversation }, async (page) => {
    await page.evaluate(() => {
      window.host.answer = null;
    });
    await page.getByRole('button', { name: /context tokens used/ }).click();
    await page.getByRole('button', { name: 'Summarize Now' }).click();
    await expect.poll(() => calls(page, 'turns.create')).toHaveLength(1);
    expect(await calls(page, 'turns.create')).toEqual([
      expect.objectContaining({ body: expect.objectContaining({ parent: 't3', text: '/compact', compact: true }) }),
    ]);
    // No other summary can be requested while this one is running.
    const meter = page.getByRole('button', { name: /context tokens used/ });
    await meter.click();
    await expect.poll(() => page.getByRole('button', { name: 'Summarize Now' }).isDisabled()).toBe(true);
    await page.keyboard.press('Escape');
    await composer(page).fill('/compact');
    await composer(page).press('Escape');
    await composer(page).press('Enter');
    await page.getByText('Wait until DevLM has answered.').waitFor();
    expect(await calls(page, 'turns.create')).toHaveLength(1);
  });
});

test('a message that requests a summary cannot be edited', async () => {
  await bench.page({ prepare: scenes.longConversation }, async (page) => {
    await page.evaluate(() =>
      window.host.append('long', [
        {
          type: 'turn.created',
          turnId: 't4',
          parent: 't3',
          text: '/compact',
          attachments: [],
          model: null,
          thinking: false,
          compact: true,
        },
        { type: 'turn.started', turnId: 't4', attempt: 1 },
        { type: 'turn.ended', turnId: 't4', outcome: 'stopped' },
      ]),
    );
    await page.getByText('/compact').waitFor();
    expect(await page.getByRole('button', { name: 'Edit and Resend' }).count()).toBe(3);
  });
});

test('"Always Allow" asks the editor to add the offered rule, then allows the call', async () => {
  await bench.page({ prepare: scenes.offeringConversation }, async (page) => {
    const card = ask(page, 'Run a command');
    const always = card.getByRole('button', { name: 'Always Allow: commands that begin with npm test' });
    await always.waitFor();
    expect(await bench.violations(page)).toEqual([]);
    const problem = { code: 'bad_rules', status: 400, title: 'No', detail: 'The rules cannot be read.' };
    await page.evaluate((failure) => window.host.failures.set('alwaysAllow', failure), problem);
    // A card ignores answers just after it appears.
    await expect.poll(() => always.getAttribute('aria-disabled')).toBe('false');
    await always.click();
    await card.getByText('Your answer was not accepted: The rules cannot be read.').waitFor();
    await expect.poll(() => said(page)).toBe('The rule was not added: The rules cannot be read.');
    expect(await calls(page, 'asks.answer')).toEqual([]);
    await page.evaluate(() => window.host.failures.clear());
    await always.click();
    await expect
      .poll(() => calls(page, 'asks.answer'))
      .toEqual([
        {
          params: { conversationId: 'offering', turnId: 'o1', callId: 'toolu_1' },
          body: { kind: 'approval', allow: true },
        },
      ]);
    const actions = await page.evaluate(() =>
      window.host.received.flatMap((message) =>
        message.kind === 'editor' && message.action.action === 'alwaysAllow' ? [message.action] : [],
      ),
    );
    // The page names the question. It does not send the rule.
    expect(actions.at(-1)).toEqual({
      action: 'alwaysAllow',
      conversationId: 'offering',
      turnId: 'o1',
      callId: 'toolu_1',
    });
    await page.getByText('A rule was added to your settings.').waitFor();
  });
});

test.each(['dark', 'light', 'contrast'] as const)(
  'summaries, the context meter and "Always Allow" have no axe violations in the %s theme',
  async (theme) => {
    await bench.page({ theme, prepare: scenes.longConversation, height: 900 }, async (page) => {
      await page.getByRole('button', { name: '2 turns were summarized' }).click();
      await page.getByRole('button', { name: /context tokens used/ }).click();
      await page.getByRole('dialog', { name: 'Context' }).waitFor();
      expect(await bench.violations(page)).toEqual([]);
      const folder = process.env['DEVLM_SCREENSHOTS'];
      if (folder) await page.screenshot({ path: `${folder}/context-${theme}.png` });
    });
    await bench.page({ theme, prepare: scenes.offeringConversation, height: 400 }, async (page) => {
      await page.getByRole('button', { name: /^Always Allow/ }).waitFor();
      expect(await bench.violations(page)).toEqual([]);
      const folder = process.env['DEVLM_SCREENSHOTS'];
      if (folder) await page.screenshot({ path: `${folder}/always-${theme}.png` });
    });
  },
);

test('a message with a replaced credential says that it was replaced', async () => {
  await bench.page({ prepare: scenes.longConversation }, async (page) => {
    const hint = page.getByText('A credential in this message was replaced before the message was stored or sent.');
    const say = (turnId: string, text: string) =>
      page.evaluate(
        ([id, words]) =>
          window.host.append('long', [
            {
              ...{ type: 'turn.created', turnId: id ?? '', parent: 't3', text: words ?? '' },
              ...{ attachments: [], model: null, thinking: false },
            },
            { type: 'turn.ended', turnId: id ?? '', outcome: 'stopped' },
          ]),
        [turnId, text],
      );
    await say('t4', 'Use no credential');
    await page.getByText('Use no credential').first().waitFor();
    expect(await hint.count()).toBe(0);
    await say('t5', 'Use DEVLM_SECRET_0123456789ABCDEF0123');
    await hint.waitFor();
    expect(await bench.violations(page)).toEqual([]);
  });
});
