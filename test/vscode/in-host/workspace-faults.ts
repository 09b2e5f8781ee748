import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EditorChange } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import { hashOf } from '../../../extension/src/workspace/read.ts';
import { Requests } from '../../../extension/src/workspace/requests.ts';
import { workspaceHandlers } from '../../../extension/src/workspace/shared-workspace.ts';
import { test } from '../../support/vscode/harness.ts';
import { check, eventually, forever, inFolder, refused, same, textOf } from './shared-folder.ts';
import { VirtualFiles } from './virtual-files.ts';

/*
 * Tests changes that are not allowed or fail: nothing is changed.
 */

inFolder('a change of several files is applied to all of them or none', async (bench) => {
  await bench.write('a.txt', 'a\n');
  await bench.write('b.txt', 'b\n');
  const { conflicts, files } = await bench.apply(
    { path: 'a.txt', base: hashOf('a\n'), text: 'A\n' },
    { path: 'b.txt', base: hashOf('other\n'), text: 'B\n' },
    { path: 'c.txt', base: null, text: 'C\n' },
  );
  same(
    conflicts.map(({ path }) => path),
    ['b.txt'],
  );
  same(files, []);
  same(await bench.bytes('a.txt'), 'a\n');
  same((await readdir(bench.root)).sort(), ['a.txt', 'b.txt']);
  await refused(
    bench.apply({ path: 'a.txt', base: hashOf('a\n'), text: 'A' }, { path: './a.txt', base: hashOf('a\n'), text: 'B' }),
    'invalid_request',
  );
});

inFolder('an open document that lags behind the disk is not used as the base of a change', async (bench) => {
  await bench.write('a.txt', 'one\n');
  const document = await vscode.workspace.openTextDocument(bench.uri('a.txt'));
  await vscode.window.showTextDocument(document);
  const file = await textOf(bench, 'a.txt');
  await bench.write('a.txt', 'two\n');
  const { conflicts } = await bench.apply({ path: 'a.txt', base: file.hash, text: 'three\n' });
  same(
    conflicts.map(({ file }) => file.kind === 'text' && file.text),
    ['two\n'],
  );
  same(await bench.bytes('a.txt'), 'two\n');
  await bench.write('a.txt', 'four\n');
  await bench.apply({ path: 'a.txt', base: hashOf('four\n'), text: 'five\n' });
  same(await bench.bytes('a.txt'), 'five\n');
  await eventually('the editor shows it', () => document.getText() === 'five\n');
});

inFolder('a change of a read-only file is refused, and no other file changes', async (bench) => {
  await bench.write('free.txt', 'free\n');
  await bench.write('locked.txt', 'locked\n');
  await chmod(bench.path('locked.txt'), 0o444);
  const free = { path: 'free.txt', base: hashOf('free\n'), text: 'changed\n' };
  for (const text of ['changed\n', null]) {
    await refused(bench.apply(free, { path: 'locked.txt', base: hashOf('locked\n'), text }), 'file_read_only');
  }
  await mkdir(bench.path('shut'), { mode: 0o555 });
  await refused(bench.apply(free, { path: 'shut/new.txt', base: null, text: 'x' }), 'file_read_only');
  same([await bench.bytes('free.txt'), await bench.bytes('locked.txt')], ['free\n', 'locked\n']);
});

inFolder('a change that is requested twice is applied once', async (bench) => {
  await bench.write('a.txt', '1\n');
  const answers: unknown[] = [];
  const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
  const requests = new Requests({
    handlers: bench.handlers,
    log,
    send: async (id, answer) => void answers.push([id, answer]),
  });
  const ask = { id: randomUUID(), kind: 'apply', changes: [{ path: 'a.txt', base: hashOf('1\n'), text: '1\n2\n' }] };
  await Promise.all([requests.take(ask), requests.take(ask)]);
  same(answers.length, 1);
  await requests.take(ask);
  same(answers.length, 2);
  same(answers[1], answers[0]);
  same(await bench.bytes('a.txt'), '1\n2\n');
  requests.dispose();
});

inFolder(
  'an untrusted folder is read and not changed',
  async (bench) => {
    await bench.write('a.txt', 'a\n');
    same((await textOf(bench, 'a.txt')).text, 'a\n');
    await refused(bench.apply({ path: 'a.txt', base: hashOf('a\n'), text: 'b\n' }), 'workspace_restricted');
    same(await bench.bytes('a.txt'), 'a\n');
  },
  { trusted: false },
);

inFolder('content that others write during a change is kept', async (bench) => {
  await bench.write('a.txt', 'a\n');
  const document = await vscode.workspace.openTextDocument(bench.uri('a.txt'));
  // At the moment when the document has the new text and is about to be saved.
  const listener = vscode.workspace.onWillSaveTextDocument((event) => {
    if (event.document === document) event.waitUntil(bench.write('a.txt', 'theirs\n').then(() => sleep(50)));
  });
  try {
    await refused(bench.apply({ path: 'a.txt', base: hashOf('a\n'), text: 'ours\n' }), 'not_applied');
  } finally {
    listener.dispose();
  }
  same(await bench.bytes('a.txt'), 'theirs\n');
  same([document.getText(), document.isDirty], ['theirs\n', false]);
});

test('a change that fails half-way in a virtual workspace is undone', async () => {
  const scheme = 'devlm-virtual';
  const virtual = new VirtualFiles();
  const provider = vscode.workspace.registerFileSystemProvider(scheme, virtual, { isCaseSensitive: true });
  const root = vscode.Uri.from({ scheme, path: '/work' });
  const handlers = workspaceHandlers({ folders: () => [{ name: 'work', uri: root }], trusted: () => true });
  const contents = () =>
    Object.fromEntries(
      [...virtual.files].map(([path, bytes]) => [path.slice('/work/'.length), Buffer.from(bytes).toString('latin1')]),
    );
  const apply = async (...changes: EditorChange[]) =>
    await handlers.apply({ id: 'a', kind: 'apply', changes }, forever);
  const before = { 'a.txt': 'a\r\n', 'bad.txt': 'bad\n', 'gone.txt': 'gone\n', 'mixed.txt': 'm\r\nm\n' };
  const changes = (bad: EditorChange): EditorChange[] => [
    { path: 'made/new.txt', base: null, text: 'new\n' },
    { path: 'gone.txt', base: hashOf('gone\n'), text: null },
    { path: 'mixed.txt', base: hashOf('m\r\nm\n'), text: 'M\r\nm\n' },
    { path: 'a.txt', base: hashOf('a\r\n'), text: 'A\r\n' },
    bad,
  ];
  try {
    await vscode.workspace.getConfiguration('files').update('autoSave', 'off', vscode.ConfigurationTarget.Global);
    for (const [name, text] of Object.entries(before)) virtual.files.set(`/work/${name}`, Buffer.from(text));
    virtual.locked.add('/work/bad.txt').add('/work/bad-new.txt');
    const failing: EditorChange[] = [
      // Fails on save, on write, on deletion, and on creation.
      { path: 'bad.txt', base: hashOf('bad\n'), text: 'good\n' },
      { path: 'bad.txt', base: hashOf('bad\n'), text: 'good\r\n\n' },
      { path: 'bad.txt', base: hashOf('bad\n'), text: null },
      { path: 'bad-new.txt', base: null, text: 'x' },
    ];
    for (const bad of failing) {
      await refused(apply(...changes(bad)), 'not_applied');
      same(Object.fromEntries(Object.entries(contents()).sort()), before);
      for (const [path, text] of Object.entries(before)) {
        const file = await handlers.read({ id: 'r', kind: 'read', path }, forever);
        check(file.kind === 'text' && file.text === text && !file.dirty, `${path} is ${JSON.stringify(file)}`);
      }
    }
    virtual.locked.clear();
    const { files } = await apply(...changes({ path: 'bad.txt', base: hashOf('bad\n'), text: 'good\n' }));
    same(
      files.map(({ hash }) => hash),
      ['new\n', null, 'M\r\nm\n', 'A\r\n', 'good\n'].map((text) => text && hashOf(text)),
    );
    same(contents()['bad.txt'], 'good\n');
    const { entries } = await handlers.list({ id: 'l', kind: 'list', path: '.', depth: 3, limit: 100 }, forever);
    same(
      entries.map(({ path }) => path),
      ['a.txt', 'bad.txt', 'made', 'mixed.txt', 'made/new.txt'],
    );
    const asked = { pattern: 'good', isRegex: false, caseSensitive: true, include: [], limit: 10 };
    const { matches } = await handlers.search({ id: 's', kind: 'search', ...asked }, forever);
    same(matches, [{ path: 'bad.txt', line: 1, text: 'good' }]);
  } finally {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    provider.dispose();
  }
});
