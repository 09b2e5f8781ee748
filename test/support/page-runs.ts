/// <reference lib="dom" />
import type { Page } from 'playwright-core';

/* Where programs that are run are found in the chat page, and what the page has asked of its host for them. */

export const runButton = (page: Page, name = 'Run Python') => page.getByRole('button', { name, exact: true });
export const panel = (page: Page) => page.locator('.run');
export const output = (page: Page) => page.locator('.run-output');
export const requests = (page: Page) =>
  page.evaluate(() => window.host.received.flatMap((message) => (message.kind === 'execute' ? [message] : [])));
export const calls = (page: Page, route: string) =>
  page.evaluate(
    (name) =>
      window.host.received.flatMap((message) =>
        message.kind === 'call' && message.route === name ? [message.input] : [],
      ),
    route,
  );
export const copied = (page: Page) =>
  page.evaluate(() =>
    window.host.received.flatMap((message) =>
      message.kind === 'editor' && message.action.action === 'copy' ? [message.action.text] : [],
    ),
  );
export const said = (page: Page) => page.locator('.unseen[role=status]').textContent();
