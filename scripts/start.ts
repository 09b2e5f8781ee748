import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { build, root } from './build.ts';
import { startDemo } from './demo/scenarios.ts';
import { onPath } from './machine.ts';
import { installEditor, testFolder } from './vscode-install.ts';
import { endCompanion, startVscodeServer } from './vscode-server.ts';

const sample = join(root, 'samples/todo');

const usage = `npm start [-- [OPTIONS] [FOLDER]]

Builds DevLM and opens VS Code with it on FOLDER (default: samples/todo): the desktop "code" when
it is on the PATH, otherwise a VS Code for the browser. A window on the sample trusts whatever is
opened in it there: start again for another folder.

  --demo       answers are scripted, not AI; needs no API key
  --browser    use the VS Code for the browser even when there is a desktop one
  --port N     port of the VS Code for the browser, or of the server with --server
  --server     run only the companion server, in the foreground
  --help       show this

ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL are passed on. Data is kept in .vscode-test/, apart from
that of an installed DevLM.`;

type Environment = Record<string, string>;

/** Aborts on Ctrl-C or a request to end. */
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
const stopped = once(stop.signal, 'abort').then(() => undefined);

try {
  await main();
} catch (error) {
  // esbuild has already printed its own errors.
  const wasPrinted = error instanceof Error && 'errors' in error;
  if (!wasPrinted && !stop.signal.aborted) console.error(error instanceof Error ? error.message : error);
  process.exitCode = stop.signal.aborted ? 0 : 1;
}

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  if (values.help) {
    console.log(usage);
    return;
  }
  const port = values.port === undefined ? undefined : portOf(values.port);
  const workspace = resolve(process.env['INIT_CWD'] ?? '.', positionals[0] ?? sample);
  if (!(await isFolder(workspace))) throw new Error(`There is no folder ${workspace}.`);

  console.log('Building ...');
  await build();
  await using demo = (values.demo ?? (await wantsDemo())) ? await startDemo() : null;
  const dataDir = process.env['DEVLM_DATA_DIR'] ?? join(testFolder, demo ? 'data-demo' : 'data');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const env: Environment = { DEVLM_DATA_DIR: dataDir };
  if (demo) {
    console.log('DEMO: the answers are scripted, not AI.');
    // The stand-in accepts any key; the user's own key must not reach it.
    const key = `demo-${randomBytes(12).toString('hex')}`;
    Object.assign(env, { ANTHROPIC_BASE_URL: demo.url, ANTHROPIC_API_KEY: key, DEVLM_DEMO: '1' });
  }

  if (values.server) return runServer(env, port);
  await using _companion = { [Symbol.asyncDispose]: () => endCompanion(dataDir) };
  // In a remote window `code` is a different program, which cannot load an extension from a folder.
  const code = values.browser || process.env['VSCODE_IPC_HOOK_CLI'] ? null : onPath('code');
  if (code) await openDesktop(code, workspace, env);
  else await openBrowser(workspace, env, port);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        demo: { type: 'boolean' },
        browser: { type: 'boolean' },
        server: { type: 'boolean' },
        port: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Error(`--port takes a number from 1 to 65535, not "${text}".`);
}

/** Asks whether to run the demo if there is no key. Without a terminal it prints how to run it and returns false. */
async function wantsDemo(): Promise<boolean> {
  if (process.env['ANTHROPIC_API_KEY']) return false;
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    console.log(
      'ANTHROPIC_API_KEY is not set: add a key in the editor, or see a scripted demo with "npm start -- --demo".',
    );
    return false;
  }
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  lines.on('SIGINT', () => stop.abort());
  try {
    const question =
      'ANTHROPIC_API_KEY is not set. Show the scripted demo (no AI, no key)? Otherwise add a key in the editor. [Y/n] ';
    return !/^n/i.test((await lines.question(question, { signal: stop.signal })).trim());
  } finally {
    lines.close();
  }
}

async function runServer(env: Environment, port: number | undefined): Promise<void> {
  const args = [join(root, 'dist/server.mjs'), 'serve', '--embedded', ...(port ? ['--port', String(port)] : [])];
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: 'inherit' });
  await untilEnd(child);
}

async function openDesktop(code: string, workspace: string, env: Environment): Promise<void> {
  console.log(`Opening ${workspace} in VS Code. Ctrl-C here, or closing its window, ends it.`);
  const args = ['--wait', '--new-window', `--extensionDevelopmentPath=${root}`, workspace];
  const shell = process.platform === 'win32';
  const child = spawn(shell ? `"${code}"` : code, shell ? args.map((text) => `"${text}"`) : args, {
    env: { ...process.env, ...env },
    stdio: 'inherit',
    shell,
  });
  await untilEnd(child);
}

async function openBrowser(workspace: string, env: Environment, port: number | undefined): Promise<void> {
  const editor = await installEditor();
  await using server = await startVscodeServer({
    editor,
    folder: join(testFolder, 'vscode'),
    // Only the sample, which is part of this repository, is trusted without asking.
    askTrust: workspace !== sample,
    env: { ...process.env, ...env, DEVLM_SHOW_CHAT: '1' },
    settings: {
      'workbench.startupEditor': 'none',
      'extensions.autoCheckUpdates': false,
      // VS Code's own chat would occupy that place.
      'workbench.secondarySideBar.defaultVisibility': 'hidden',
    },
    ...(port ? { port } : {}),
  });
  console.log(`\nVS Code with DevLM is at\n\n  ${server.url({ workspace })}\n\nCtrl-C ends it.`);
  await Promise.race([server.ended, stopped]);
  if (!stop.signal.aborted) throw new Error('The VS Code server ended by itself.');
  console.log('Ending ...');
}

/** Waits for a program to end, and ends it when this process is asked to end. */
async function untilEnd(child: ChildProcess): Promise<void> {
  stop.signal.addEventListener('abort', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  process.exitCode = stop.signal.aborted ? 0 : (code ?? 1);
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
