/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { share } from '../support/deep.ts';
import { calls, composer, isFocused, PageBench } from '../support/page-bench.ts';
import * as scenes from '../support/page-harness/scenes.ts';

let bench: PageBench;

beforeAll(async () => {
  bench = await PageBench.start();
}, 60_000);
afterAll(() => bench[Symbol.asyncDispose]());

const sent = (page: Page, kind: string) =>
  page.evaluate((wanted) => window.host.received.filter((message) => message.kind === wanted), kind);
/** Returns the distance of the visible area from the end of the transcript, in pixels. */
const distanceFromEnd = (page: Page) =>
  page.evaluate(() => {
    const scroller = document.querySelector('.transcript');
    return scroller ? scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop : Number.NaN;
  });

const themes = ['dark', 'light', 'contrast'] as const;
const views = [
  ['empty', undefined, async () => undefined],
  [
    'answers',
    scenes.richConversation,
    async (page: Page) => {
      await page.getByRole('button', { name: 'Thought' }).click();
      await page.getByRole('button', { name: /^Read src/ }).click();
    },
  ],
  ['busy', scenes.busyConversation, async () => undefined],
  [
    'history',
    scenes.history,
    async (page: Page) => {
      await page.evaluate(() => window.host.push({ kind: 'do', what: 'showHistory' }));
      await page.waitForSelector('.row');
    },
  ],
  ['trouble', scenes.troubledServer, async () => undefined],
  ['a team that refuses', scenes.refusedByTeam, async () => undefined],
  ['demo', scenes.demo, async () => undefined],
  ['a folder that is not trusted', scenes.restricted, async () => undefined],
  ['menu', undefined, async (page: Page) => page.getByRole('button', { name: 'Attach', exact: true }).click()],
  [
    'suggestions',
    undefined,
    async (page: Page) => {
      await composer(page).fill('/');
      await page.waitForSelector('.suggestion');
    },
  ],
  ['editing', scenes.richConversation, async (page: Page) => composer(page).press('ArrowUp')],
] as const;

describe.each(themes)('views in the %s theme', (theme) => {
  // Each view is checked in one of the themes. A deep run checks all views in all themes.
  test.for(share(views, themes.length, themes.indexOf(theme)))(
    `%s: no axe violations in the ${theme} theme`,
    async ([, prepare, act]) => {
      await bench.page({ theme, height: 1_200, ...(prepare && { prepare }) }, async (page) => {
        await page.waitForTimeout(150);
        await act(page);
        await page.waitForTimeout(100);
        expect(await bench.violations(page)).toEqual([]);
      });
    },
  );
});

test('Enter sends a message, its answer is shown, and the live region announces it', async () => {
  await bench.page({}, async (page) => {
    await composer(page).fill('Hello');
    await page.keyboard.press('Enter');
    await page.getByText('An answer.').waitFor();
    expect(await page.locator('.user-text').textContent()).toBe('Hello');
    expect(await composer(page).inputValue()).toBe('');
    await expect.poll(() => page.locator('.unseen[role=status]').textContent()).toBe('Answer finished');
    const [created] = await calls(page, 'turns.create');
    expect(created?.body).toMatchObject({ text: 'Hello', parent: null });
    expect(await calls(page, 'conversations.create')).toHaveLength(1);
  });
});

test('Escape stops the answer, and a queued message can be removed from the queue', async () => {
  await bench.page({ prepare: scenes.busyConversation }, async (page) => {
    const queued = page.locator('.user', { hasText: 'Then add source maps' });
    await queued.getByText('Queued').waitFor();
    await queued.getByRole('button', { name: 'Remove from Queue' }).click();
    await expect.poll(() => composer(page).inputValue()).toBe('Then add source maps');
    await composer(page).press('Escape');
    await page.locator('.note', { hasText: 'Stopped' }).waitFor();
    const stops = await calls(page, 'turns.stop');
    expect(stops.map((input) => input.params)).toEqual([
      { conversationId: 'busy', turnId: 'b3' },
      { conversationId: 'busy', turnId: 'b2' },
    ]);
  });
});

test('a message that could not be sent is kept, and is sent with the same id when it is retried', async () => {
  await bench.page({ prepare: scenes.richConversation }, async (page) => {
    await page.evaluate(() =>
      window.host.failures.set('turns.create', {
        code: 'offline',
        status: 503,
        title: 'Offline',
        detail: 'No network.',
      }),
    );
    await composer(page).fill('Try this');
    await page.keyboard.press('Enter');
    await page.getByText('Not sent: No network.').waitFor();
    await page.evaluate(() => window.host.failures.clear());
    await page.locator('.user-failed').getByRole('button', { name: 'Try Again' }).click();
    await page.getByText('An answer.').waitFor();
    const ids = (await calls(page, 'turns.create')).map((input) => (input.body as { turnId: string }).turnId);
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
  });
});

test('the reason for a missing server is shown once, and the conversation opens when the server is back', async () => {
  const prepare = () => {
    const { host } = window;
    host.create('c', 'Kept');
    host.turn('c', 't', 'A question', 'The answer.');
    const problem = { code: 'unauthorized', status: 401, title: 'No way in', detail: 'The token was revoked.' };
    host.failures.set('conversations.get', problem);
    const view = { ...host.hello.view, conversationId: 'c' };
    host.hello = { ...host.hello, view, server: { state: 'failed', key: 'missing', demo: false, problem } };
  };
  await bench.page({ prepare }, async (page) => {
    await page.getByRole('alert').filter({ hasText: 'The token was revoked.' }).waitFor();
    await expect.poll(() => calls(page, 'conversations.get')).not.toHaveLength(0);
    await page.waitForTimeout(300);
    expect(await page.getByText('The token was revoked.').count()).toBe(1);
    await page.evaluate(() => {
      window.host.failures.clear();
      window.host.push({ kind: 'server', server: { state: 'ready', key: 'set', demo: false } });
    });
    await page.getByText('The answer.').waitFor();
    expect(await page.getByText('The token was revoked.').count()).toBe(0);
  });
});

test('Edit and Resend creates a sibling of the turn with the same attachments', async () => {
  await bench.page({ prepare: scenes.richConversation }, async (page) => {
    await page.getByRole('button', { name: 'Edit and Resend' }).first().click();
    await page.getByRole('textbox', { name: 'Edit your message' }).fill('Another question');
    await page.keyboard.press('Enter');
    await page.getByText('An answer.').waitFor();
    const [created] = await calls(page, 'turns.create');
    expect(created?.body).toMatchObject({ text: 'Another question', parent: null, attachmentsOf: 't1' });
    await page.getByText('2/2').waitFor();
    await page.getByRole('button', { name: 'Previous Version' }).click();
    await page.getByText('Optional segments like').waitFor();
  });
});

test('files are found with @ and attached, using the keyboard', async () => {
  await bench.page({}, async (page) => {
    await composer(page).pressSequentially('see @match');
    await page.getByRole('option', { name: 'match.ts' }).waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.composer .chip', { hasText: 'match.ts' }).waitFor();
    expect(await composer(page).inputValue()).toBe('see @src/router/match.ts ');
    await page.getByRole('button', { name: 'Remove match.ts' }).click();
    expect(await page.locator('.composer .chip').count()).toBe(0);
  });
});

test('a menu returns the focus to its button, and Escape closes it', async () => {
  await bench.page({}, async (page) => {
    const attach = page.getByRole('button', { name: 'Attach', exact: true });
    await attach.focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('role'))).toBe('menuitem');
    await page.keyboard.press('Escape');
    await expect.poll(() => isFocused(attach)).toBe(true);
  });
});

test('the history can be searched, and conversations renamed, deleted and restored, by keyboard', async () => {
  await bench.page({ prepare: scenes.history }, async (page) => {
    await page.evaluate(() => window.host.push({ kind: 'do', what: 'showHistory' }));
    await page.locator('.row').first().waitFor();
    await page.getByRole('searchbox').fill('leak');
    await expect
      .poll(() =>
        page
          .locator('.row-title')
          .allTextContents()
          .then((titles) => titles.every((title) => title.includes('leak'))),
      )
      .toBe(true);
    const first = page.locator('.row-open').first();
    await first.focus();
    await page.keyboard.press('F2');
    await page.getByRole('textbox', { name: 'New title' }).fill('A leaking worker');
    await page.keyboard.press('Enter');
    await page.getByText('A leaking worker').waitFor();
    await page.locator('.row-open').first().focus();
    await page.keyboard.press('Delete');
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect.poll(() => calls(page, 'conversations.restore')).toHaveLength(1);
    await page.getByRole('searchbox').press('Escape');
    await page.getByRole('heading', { name: 'New chat' }).waitFor();
  });
});

test('a draft is saved during typing and shown again after a reload', async () => {
  await bench.page({}, async (page) => {
    await composer(page).fill('Half a thought');
    await expect
      .poll(async () =>
        (await sent(page, 'editor')).flatMap((message) =>
          message.kind === 'editor' && message.action.action === 'saveView'
            ? [message.action.view.drafts['new']?.text]
            : [],
        ),
      )
      .toContain('Half a thought');
  });
});

test('a conversation is loaded again after events were missed', async () => {
  await bench.page({ prepare: scenes.richConversation }, async (page) => {
    await page.getByText('Claude is overloaded').first().waitFor();
    // Until then, a gap is attributed to stray events of the previous subscription.
    await page.waitForTimeout(3_100);
    await page.evaluate(() => {
      const stored = window.host.stored('rich');
      window.host.push = ((push) => (message) => {
        // One delivery is lost.
        if (message.kind === 'events' && message.events.some((event) => event.type === 'turn.created')) return;
        push.call(window.host, message);
      })(window.host.push);
      if (stored) window.host.turn('rich', 'late', 'A late question', 'The late answer.');
      window.host.append('rich', [{ type: 'conversation.renamed', title: 'Renamed', by: 'person' }]);
    });
    await page.getByText('The late answer.').waitFor();
  });
});

test('a long conversation opens at its end at once, keeps a window of turns, and loads more when it is scrolled', async () => {
  await bench.page({ prepare: scenes.longConversation, height: 700 }, async (page) => {
    await page.getByText('Question 999').waitFor();
    await expect.poll(() => distanceFromEnd(page), { timeout: 5_000 }).toBeLessThan(2);
    await page.locator('.transcript').hover();
    await page.mouse.wheel(0, -50);
    for (let round = 0; round < 60; round += 1) {
      await page.evaluate(() => document.querySelector('.transcript')?.scrollTo({ top: 0 }));
      await page.waitForTimeout(25);
    }
    expect(await page.locator('.turn').count()).toBeLessThanOrEqual(40);
    expect(await page.getByText('Question 999').count()).toBe(0);
    // A change elsewhere in the conversation does not move the scroll position.
    await page.evaluate(() =>
      window.host.append('long', [{ type: 'conversation.renamed', title: 'Renamed', by: 'person' }]),
    );
    await page.getByRole('heading', { name: 'Renamed' }).waitFor();
    expect(await page.getByText('Question 999').count()).toBe(0);
    await page.getByRole('button', { name: 'Jump to Latest' }).click();
    await page.getByText('Question 999').waitFor();
  });
});

test('the scroll position of the user stays while text arrives', async () => {
  await bench.page({ prepare: scenes.richConversation, height: 500 }, async (page) => {
    await page.evaluate(() => {
      window.host.answer = {
        chunks: Array.from({ length: 60 }, (_, index) => `Paragraph ${index}.\n\n`),
        perSecond: 100,
        coalesceMs: 40,
      };
    });
    await composer(page).fill('Go on');
    await page.keyboard.press('Enter');
    await page.getByText('Paragraph 5.').waitFor();
    await page.mouse.move(200, 200);
    await page.mouse.wheel(0, -600);
    await page.waitForTimeout(80);
    const before = await page.evaluate(() => document.querySelector('.transcript')?.scrollTop);
    await page.waitForTimeout(300);
    expect(await page.evaluate(() => document.querySelector('.transcript')?.scrollTop)).toBe(before);
    await page.getByRole('button', { name: 'Jump to Latest' }).click();
    await page.locator('.turn').last().locator('.answer-foot').waitFor();
    await expect.poll(() => distanceFromEnd(page)).toBeLessThan(2);
  });
});

const offline = () =>
  window.host.failures.set('turns.create', { code: 'offline', status: 503, title: 'Offline', detail: 'No network.' });
const lastView = async (page: Page) =>
  (await sent(page, 'editor'))
    .flatMap((message) =>
      message.kind === 'editor' && message.action.action === 'saveView' ? [message.action.view] : [],
    )
    .at(-1);

test('a message that is sent while its conversation opens is sent to that conversation or not at all', async () => {
  const prepare = () => {
    window.host.create('slow', 'Slow');
    window.host.hello = { ...window.host.hello, view: { ...window.host.hello.view, conversationId: 'slow' } };
    const push = window.host.push;
    window.host.push = (message) => {
      const opened = message.kind === 'reply' && message.ok && JSON.stringify(message.value ?? '').includes('lastSeq');
      setTimeout(() => push.call(window.host, message), opened ? 600 : 0);
    };
  };
  await bench.page({ prepare }, async (page) => {
    await composer(page).fill('Early');
    await page.keyboard.press('Enter');
    await page.getByText('An answer.').waitFor();
    expect((await calls(page, 'turns.create')).map((input) => input.params)).toEqual([{ conversationId: 'slow' }]);
    expect(await calls(page, 'conversations.create')).toEqual([]);
  });
});

test('an unsent message is part of the saved view, and a new page sends it with the same ids', async () => {
  await bench.page({}, async (page) => {
    await page.evaluate(offline);
    await composer(page).fill('First words');
    await page.keyboard.press('Enter');
    await page.getByText('Not sent: No network.').waitFor();
    await composer(page).fill('Next words');
    await expect.poll(async () => Object.values((await lastView(page))?.drafts ?? {})[0]?.text).toBe('Next words');
    const view = await lastView(page);
    expect(view?.outbox).toMatchObject([{ text: 'First words', begins: true, conversationId: view?.conversationId }]);
    await page.evaluate((saved) => {
      window.host.failures.clear();
      if (saved) window.host.push({ ...window.host.hello, view: saved });
    }, view);
    await page.getByText('An answer.').waitFor();
    expect(await composer(page).inputValue()).toBe('Next words');
    const ids = (await calls(page, 'turns.create')).map((input) => (input.body as { turnId: string }).turnId);
    expect(ids).toEqual([ids[0], ids[0]]);
    await expect.poll(async () => (await lastView(page))?.outbox).toEqual([]);
  });
});

test('a message that failed does not block the messages after it', async () => {
  await bench.page({ prepare: scenes.richConversation }, async (page) => {
    await page.evaluate(offline);
    for (const text of ['One', 'Two']) {
      await composer(page).fill(text);
      await page.keyboard.press('Enter');
    }
    await expect.poll(() => page.getByText('Not sent: No network.').count()).toBe(2);
    await page.evaluate(() => window.host.failures.clear());
    await page.getByRole('button', { name: 'Try Again' }).last().click();
    await page.getByText('An answer.').waitFor();
    const [first, , retried] = (await calls(page, 'turns.create')).map((input) => input.body);
    expect(retried).toMatchObject({ text: 'Two', parent: (first as { parent: string }).parent });
  });
});

test('a message that only begins like a slash command is sent', async () => {
  await bench.page({}, async (page) => {
    await composer(page).fill('/help me fix the login page');
    await page.keyboard.press('Enter');
    await page.getByText('An answer.').waitFor();
    expect(await page.locator('.user-text').textContent()).toBe('/help me fix the login page');
  });
});

test("a click on a link opens it once, and does not reach the editor's own handler", async () => {
  await bench.page({}, async (page) => {
    await page.evaluate(() => {
      window.host.answer = { chunks: ['See [this](https://example.com/).'], perSecond: 0, coalesceMs: 0 };
      window.addEventListener('click', (event) => {
        if (event.target instanceof Element && event.target.closest('a')) document.title = 'leaked';
      });
    });
    await composer(page).fill('Link');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'this' }).click();
    expect(await page.title()).toBe('DevLM');
  });
});
