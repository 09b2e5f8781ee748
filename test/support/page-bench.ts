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

  static async start(): Promise<PageBench> {
    const axe = await readFile(join(import.meta.dirname, '../../node_modules/axe-core/axe.min.js'), 'utf8');
    return new PageBench(await startPageHarness(), axe);
  }

  /** A page of its own for a test, which fails when the page has written an error to the console. */
  async page(options: OpenOptions, work: (page: Page) => Promise<void>): Promise<void> {
    const { page, errors } = await this.#harness.open(options);
    try {
      await work(page);
      expect(errors).toEqual([]);
    } finally {
      await page.context().close();
    }
  }

  /** Accessibility violations of the page as it is now, in a line each. */
  async violations(page: Page): Promise<string[]> {
    // Run by the debugger, so the page's content policy does not apply to it.
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

/** The card of a question with this title. */
export const ask = (page: Page, name: string) => page.getByRole('group', { name });
export const composer = (page: Page) => page.getByRole('textbox', { name: 'Message', exact: true });
/** What a screen reader was told last. */
export const said = (page: Page) => page.locator('.unseen[role=status]').textContent();
export const isFocused = (locator: Locator) => locator.evaluate((element) => element === document.activeElement);
/** What the page called a route with. */
export const calls = (page: Page, route: string) =>
  page.evaluate(
    (name) =>
      window.host.received.flatMap((message) =>
        message.kind === 'call' && message.route === name ? [message.input] : [],
      ),
    route,
  );
