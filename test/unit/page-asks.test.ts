/// <reference lib="dom" />
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ask, calls, composer, isFocused, PageBench, said } from '../support/page-bench.ts';
import * as scenes from '../support/page-harness/tool-scenes.ts';

// Each test opens a new page.
vi.setConfig({ testTimeout: 30_000 });

let bench: PageBench;

beforeAll(async () => {
  bench = await PageBench.start();
}, 60_000);
afterAll(() => bench[Symbol.asyncDispose]());

test('the buttons of an approval card send the answer, and the card changes only when its event arrives', async () => {
  await bench.page({ prepare: scenes.askingConversation }, async (page) => {
    const card = ask(page, 'Run a command');
    await card.getByText('rm -rf build').waitFor();
    await page.evaluate(() => {
      window.host.holdAnswers = true;
    });
    await card.getByRole('button', { name: 'Allow' }).click();
    await expect.poll(() => calls(page, 'asks.answer')).toHaveLength(1);
    expect(await calls(page, 'asks.answer')).toEqual([
      {
        params: { conversationId: 'asking', turnId: 'a1', callId: 'toolu_1' },
        body: { kind: 'approval', allow: true },
      },
    ]);
    await page.waitForTimeout(200);
    expect(await card.getByRole('button', { name: 'Deny', exact: true }).getAttribute('aria-disabled')).toBe('true');
    await card.getByRole('button', { name: 'Deny', exact: true }).click({ force: true });
    expect(await calls(page, 'asks.answer')).toHaveLength(1);
    // Another window has answered first.
    await page.evaluate(() =>
      window.host.append('asking', [
        {
          type: 'ask.answered',
          turnId: 'a1',
          stepId: 'a1-s',
          callId: 'toolu_1',
          answer: { kind: 'approval', allow: false, note: 'Use the <clean> script' },
        },
      ]),
    );
    await page.getByText('You denied this with a note: Use the <clean> script').waitFor();
    expect(await card.count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Waiting for you' }).count()).toBe(0);
  });
});

test('an answer that failed shows the reason and can be sent again with its note', async () => {
  await bench.page({ prepare: scenes.askingConversation }, async (page) => {
    const card = ask(page, 'Run a command');
    await page.evaluate(() =>
      window.host.failures.set('asks.answer', {
        code: 'offline',
        status: 503,
        title: 'Offline',
        detail: 'No network.',
      }),
    );
    await card.getByRole('button', { name: 'Deny with a Note' }).click();
    const note = card.getByRole('textbox', { name: 'What DevLM should do instead' });
    await expect.poll(() => isFocused(note), { timeout: 10_000 }).toBe(true);
    await note.fill('Leave build alone');
    await note.press('Escape');
    await note.waitFor({ state: 'detached' });
    expect(await page.locator('.note', { hasText: 'Stopped' }).count()).toBe(0);
    await card.getByRole('button', { name: 'Deny with a Note' }).click();
    // The text of the note was kept.
    expect(await note.inputValue()).toBe('Leave build alone');
    // A card ignores answers just after it appears.
    await card.getByRole('button', { name: 'Deny', exact: true }).click({ trial: true });
    await note.press('Enter');
    await card.getByText('Your answer was not accepted: No network.').waitFor();
    await expect.poll(() => said(page)).toBe('Your answer was not accepted: No network.');
    await page.evaluate(() => window.host.failures.clear());
    await note.press('Enter');
    await page.getByText('You denied this with a note: Leave build alone').waitFor();
    expect((await calls(page, 'asks.answer')).map((input) => input.body)).toEqual([
      { kind: 'approval', allow: false, note: 'Leave build alone' },
      { kind: 'approval', allow: false, note: 'Leave build alone' },
    ]);
  });
});

test('a question accepts an offered option or free text', async () => {
  await bench.page({ height: 1_400, prepare: scenes.toolConversation }, async (page) => {
    const card = ask(page, 'Which version should it become?');
    const own = card.getByRole('textbox', { name: 'Another answer' });
    await own.fill('   ');
    await page.waitForTimeout(600);
    expect(await card.getByRole('button', { name: 'Answer', exact: true }).getAttribute('aria-disabled')).toBe('true');
    await own.press('Enter');
    expect(await calls(page, 'asks.answer')).toEqual([]);
    await card.getByRole('button', { name: '1.5.0 (a feature)' }).click();
    await page.getByText('You answered: 1.5.0 (a feature)').waitFor();
    expect((await calls(page, 'asks.answer')).map((input) => input.body)).toEqual([
      { kind: 'question', text: '1.5.0 (a feature)', option: '2' },
    ]);
    // The other questions are still open.
    expect(await page.locator('.ask').count()).toBe(2);
    await page.getByRole('button', { name: '2 questions for you' }).waitFor();
  });
});

test('an approval card shows the whole command, with invisible characters written out', async () => {
  await bench.page({ prepare: scenes.askingConversation }, async (page) => {
    await ask(page, 'Run a command').waitFor();
    const detail = `echo ok${' '.repeat(500)}${'\n'.repeat(200)}rm -rf \u202e~\u202c\u200b/x${'y'.repeat(90_000)}END`;
    await page.evaluate(
      (text) =>
        window.host.append('asking', [
          {
            type: 'ask.opened',
            turnId: 'a1',
            stepId: 'a1-s',
            callId: 'toolu_1',
            ask: { kind: 'approval', title: 'Other', reason: '', detail: text, format: 'command', rule: null },
          },
        ]),
      detail,
    );
    const box = page.getByRole('group', { name: 'Command' });
    await expect.poll(() => box.textContent()).toContain('rm -rf \\u{202e}~\\u{202c}\\u{200b}/x');
    expect(await box.textContent()).toContain('yEND');
    await page.getByText('201 lines').waitFor();
    expect(await box.evaluate((element) => element.scrollWidth - element.clientWidth)).toBe(0);
  });
});

describe('questions by keyboard', () => {
  test('a new approval card receives the focus, and Enter and Space on it allow nothing', async () => {
    await bench.page({ prepare: scenes.askingConversation }, async (page) => {
      const card = ask(page, 'Run a command');
      await expect.poll(() => isFocused(card)).toBe(true);
      await page.waitForTimeout(600);
      await page.keyboard.press('Enter');
      await page.keyboard.press('Space');
      await page.waitForTimeout(50);
      expect(await calls(page, 'asks.answer')).toEqual([]);
      // Escape moves the focus to the composer. Only a second Escape stops the answer.
      await page.keyboard.press('Escape');
      await expect.poll(() => isFocused(composer(page))).toBe(true);
      expect(await page.getByText('Stopped').count()).toBe(0);
      await page.keyboard.press('Escape');
      await page.locator('.note', { hasText: 'Stopped' }).waitFor();
      await page.getByText('This was not answered.').waitFor();
      expect(await card.count()).toBe(0);
    });
  });

  test('a note field that is opened at once keeps the focus when the card is offered to the focus', async () => {
    await bench.page({ prepare: scenes.toolConversation, height: 1_400 }, async (page) => {
      await ask(page, 'Fetch from a new host').waitFor();
      await page.evaluate(async () => {
        window.host.append('tools', [
          {
            type: 'ask.opened',
            turnId: 't2',
            stepId: 't2-s',
            callId: 't2-c4',
            ask: { kind: 'approval', title: 'Late', reason: 'r', detail: 'd', format: 'text', rule: null },
          },
        ]);
        const note = () =>
          [...document.querySelectorAll('.ask')]
            .find((card) => card.textContent?.includes('Late'))
            ?.querySelector<HTMLButtonElement>('.link-button');
        while (!note()) await new Promise(requestAnimationFrame);
        note()?.click();
      });
      const note = page.getByRole('textbox', { name: 'What DevLM should do instead' });
      await expect.poll(() => isFocused(note)).toBe(true);
      // By now the card would have been offered to the focus.
      await page.waitForTimeout(300);
      expect(await isFocused(note)).toBe(true);
    });
  });

  test('a user who is typing keeps the focus when a question appears, and Enter sends the message', async () => {
    await bench.page({ prepare: scenes.askingConversation }, async (page) => {
      await ask(page, 'Run a command').waitFor();
      await composer(page).click();
      await composer(page).pressSequentially('Mean');
      await page.evaluate(() =>
        window.host.append('asking', [
          {
            type: 'block.started',
            turnId: 'a1',
            stepId: 'a1-s',
            index: 1,
            kind: 'tool_call',
            tool: { callId: 'two', name: 'ask_user' },
          },
          { type: 'block.ended', turnId: 'a1', stepId: 'a1-s', index: 1 },
          {
            type: 'ask.opened',
            turnId: 'a1',
            stepId: 'a1-s',
            callId: 'two',
            ask: { kind: 'question', question: 'And which folder?', options: ['build', 'dist'] },
          },
        ]),
      );
      await expect.poll(() => said(page)).toBe('DevLM is waiting for you: And which folder? (2 open questions)');
      await page.keyboard.type('while');
      expect(await composer(page).inputValue()).toBe('Meanwhile');
      await page.waitForTimeout(600);
      await page.keyboard.press('Enter');
      await page.locator('.user', { hasText: 'Meanwhile' }).waitFor();
      expect(await calls(page, 'asks.answer')).toEqual([]);
    });
  });

  test('a question card ignores clicks just after it appears, and a second key press after an answer answers nothing', async () => {
    await bench.page({ height: 1_400, prepare: scenes.toolConversation }, async (page) => {
      const first = ask(page, 'Fetch from a new host');
      const allow = first.getByRole('button', { name: 'Allow' });
      await allow.click();
      await page.getByText('You allowed: Fetch from a new host').waitFor();
      // The next card has the focus, not one of its buttons.
      await expect.poll(() => isFocused(ask(page, 'Which version should it become?'))).toBe(true);
      await page.keyboard.press('Enter');
      await page.waitForTimeout(50);
      expect(await calls(page, 'asks.answer')).toHaveLength(1);
      const late = { turnId: 't2', stepId: 't2-s', callId: 't2-c4' };
      await page.evaluate(async (ids) => {
        window.host.append('tools', [
          {
            type: 'ask.opened',
            ...ids,
            ask: { kind: 'approval', title: 'Late', reason: 'r', detail: 'd', format: 'text', rule: null },
          },
        ]);
        const button = () => [...document.querySelectorAll('.ask')].at(-1)?.querySelector('button');
        while (button()?.closest('.ask')?.textContent?.includes('Late') !== true)
          await new Promise((resolve) => setTimeout(resolve, 5));
        button()?.click();
      }, late);
      await page.waitForTimeout(50);
      expect(await calls(page, 'asks.answer')).toHaveLength(1);
      await ask(page, 'Late').getByRole('button', { name: 'Allow' }).click();
      await expect.poll(() => calls(page, 'asks.answer')).toHaveLength(2);
    });
  });

  test('the button in the header moves from one open question to the next', async () => {
    await bench.page({ height: 500, prepare: scenes.toolConversation }, async (page) => {
      const waiting = page.getByRole('button', { name: '3 questions for you' });
      await waiting.waitFor();
      // Until then, scrolling in a conversation that was just opened is not attributed to the user.
      await page.waitForTimeout(1_100);
      await page.evaluate(() => document.querySelector('.transcript')?.scrollTo({ top: 0 }));
      const focused = () => page.evaluate(() => document.activeElement?.closest('.ask')?.id ?? '');
      const seen: string[] = [];
      for (const _ of [1, 2, 3]) {
        await waiting.click();
        await expect.poll(focused).not.toBe('');
        const id = await focused();
        const top = await page.locator(`#${id}`).evaluate((card) => card.getBoundingClientRect().top);
        expect(top).toBeGreaterThan(0);
        expect(top).toBeLessThan(500);
        seen.push(id);
      }
      expect(new Set(seen).size).toBe(3);
    });
  });
});

test('a question is announced once, and is shown again after a reload', async () => {
  await bench.page({ prepare: scenes.askingConversation }, async (page) => {
    await expect.poll(() => said(page)).toBe('DevLM is waiting for you: Run a command');
    await page.evaluate(() => {
      const region = document.querySelector('.unseen[role=status]');
      const heard: string[] = [];
      Object.assign(window, { heard });
      new MutationObserver(() => heard.push(region?.textContent ?? '')).observe(region ?? document, {
        childList: true,
        characterData: true,
        subtree: true,
      });
      window.host.append('asking', [
        { type: 'tool.output', turnId: 'a1', stepId: 'a1-s', callId: 'toolu_1', text: 'x' },
      ]);
    });
    await page.waitForTimeout(200);
    expect(await page.evaluate('window.heard')).toEqual([]);
    await page.reload();
    await ask(page, 'Run a command').getByRole('button', { name: 'Allow' }).click();
    await page.getByText('You allowed: Run a command').waitFor();
  });
});

test('a question card that appears outside the visible area moves neither the scroll position nor the focus', async () => {
  await bench.page({ height: 400, prepare: scenes.toolConversation }, async (page) => {
    await ask(page, 'Write .github').waitFor();
    await page.locator('.transcript').hover();
    await page.mouse.wheel(0, -10_000);
    await composer(page).focus();
    // Wait longer than the time in which the user counts as typing.
    await page.waitForTimeout(2_100);
    const top = () => page.evaluate(() => document.querySelector('.transcript')?.scrollTop);
    const before = await top();
    await page.evaluate(() =>
      window.host.append('tools', [
        {
          type: 'ask.opened',
          turnId: 't2',
          stepId: 't2-s',
          callId: 't2-c4',
          ask: { kind: 'question', question: 'Out of sight?', options: [] },
        },
      ]),
    );
    await ask(page, 'Out of sight?').waitFor({ state: 'attached' });
    await page.waitForTimeout(300);
    expect(await top()).toBe(before);
    await expect.poll(() => isFocused(composer(page))).toBe(true);
  });
});
