import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type FrameLocator, type Page } from 'playwright-core';
import { root } from '../../../scripts/build.ts';
import { findChromium } from '../../../scripts/machine.ts';
import { type EditorAge, installEditor } from '../../../scripts/vscode-install.ts';
import { endCompanion, personalVariables, startVscodeServer } from '../../../scripts/vscode-server.ts';
import { HostResults } from './harness.ts';

/** Another extension, which runs tests inside the extension host. */
export const neighbour = join(root, 'test/support/vscode/neighbour');

const themes = {
  dark: 'Default Dark Modern',
  light: 'Default Light Modern',
  'high-contrast': 'Default High Contrast',
  'high-contrast-light': 'Default High Contrast Light',
} as const;

/** Options of `openVscode`. */
export interface VscodeOptions {
  /** Absolute path of the folder to open. */
  readonly workspace: string;
  /** Folder of the extension under development. Default: this repository, which has to be built. */
  readonly extension?: string;
  /** Folders of other extensions. */
  readonly extensions?: readonly string[];
  readonly age?: EditorAge;
  readonly theme?: keyof typeof themes;
  /** Machine settings, in addition to a few that keep the editor quiet. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Environment of the extension host and the companion server. Claude's variables are not inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** Data folder of the companion server. Default: a new one. A given folder is not removed. */
  readonly dataDir?: string;
  readonly askTrust?: boolean;
  readonly viewport?: { readonly width: number; readonly height: number };
}

/** A window of a running VS Code. */
export interface VscodeWindow {
  readonly page: Page;
  /** The chat page inside DevLM's view. */
  chatFrame(): FrameLocator;
  /** Runs a command by its full title, as a user does in the Command Palette. */
  runCommand(title: string): Promise<void>;
  reload(): Promise<void>;
  /** Writes `test-results/screenshots/NAME.png`. */
  screenshot(name: string): Promise<void>;
}

/** A running VS Code with its first window. */
export interface Vscode extends VscodeWindow, AsyncDisposable {
  readonly dataDir: string;
  /** Opens another window on the same folder. */
  secondWindow(): Promise<VscodeWindow>;
}

/** Opens a real VS Code with its own profile in Chromium, and waits for its workbench. */
export async function openVscode(options: VscodeOptions): Promise<Vscode> {
  const { context, url, dataDir, dispose } = await start(options);
  try {
    const first = await openWindow(await context.newPage(), url());
    return {
      ...first,
      dataDir,
      secondWindow: async () => openWindow(await context.newPage(), url()),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Runs a bundle that uses `harness.ts` inside the real extension host. Returns the results of its tests. */
export async function runInHost(bundle: string, options: VscodeOptions): Promise<HostResults> {
  const folder = await mkdtemp(join(tmpdir(), 'devlm-host-'));
  const results = join(folder, 'results.json');
  const env = { ...options.env, DEVLM_TEST_RESULTS: results };
  const { context, url, dispose } = await start({ ...options, env });
  try {
    const page = await context.newPage();
    const log: string[] = [];
    const code = await new Promise<number>((resolve, reject) => {
      const hostMs = 180_000;
      setTimeout(
        () => reject(new Error(`The extension host ran for ${hostMs} ms.\n${log.join('\n')}`)),
        hostMs,
      ).unref();
      (async () => {
        await page.exposeFunction('codeAutomationLog', (level: string, args: unknown[]) => {
          log.push(`[${level}] ${args.join(' ')}`);
        });
        await page.exposeFunction('codeAutomationExit', resolve);
        await page.goto(url(bundle));
      })().catch(reject);
    });
    const text = await readFile(results, 'utf8').catch(() => {
      throw new Error(`The tests ended with code ${code} and without results.\n${log.slice(-40).join('\n')}`);
    });
    return HostResults.parse(JSON.parse(text));
  } finally {
    await dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

async function start(options: VscodeOptions) {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('Chromium is not installed. `npm test` says how to get it.');
  const editor = await installEditor(options.age);
  const folder = await mkdtemp(join(tmpdir(), 'devlm-vscode-'));
  const dataDir = options.dataDir ?? join(folder, 'devlm');
  const stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  try {
    stack.defer(() => endCompanion(dataDir));
    const server = stack.use(
      await startVscodeServer({
        editor,
        folder: join(folder, 'vscode'),
        extensions: options.extensions ?? [],
        askTrust: options.askTrust ?? false,
        env: environment({ DEVLM_DATA_DIR: dataDir, ...options.env }),
        settings: {
          'workbench.colorTheme': themes[options.theme ?? 'dark'],
          'workbench.startupEditor': 'none',
          'workbench.tips.enabled': false,
          'extensions.autoCheckUpdates': false,
          'update.mode': 'none',
          // Nothing is drawn where nothing happens.
          'workbench.reduceMotion': 'on',
          'editor.cursorBlinking': 'solid',
          'workbench.secondarySideBar.defaultVisibility': 'hidden',
          'chat.commandCenter.enabled': false,
          ...options.settings,
        },
      }),
    );
    const browser = await chromium.launch({ executablePath, args: chromiumArgs });
    stack.defer(() => browser.close());
    const context: BrowserContext = await browser.newContext({
      viewport: options.viewport ?? { width: 1280, height: 800 },
      reducedMotion: 'reduce',
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    const { workspace, extension = root } = options;
    const url = (tests?: string) => server.url({ workspace, extension, ...(tests ? { tests } : {}) });
    return { context, dataDir, url, dispose: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

const chromiumArgs = [
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function environment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const personal = new Set(personalVariables());
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !personal.has(name))), ...extra };
}

async function openWindow(page: Page, url: string): Promise<VscodeWindow> {
  const ready = () => page.waitForSelector('.monaco-workbench .statusbar-item', { timeout: 60_000 });
  await page.goto(url);
  await ready();
  return {
    page,
    chatFrame: () => page.frameLocator('iframe.webview.ready').frameLocator('#active-frame'),
    async runCommand(title) {
      const input = page.locator('.quick-input-widget input');
      const row = page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first();
      // The commands of a remote extension are registered slightly after the workbench has loaded.
      for (let tries = 15; ; tries--) {
        await page.keyboard.press('F1');
        // Earlier actions of the editor may move the focus away again.
        const search = input.fill(`>${title}`, { timeout: 2000 }).then(() => row.waitFor({ timeout: 2000 }));
        const found = await search.then(
          () => true,
          () => false,
        );
        if (found) break;
        if (tries === 0) throw new Error(`There is no command "${title}".`);
        await page.keyboard.press('Escape');
      }
      await input.press('Enter');
      // The command may ask for input in the same place.
      await page
        .locator('.quick-input-widget input[aria-label^="Type the name of a command"]')
        .waitFor({ state: 'hidden' });
    },
    async reload() {
      await page.reload();
      await ready();
    },
    async screenshot(name) {
      const folder = join(root, 'test-results/screenshots');
      await mkdir(folder, { recursive: true });
      await page.screenshot({ path: join(folder, `${name}.png`) });
    },
  };
}
