import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import * as z from 'zod';
import { type ThemeName, themeCss } from './page-harness/themes.ts';

/*
 * Runs the chat page without the extension in a browser. The page is built as for the extension and has the same content
 * security policy. A host inside the page, which tests control through `window.host`, replaces the extension.
 */

const root = join(import.meta.dirname, '../..');
const nonce = randomBytes(16).toString('base64');

/** Builds the page and the host with the options of the extension's build. Returns the files by name. */
export async function buildPage(): Promise<Map<string, Uint8Array>> {
  const common = {
    bundle: true,
    minify: true,
    write: false,
    target: 'chrome128',
    logLevel: 'warning',
    outdir: '/out',
  } as const;
  const [page, host] = await Promise.all([
    build({
      ...common,
      entryPoints: { page: join(root, 'webview-ui/src/main.tsx') },
      format: 'esm',
      jsx: 'automatic',
      jsxImportSource: 'preact',
      loader: { '.ttf': 'file' },
      assetNames: '[name]',
    }),
    build({ ...common, entryPoints: { host: join(root, 'test/support/page-harness/host.ts') }, format: 'iife' }),
  ]);
  return new Map([...page.outputFiles, ...host.outputFiles].map((file) => [basename(file.path), file.contents]));
}

function html(theme: ThemeName): string {
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>DevLM</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="theme-${theme}.css"><link rel="stylesheet" href="page.css">
<script nonce="${nonce}" src="host.js"></script></head>
<body class="vscode-${theme}"><div id="root"></div><script type="module" nonce="${nonce}" src="page.js"></script></body></html>`;
}

const types: Record<string, string> = { js: 'text/javascript', css: 'text/css', ttf: 'font/ttf' };

/** Options with which Chromium starts. */
export const chromiumOptions = {
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  // biome-ignore format: a list of switches
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};

const SharedPage = z.object({
  /** Address of the WebSocket of the shared Chromium. */
  browser: z.string(),
  /** The files of the built page by name, in base64. */
  files: z.record(z.string(), z.string()),
});
/** The shared browser and the built page. */
export type SharedPage = z.infer<typeof SharedPage>;

/** Returns the browser and the files of `page-global-setup.ts`. Outside a test run, starts and builds its own. */
async function browserAndPage(): Promise<{ browser: Browser; files: Map<string, Uint8Array> }> {
  const keeper = process.env['DEVLM_TEST_PAGE'];
  if (!keeper) return { browser: await chromium.launch(chromiumOptions), files: await buildPage() };
  const response = await fetch(keeper);
  if (!response.ok) throw new Error(await response.text());
  const shared = SharedPage.parse(await response.json());
  const files = Object.entries(shared.files).map(([name, data]) => [name, Buffer.from(data, 'base64')] as const);
  return { browser: await chromium.connect(shared.browser), files: new Map(files) };
}

/** Starts a server for the page on the loopback address, and a browser. */
export async function startPageHarness(): Promise<PageHarness> {
  const { browser, files } = await browserAndPage();
  const extra = new Map<string, string>();
  const server = createServer((request, response) => {
    const name = basename(new URL(request.url ?? '/', 'http://x').pathname);
    const theme = /^theme-(\w+)\.css$/.exec(name)?.[1] as ThemeName | undefined;
    const self = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    response.setHeader('content-type', types[name.split('.').at(-1) ?? ''] ?? 'text/html; charset=utf-8');
    response.setHeader(
      'content-security-policy',
      `default-src 'none'; style-src ${self}; script-src 'nonce-${nonce}'; font-src ${self}; img-src data: blob: ${self}`,
    );
    if (theme) response.end(themeCss(theme));
    else if (files.has(name)) response.end(files.get(name));
    else if (extra.has(name)) response.end(extra.get(name)?.replaceAll('NONCE', nonce));
    else if (name.startsWith('page-')) response.end(html((name.slice(5) || 'dark') as ThemeName));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new PageHarness(browser, `http://127.0.0.1:${(server.address() as AddressInfo).port}`, extra, async () => {
    await browser.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
}

/** Options of `PageHarness.open`. */
export interface OpenOptions {
  readonly theme?: ThemeName;
  readonly width?: number;
  readonly height?: number;
  /** Runs in the page before it reports that it is ready. Fills `window.host`. */
  readonly prepare?: () => void;
}

/** The chat page in a browser, without the extension. */
export class PageHarness implements AsyncDisposable {
  readonly browser: Browser;
  readonly address: string;
  /** Additional documents by name. `NONCE` in them is replaced by the nonce that scripts need. */
  readonly documents: Map<string, string>;
  readonly #dispose: () => Promise<void>;

  constructor(browser: Browser, address: string, documents: Map<string, string>, dispose: () => Promise<void>) {
    this.browser = browser;
    this.address = address;
    this.documents = documents;
    this.#dispose = dispose;
  }

  /** Opens a new page with the chat page. `errors` receives the errors that it writes to the console. */
  async open(options: OpenOptions = {}): Promise<{ page: Page; errors: string[] }> {
    const { theme = 'dark', width = 400, height = 800, prepare } = options;
    const context = await this.browser.newContext({ viewport: { width, height } });
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || /Content.Security.Policy/i.test(message.text())) errors.push(message.text());
    });
    page.on('pageerror', (error) => errors.push(String(error)));
    if (prepare) await page.addInitScript(`window.prepareHost = ${prepare}`);
    await page.goto(`${this.address}/page-${theme}`);
    await page.waitForSelector('.app');
    return { page, errors };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispose();
  }
}
