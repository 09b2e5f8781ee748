import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EditorAnswerOf, EditorChange, EditorFile } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import { hashOf } from '../../../extension/src/workspace/read.ts';
import { workspaceHandlers } from '../../../extension/src/workspace/shared-workspace.ts';
import { test } from '../../support/vscode/harness.ts';

/*
 * Helpers for tests of the shared workspace: real files, and a separate folder for each test.
 */

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

export function same(actual: unknown, expected: unknown, what = ''): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  check(a === b, `${what} expected ${b?.slice(0, 2000)}, got ${a?.slice(0, 2000)}`);
}

export interface Bench {
  readonly root: string;
  readonly path: (name: string) => string;
  readonly uri: (name: string) => vscode.Uri;
  readonly write: (name: string, content: string | Uint8Array) => Promise<void>;
  readonly bytes: (name: string) => Promise<string>;
  readonly read: (path: string) => Promise<EditorFile>;
  readonly apply: (...changes: EditorChange[]) => Promise<EditorAnswerOf<'apply'>>;
  readonly handlers: ReturnType<typeof workspaceHandlers>;
}

export const forever = new AbortController().signal;

let autoSave: Thenable<void> | undefined;

/** Turns off auto save, which is on by default in a browser. */
async function noAutoSave(): Promise<void> {
  autoSave ??= vscode.workspace.getConfiguration('files').update('autoSave', 'off', vscode.ConfigurationTarget.Global);
  await autoSave;
}

/** Defines a test with a separate folder that is shared with the agent. */
export function inFolder(
  name: string,
  body: (bench: Bench) => Promise<unknown>,
  options: { trusted?: boolean } = {},
): void {
  test(name, async () => {
    const root = await mkdtemp(join(tmpdir(), 'devlm-lent-'));
    const { trusted = true } = options;
    const handlers = workspaceHandlers({
      folders: () => [{ name: 'root', uri: vscode.Uri.file(root) }],
      trusted: () => trusted,
    });
    const path = (name: string) => join(root, name);
    await noAutoSave();
    try {
      return await body({
        root,
        path,
        uri: (name) => vscode.Uri.joinPath(vscode.Uri.file(root), name),
        write: async (name, content) => {
          await mkdir(dirname(path(name)), { recursive: true });
          await writeFile(path(name), content);
        },
        bytes: async (name) => (await readFile(path(name))).toString('latin1'),
        read: (path) => handlers.read({ id: 'r', kind: 'read', path }, forever),
        apply: (...changes) => handlers.apply({ id: 'a', kind: 'apply', changes }, forever),
        handlers,
      });
    } finally {
      await vscode.commands.executeCommand('workbench.action.closeAllEditors');
      await rm(root, { recursive: true, force: true });
    }
  });
}

export async function textOf(bench: Bench, path: string): Promise<Extract<EditorFile, { kind: 'text' }>> {
  const file = await bench.read(path);
  check(file.kind === 'text', `${path} is ${JSON.stringify(file).slice(0, 300)}`);
  same(file.hash, hashOf(file.text));
  return file;
}

export async function refused(work: Promise<unknown>, code: string): Promise<void> {
  const outcome = await work.then(
    (value) => `it was done: ${JSON.stringify(value)}`,
    (error: unknown) => (error instanceof ProblemError ? error.problem.code : String(error)),
  );
  same(outcome, code);
}

export async function undo(uri: vscode.Uri): Promise<void> {
  await vscode.window.showTextDocument(uri);
  await vscode.commands.executeCommand('undo');
}

export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const until = performance.now() + 10_000; performance.now() < until; await sleep(20)) if (await holds()) return;
  throw new Error(`not in time: ${what}`);
}

export const utf16le = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le');
const utf16be = (text: string) => utf16le(text).swap16();
export const latin = (text: string) => Buffer.from(text, 'latin1');

/** Files whose bytes outside a change have to stay the same. */
export const kinds: readonly { name: string; encode: (text: string) => Buffer; encoding: string; eol?: string }[] = [
  { name: 'plain', encode: (text) => Buffer.from(text), encoding: 'utf8' },
  { name: 'crlf', encode: (text) => Buffer.from(text), encoding: 'utf8', eol: '\r\n' },
  { name: 'bom', encode: (text) => Buffer.from(`\uFEFF${text}`), encoding: 'utf8bom' },
  { name: 'bom-crlf', encode: (text) => Buffer.from(`\uFEFF${text}`), encoding: 'utf8bom', eol: '\r\n' },
  { name: 'utf16le', encode: utf16le, encoding: 'utf16le' },
  { name: 'utf16be-crlf', encode: utf16be, encoding: 'utf16be', eol: '\r\n' },
];
