/// <reference lib="dom" />
import type { Page } from 'playwright-core';

/* Locators for program runs in the chat page, and the requests of the page to its host. */

/** Returns the button that runs a program. */
export const runButton = (page: Page, name = 'Run Python') => page.getByRole('button', { name, exact: true });
/** Returns the panels of runs. */
export const panel = (page: Page) => page.locator('.run');
/** Returns the output areas of runs. */
export const output = (page: Page) => page.locator('.run-output');
/** Returns the page's requests to run programs. */
export const requests = (page: Page) =>
  page.evaluate(() => window.host.received.flatMap((message) => (message.kind === 'execute' ? [message] : [])));
/** Returns the inputs of the page's calls to a route. */
export const calls = (page: Page, route: string) =>
  page.evaluate(
    (name) =>
      window.host.received.flatMap((message) =>
        message.kind === 'call' && message.route === name ? [message.input] : [],
      ),
    route,
  );
/** Returns the texts that the page has copied. */
export const copied = (page: Page) =>
  page.evaluate(() =>
    window.host.received.flatMap((message) =>
      message.kind === 'editor' && message.action.action === 'copy' ? [message.action.text] : [],
    ),
  );
/** Returns the last text that the page announced to screen readers. */
export const said = (page: Page) => page.locator('.unseen[role=status]').textContent();
