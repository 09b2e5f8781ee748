/// <reference lib="dom" />
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import fc from 'fast-check';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PageHarness, startPageHarness } from '../support/page-harness.ts';
import { trickyMarkdown } from '../support/page-markdown.ts';

/* The final document in a real browser, however its text arrived and whatever the model wrote. */

let harness: PageHarness;
let page: Page;

declare global {
  interface Window {
    view: {
      /** Renders the chunks. Returns the HTML after all code is highlighted. */
      render(chunks: readonly string[]): Promise<string>;
    };
  }
}

beforeAll(async () => {
  harness = await startPageHarness();
  const [script] = (
    await build({
      stdin: {
        contents: `import { MarkdownView } from './webview-ui/src/markdown/view.ts';
window.view = {
  async render(chunks) {
    const root = document.createElement('div');
    document.body.append(root);
    const view = new MarkdownView(root);
    let text = '';
    for (const chunk of chunks) { text += chunk; view.update(text, false); }
    view.update(text, true);
    let last;
    // Blocks are built and code is highlighted in time slices.
    do {
      last = root.innerHTML;
      await new Promise((resolve) => setTimeout(resolve, 20));
      await new Promise((resolve) => requestIdleCallback(resolve));
    } while (root.innerHTML !== last);
    root.remove();
    return last;
  },
};`,
        resolveDir: join(import.meta.dirname, '../..'),
        loader: 'ts',
      },
      bundle: true,
      write: false,
      format: 'iife',
    })
  ).outputFiles;
  harness.documents.set('view.js', script?.text ?? '');
  harness.documents.set(
    'view',
    '<!DOCTYPE html><html><body><script nonce="NONCE" src="view.js"></script></body></html>',
  );
  page = await harness.browser.newPage();
  await page.goto(`${harness.address}/view`);
}, 60_000);
afterAll(() => harness[Symbol.asyncDispose]());

const render = (chunks: readonly string[]) => page.evaluate((pieces) => window.view.render(pieces), chunks);

test('the rendered Markdown is the same, however the text was split into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...trickyMarkdown], { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      async (pieces, cuts) => {
        const text = pieces.join('\n\n');
        const at = [...new Set(cuts.map((value) => value % (text.length + 1)))].sort((a, b) => a - b);
        const chunks = [0, ...at].map((start, index) => text.slice(start, at[index] ?? text.length));
        expect(await render(chunks)).toBe(await render([text]));
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);

test('long code is highlighted in parts, and its text does not change', async () => {
  const source = await readFile(join(import.meta.dirname, '../../webview-ui/src/parts/composer.tsx'), 'utf8');
  const code = source.repeat(3);
  const html = await render([`\`\`\`ts\n${code}`, '```\n']);
  expect(html).toContain('hljs-keyword');
  const text = await page.evaluate(
    (markup) => new DOMParser().parseFromString(markup, 'text/html').querySelector('pre')?.textContent,
    html,
  );
  expect(text).toBe(code.endsWith('\n') ? code : `${code}\n`);
});

test.each([
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt&colon;alert(1)) [y](java\tscript:alert(1)) <javascript:alert(1)>',
  '[x](data:text/html,<script>alert(1)</script>)',
  '[x](vbscript:x) [y](//evil.example/x) [z](command:workbench.action.quit) [f](file:///etc/passwd)',
  '<img src=x onerror=alert(1)> ![pixel](https://evil.example/pixel.png) ![d](data:image/png;base64,AAAA)',
  '<iframe src="https://evil.example"></iframe>\n\n<style>body{display:none}</style>\n\n<script>alert(1)</script>',
  '<p style="position:fixed">x</p>\n\ntext <b id="root" class="app" name="x" data-code="copy" onclick="alert(1)">x</b>',
  '<form action="https://evil.example"><input name=body></form> <object data=x></object> <link rel=stylesheet href=x>',
  '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
  '```"><img src=x onerror=alert(1)>\ncode\n```',
  '| <img src=x onerror=alert(1)> |\n|---|\n| <script>alert(1)</script> |',
])('rendered Markdown contains nothing harmful: %j', async (markdown) => {
  const html = await render([markdown]);
  const found = await page.evaluate((markup) => {
    const parsed = new DOMParser().parseFromString(markup, 'text/html');
    const elements = [...parsed.body.querySelectorAll('*')];
    return {
      tags: [...new Set(elements.map((element) => element.localName))],
      attributes: [...new Set(elements.flatMap((element) => element.getAttributeNames()))],
      links: [...parsed.querySelectorAll('a')].map((link) => link.getAttribute('href') ?? ''),
      pressable: parsed.querySelectorAll('[data-code]:not(.code-head > button)').length,
    };
  }, html);
  // biome-ignore format: lists of words
  const harmless = ['a', 'b', 'button', 'code', 'div', 'p', 'pre', 'span', 'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr'];
  // biome-ignore format: lists of words
  const plain = ['aria-label', 'class', 'data-code', 'data-language', 'dir', 'href', 'role', 'tabindex', 'title', 'type'];
  expect(found.tags.filter((tag) => !harmless.includes(tag))).toEqual([]);
  expect(found.attributes.filter((name) => !plain.includes(name))).toEqual([]);
  expect(found.links.filter((href) => !/^https:\/\/evil\.example\/pixel\.png$/.test(href))).toEqual([]);
  expect(found.pressable).toBe(0);
});

test('HTML tags that are not plain formatting are shown as text', async () => {
  const html = await render([
    'Use the <Foo bar={1}> component and press <kbd>Enter</kbd>.\n\n<Widget>\n  <Child />\n</Widget>\n',
  ]);
  expect(html).toContain('&lt;Foo bar={1}&gt;');
  expect(html).toContain('<kbd>Enter</kbd>');
  expect(html).toContain('&lt;Widget&gt;');
});

test('links to workspace files and web pages stay links, also with a line number', async () => {
  const html = await render([
    '[a](src/app.ts) [b](app.ts:12) [c](https://example.com) [d](mailto:x@example.com) [e](/README.md)',
  ]);
  for (const href of ['src/app.ts', 'app.ts:12', 'https://example.com', 'mailto:x@example.com', '/README.md'])
    expect(html).toContain(`href="${href}"`);
});
