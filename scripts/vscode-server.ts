import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './build.ts';
import { endTree } from './run.ts';
import type { InstalledEditor } from './vscode-install.ts';

/** Maximum time from the start of the VS Code server to its first response, in milliseconds. */
const startTimeoutMs = 60_000;

/** Options of `startVscodeServer`. */
export interface VscodeServerOptions {
  readonly editor: InstalledEditor;
  /** Folder for the profile and extensions of this server. It is created if missing. */
  readonly folder: string;
  /** Loopback port. Default: a free one. */
  readonly port?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Values for the machine's settings.json. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Folders of other extensions to install. */
  readonly extensions?: readonly string[];
  /** Whether to ask for trust in the workspace, as VS Code does. Default: it is trusted without asking. */
  readonly askTrust?: boolean;
}

/** A running VS Code server. */
export interface VscodeServer extends AsyncDisposable {
  readonly port: number;
  /** Resolves when the server ends by itself. */
  readonly ended: Promise<void>;
  /** Returns the address of a window on the folder, with DevLM loaded from `extension`. */
  url(window: { workspace: string; extension?: string; tests?: string }): string;
}

/**
 * Starts a VS Code server on loopback with a random connection token. Its smoke-test switch makes a released build load
 * an extension from its source folder.
 */
export async function startVscodeServer(options: VscodeServerOptions): Promise<VscodeServer> {
  const { editor, folder } = options;
  const machine = join(folder, 'data/Machine');
  await mkdir(machine, { recursive: true });
  await writeFile(join(machine, 'settings.json'), JSON.stringify(options.settings ?? {}, null, 2));
  for (const extension of options.extensions ?? [])
    await cp(extension, join(folder, 'extensions', basename(extension)), { recursive: true });
  const token = randomBytes(24).toString('base64url');
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, token, { mode: 0o600 });

  const args = [join(editor.folder, 'out/server-main.js'), '--host', '127.0.0.1', '--port', String(options.port ?? 0)];
  args.push('--connection-token-file', tokenFile, '--accept-server-license-terms', '--enable-smoke-test-driver');
  args.push('--server-data-dir', folder, '--extensions-dir', join(folder, 'extensions'));
  args.push('--disable-telemetry', '--telemetry-level', 'off');
  if (!options.askTrust) args.push('--disable-workspace-trust');
  const child = spawn(editor.node, args, {
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
  });
  let output = '';
  let listening = 0;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-20_000);
      listening ||= Number(/agent listening on (\d+)/.exec(output)?.[1] ?? 0);
    });
  }
  const dispose = () => endTree(child);
  const deadline = Date.now() + startTimeoutMs;
  while (!listening || !(await isResponding(`http://127.0.0.1:${listening}/version`))) {
    if (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
      await sleep(50);
      continue;
    }
    await dispose();
    throw new Error(`The VS Code server did not start.\n${output}`);
  }

  const remote = (path: string) =>
    `vscode-remote://remote${path.startsWith('/') ? '' : '/'}${path.replaceAll('\\', '/')}`;
  return {
    port: listening,
    ended,
    url({ workspace, extension = root, tests }) {
      const payload = [['extensionDevelopmentPath', remote(extension)]];
      if (tests) payload.push(['extensionTestsPath', remote(tests)]);
      const query = new URLSearchParams({ tkn: token, folder: workspace, payload: JSON.stringify(payload) });
      return `http://127.0.0.1:${listening}/?${query}`;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** Returns the environment variables that would lead to the real Claude, the user's data, or another editor's internals. */
export function personalVariables(): string[] {
  return Object.keys(process.env).filter((name) => /^(ANTHROPIC|DEVLM|VSCODE|ELECTRON|VITEST)/.test(name));
}

/** Ends the companion server of a data folder, if one is running. Otherwise it would outlive its editor for a while. */
export async function endCompanion(dataDir: string): Promise<void> {
  try {
    const { port, secret, pid } = JSON.parse(await readFile(join(dataDir, 'server.json'), 'utf8'));
    const headers = { authorization: `Bearer ${secret}` };
    const signal = AbortSignal.timeout(2000);
    const info = await fetch(`http://127.0.0.1:${port}/backend/info`, { headers, signal }).then((r) => r.json());
    // The process id may have been reused by another process since the file was written.
    if (info.pid !== pid) return;
    process.kill(pid, 'SIGTERM');
    for (let waited = 0; waited < 5000; waited += 50) {
      process.kill(pid, 0);
      await sleep(50);
    }
    process.kill(pid, 'SIGKILL');
  } catch {
    // No file, no response, or no such process: no server is running.
  }
}

function isResponding(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(2000) }).then(
    (response) => response.ok,
    () => false,
  );
}
