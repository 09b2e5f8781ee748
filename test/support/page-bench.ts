/// <reference lib="dom" />
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { type OpenOptions, type PageHarness, startPageHarness } from './page-harness.ts';

/** The chat page in a browser, for one test file. */
export class PageBench implements AsyncDisposable {
  readonly #harness: PageHarness;
  readonly #axe: string;

  private constructor(harness: PageHarness, axe: string) {
    this.#harness = harness;
    this.#axe = axe;
  }

  /** Starts a browser with the chat page. */
  static async start(): Promise<PageBench> {
    const axe = await readFile(join(import.meta.dirname, '../../node_modules/axe-core/axe.min.js'), 'utf8');
    return new PageBench(await startPageHarness(), axe);
  }

  /** Runs a test on a new page. The test fails if the page has written an error to the console. */
  async page(options: OpenOptions, work: (page: Page) => Promise<void>): Promise<void> {
    const { page, errors } = await this.#harness.open(options);
    try {
      await work(page);
      expect(errors).toEqual([]);
    } finally {
      await page.context().close();
    }
  }

  /** Returns the accessibility violations of the page's current state, one line each. */
  async violations(page: Page): Promise<string[]> {
    // The debugger runs it, so that the page's content security policy does not apply.
    await page.evaluate(this.#axe);
    const found: unknown = await page.evaluate('axe.run(document, { resultTypes: ["violations"] })');
    const { violations: all } = found as {
      violations: { id: string; nodes: { html: string; any: { message: string }[] }[] }[];
    };
    return all.flatMap(({ id, nodes }) =>
      nodes.map((node) => `${id}: ${node.html.slice(0, 160)} (${node.any[0]?.message ?? ''})`),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#harness[Symbol.asyncDispose]();
  }
}

/** Returns the card of a question with a title. */
export const ask = (page: Page, name: string) => page.getByRole('group', { name });
/** Returns the input field for messages. */
export const composer = (page: Page) => page.getByRole('textbox', { name: 'Message', exact: true });
/** Returns the last text that the page announced to screen readers. */
export const said = (page: Page) => page.locator('.unseen[role=status]').textContent();
/** Returns whether an element has the focus. */
export const isFocused = (locator: Locator) => locator.evaluate((element) => element === document.activeElement);
/** Returns the inputs of the page's calls to a route. */
export const calls = (page: Page, route: string) =>
  page.evaluate(
    (name) =>
      window.host.received.flatMap((message) =>
        message.kind === 'call' && message.route === name ? [message.input] : [],
      ),
    route,
  );
