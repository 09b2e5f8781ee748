import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { discoveryFile } from '@devlm/protocol/discovery.ts';
import * as vscode from 'vscode';
import { commands } from '../../../extension/src/commands.ts';
import { Launcher } from '../../../extension/src/connection/launcher.ts';
import { readChosen, readNamed, readSelection } from '../../../extension/src/editor/files.ts';
import { findFiles } from '../../../extension/src/editor/find-files.ts';
import { parseLink } from '../../../extension/src/editor/link.ts';
import { fileUri, isInWorkspace } from '../../../extension/src/editor/workspace-paths.ts';
import type { TestApi } from '../../../extension/src/main.ts';
import { problemsOf } from '../../../extension/src/problems.ts';
import { test } from '../../support/vscode/harness.ts';

/*
 * Runs inside the real extension host, in VS Code for the browser and for the desktop. It needs an open folder, and an
 * empty DEVLM_DATA_DIR in the environment.
 */

function extension(): vscode.Extension<TestApi | undefined> {
  const found = vscode.extensions.getExtension<TestApi | undefined>('devlm.devlm');
  if (!found) throw new Error('the extension is not there');
  return found;
}

async function api(): Promise<TestApi> {
  const exported = await extension().activate();
  if (!exported) throw new Error('the extension runs in production mode');
  return exported;
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

function same(actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  check(a === b, `expected ${b}, got ${a}`);
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  for (const until = performance.now() + timeoutMs; performance.now() < until; await sleep(20)) {
    if (await holds()) return;
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`);
}

const dataDir = process.env['DEVLM_DATA_DIR'] ?? '';
const discovery = join(dataDir, discoveryFile);

test('activation only registers contributions', async () => {
  check(dataDir !== '', 'DEVLM_DATA_DIR is not set');
  const { activateMs, loaded, serverState } = await api();
  check(!loaded(), 'the heavy half was loaded');
  same(serverState(), { state: 'idle' });
  await sleep(300);
  check(!existsSync(discovery), 'a server was started');
  check(!existsSync(dataDir), 'the data folder was made');
  // bench/activation.ts measures the time; this bound is loose, so that a busy machine does not fail it.
  check(activateMs <= 150, `activate took ${activateMs} ms`);
  return { activate_ms: activateMs };
});

test('every command is registered', async () => {
  const registered = new Set(await vscode.commands.getCommands(true));
  same(
    commands.filter(({ id }) => !registered.has(id)).map(({ id }) => id),
    [],
  );
});

test('settings have their defaults, and workspace settings cannot redirect the API key', async () => {
  const configuration = vscode.workspace.getConfiguration('devlm');
  same(configuration.inspect('baseUrl')?.defaultValue, '');
  same(configuration.inspect('enterSends')?.defaultValue, true);
  for (const name of ['baseUrl', 'dataDir']) {
    const refused = await configuration.update(name, 'http://127.0.0.1:1', vscode.ConfigurationTarget.Workspace).then(
      () => false,
      () => true,
    );
    check(refused, `devlm.${name} can be set by a folder`);
  }
});

test('the server starts on first use, with its own data folder', async () => {
  const { ready, serverState } = await api();
  const started = performance.now();
  const info = await ready();
  const ms = performance.now() - started;
  same(info.mode, 'embedded');
  same(info.version, extension().packageJSON.version);
  await eventually('ready', () => serverState().state === 'ready');
  if (process.platform !== 'win32') {
    same((await stat(discovery)).mode & 0o777, 0o600);
    same((await stat(dataDir)).mode & 0o777, 0o700);
  }
  return { first_use_ms: ms };
});

test('a second window uses the same server', async () => {
  const { ready } = await api();
  const { pid } = await ready();
  const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
  const launcher = new Launcher({
    dataDir,
    bundle: join(extension().extensionPath, 'dist/server.mjs'),
    version: String(extension().packageJSON.version),
    log,
    problems: problemsOf((text) => text),
  });
  const second = await launcher.connect(AbortSignal.timeout(10_000));
  same(second.discovery.pid, pid);
});

test('the chat view loads', async () => {
  const { pageMessages } = await api();
  await vscode.commands.executeCommand('devlm.openChat');
  await eventually('the page says ready', () => pageMessages().includes('ready'));
});

test('the chat view loads again after it was hidden', async () => {
  const { pageMessages } = await api();
  const count = () => pageMessages().filter((kind) => kind === 'ready').length;
  const before = count();
  await vscode.commands.executeCommand('workbench.view.explorer');
  await sleep(300);
  const started = performance.now();
  await vscode.commands.executeCommand('devlm.chat.focus');
  const focused = performance.now();
  await eventually('the page says ready again', () => count() > before);
  return { focus_ms: focused - started, shown_ms: performance.now() - started };
});

test('an API key is stored, sent to the server, and removed from both', async () => {
  const { setKey, hasKey, ready, serverState } = await api();
  await setKey(null);
  await eventually('no key', async () => (await ready()).key === 'missing');
  await setKey('sk-ant-test-0123456789');
  check(await hasKey(), 'the key was not stored');
  await eventually('key set', async () => (await ready()).key === 'set');
  await eventually('key shown as set', () => serverState().key === 'set');
  await setKey(null);
  check(!(await hasKey()), 'the key is still stored');
  await eventually('key gone', async () => (await ready()).key === 'missing');
});

test('a killed server is replaced, and receives the API key again', async () => {
  const { ready, serverState, setKey } = await api();
  await setKey('sk-ant-test-0123456789');
  const before = await ready();
  await eventually('key set', async () => (await ready()).key === 'set');
  process.kill(before.pid, 'SIGKILL');
  const started = performance.now();
  await eventually('noticed', () => serverState().state !== 'ready', 5000);
  await eventually('ready again', () => serverState().state === 'ready');
  const after = await ready();
  check(after.pid !== before.pid, 'it is the same process');
  same(after.key, 'set');
  await setKey(null);
  return { recovered_ms: performance.now() - started };
});

test('the restart command ends the server and starts another', async () => {
  const { ready } = await api();
  const before = await ready();
  await vscode.commands.executeCommand('devlm.restartServer');
  const after = await ready();
  check(after.pid !== before.pid, 'it is the same process');
});

test('files of the workspace are found, ranked and read', async () => {
  const all = await findFiles('');
  const paths = all.length > 0 ? all : await findFiles('a');
  const [path = ''] = paths;
  check(path !== '', 'no file was found');
  const name = path.split('/').at(-1) ?? '';
  check((await findFiles(name)).includes(path), `${name} does not find ${path}`);
  const { attachments, problems } = await readNamed([path, 'there/is/no-such-file']);
  same(attachments.length, 1);
  same(problems.length, 1);
  const [attachment] = attachments;
  check(attachment?.kind === 'file' && attachment.path === path, 'it is another file');
  check(attachment.untrusted === undefined, 'a file of the workspace is marked as untrusted');
});

test('attachments from outside the workspace are marked as untrusted', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'devlm-outside-'));
  try {
    const path = join(folder, 'notes.txt');
    await writeFile(path, 'Somebody else wrote this.');
    const { attachments } = await readChosen([vscode.Uri.file(path)]);
    const [attachment] = attachments;
    check(attachment?.kind === 'file', 'it is not attached');
    check(attachment.untrusted?.kind === 'outside', 'it is not marked');
    check(attachment.untrusted.name.endsWith('notes.txt'), attachment.untrusted.name);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('files outside the workspace are recognized', async () => {
  for (const outside of ['../outside.txt', '/etc/hostname', 'file:///etc/hostname', 'a/../../outside.txt']) {
    const uri = fileUri(outside);
    check(uri !== undefined && !(await isInWorkspace(uri)), `${outside} counts as inside`);
  }
  for (const none of ['command:workbench.action.quit', 'https://example.org/a', 'untitled:x']) {
    check(fileUri(none) === undefined, `${none} counts as a file`);
  }
  same(parseLink('command:workbench.action.quit'), null);
});

test('the selection of the active editor is read with its line numbers', async () => {
  const document = await vscode.workspace.openTextDocument({ content: 'one\ntwo\nthree\n', language: 'plaintext' });
  const editor = await vscode.window.showTextDocument(document);
  same(readSelection(), { attachments: [], problems: [] });
  editor.selection = new vscode.Selection(1, 0, 2, 0);
  const [attachment] = readSelection().attachments;
  check(attachment?.kind === 'selection', 'no selection was read');
  same([attachment.text, attachment.startLine, attachment.endLine, attachment.language], ['two\n', 2, 2, 'plaintext']);
  await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
});
