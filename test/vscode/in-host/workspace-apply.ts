import { readdir, readFile } from 'node:fs/promises';
import * as vscode from 'vscode';
import { hashOf } from '../../../extension/src/workspace/read.ts';
import {
  check,
  eventually,
  forever,
  inFolder,
  kinds,
  latin,
  refused,
  same,
  textOf,
  undo,
  utf16le,
} from './shared-folder.ts';

/*
 * Tests how the editor applies changes of the agent: every byte of the file, and undo.
 */

for (const { name, encode, encoding, eol = '\n' } of kinds) {
  inFolder(`a ${name} file is read, changed and undone to the byte`, async (bench) => {
    const before = ['one', 'zwei äöü 🎈', '\tthree ', '', 'end, no newline'].join(eol);
    const after = before.replace('zwei', 'two').replace(`end, no newline`, `end${eol}more`);
    const file = `${name} ü 文.txt`;
    await bench.write(file, encode(before));
    const found = await textOf(bench, file);
    same([found.text, found.encoding, found.dirty], [before, encoding, false]);
    const { conflicts, files } = await bench.apply({ path: file, base: found.hash, text: after });
    same(conflicts, []);
    same(files, [{ path: file, hash: hashOf(after) }]);
    same(await bench.bytes(file), encode(after).toString('latin1'), 'after');
    const document = await vscode.workspace.openTextDocument(bench.uri(file));
    check(!document.isDirty, 'it was not saved');
    await undo(document.uri);
    await document.save();
    same(await bench.bytes(file), encode(before).toString('latin1'), 'after undo');
  });
}

inFolder(
  'a file with the encoding setting windows-1252 keeps its bytes; other characters are refused',
  async (bench) => {
    const settings = vscode.workspace.getConfiguration('files');
    await settings.update('encoding', 'windows1252', vscode.ConfigurationTarget.Global);
    try {
      await bench.write('a.txt', latin('caf\xe9\r\nna\xefve\r\n'));
      const file = await textOf(bench, 'a.txt');
      same([file.text, file.encoding], ['café\r\nnaïve\r\n', 'windows1252']);
      await bench.apply({ path: 'a.txt', base: file.hash, text: 'café\r\nnaïf\r\n' });
      same(await bench.bytes('a.txt'), 'caf\xe9\r\nna\xeff\r\n');
      const now = await textOf(bench, 'a.txt');
      await refused(bench.apply({ path: 'a.txt', base: now.hash, text: 'café → 文\r\n' }), 'not_encodable');
      same(await bench.bytes('a.txt'), 'caf\xe9\r\nna\xeff\r\n');
      await bench.apply(
        { path: 'new.txt', base: null, text: 'é\n' },
        { path: 'utf8.txt', base: null, text: 'é\n', encoding: 'utf8bom' },
      );
      same([await bench.bytes('new.txt'), await bench.bytes('utf8.txt')], ['\xe9\n', '\xef\xbb\xbf\xc3\xa9\n']);
    } finally {
      await settings.update('encoding', undefined, vscode.ConfigurationTarget.Global);
    }
  },
);

for (const open of [false, true]) {
  inFolder(`mixed line endings survive a change (${open ? 'open' : 'not open'})`, async (bench) => {
    const before = 'a\r\nb\nc\rd\r\n\n';
    await bench.write('mixed.txt', before);
    if (open) await vscode.window.showTextDocument(bench.uri('mixed.txt'));
    const file = await textOf(bench, 'mixed.txt');
    same(file.text, before);
    const after = 'a\r\nB\nc\rd\r\n\n';
    const { files } = await bench.apply({ path: 'mixed.txt', base: file.hash, text: after });
    same(files, [{ path: 'mixed.txt', hash: hashOf(after) }]);
    same(await bench.bytes('mixed.txt'), after);
    const document = vscode.workspace.textDocuments.find(({ uri }) => uri.fsPath === bench.path('mixed.txt'));
    if (open) {
      check(document !== undefined, 'it was closed');
      await eventually('the editor shows it', () => document.getText().includes('B'));
      check(!document.isDirty, 'it is dirty');
    }
    same(await bench.bytes('mixed.txt'), after);
    await bench.apply({ path: 'mixed.txt', base: hashOf(after), text: before });
    same(await bench.bytes('mixed.txt'), before);
  });
}

inFolder('line endings are converted as requested', async (bench) => {
  await bench.write('a.txt', 'a\nb\n');
  await bench.apply({ path: 'a.txt', base: hashOf('a\nb\n'), text: 'a\r\nB\r\n' });
  same(await bench.bytes('a.txt'), 'a\r\nB\r\n');
  await bench.apply({ path: 'a.txt', base: hashOf('a\r\nB\r\n'), text: 'a\r\nB\n' });
  same(await bench.bytes('a.txt'), 'a\r\nB\n');
  await bench.write('one.txt', 'one');
  await bench.apply({ path: 'one.txt', base: hashOf('one'), text: 'one\r\n' });
  same(await bench.bytes('one.txt'), 'one\r\n');
});

inFolder('an unsaved document is read and changed, and stays unsaved', async (bench) => {
  await bench.write('a.txt', 'saved\n');
  const document = await vscode.workspace.openTextDocument(bench.uri('a.txt'));
  const editor = await vscode.window.showTextDocument(document);
  await editor.edit((edit) => edit.insert(new vscode.Position(0, 0), 'unsaved '));
  const file = await textOf(bench, 'a.txt');
  same([file.text, file.dirty], ['unsaved saved\n', true]);
  const stale = await bench.apply({ path: 'a.txt', base: hashOf('saved\n'), text: 'x' });
  same(stale.conflicts, [{ path: 'a.txt', file }]);
  const { files } = await bench.apply({ path: 'a.txt', base: file.hash, text: 'unsaved saved\nmore\n' });
  same(files, [{ path: 'a.txt', hash: hashOf('unsaved saved\nmore\n') }]);
  same([document.getText(), document.isDirty], ['unsaved saved\nmore\n', true]);
  same(await bench.bytes('a.txt'), 'saved\n');
  await refused(bench.apply({ path: 'a.txt', base: hashOf(document.getText()), text: null }), 'file_dirty');
  const { matches } = await bench.handlers.search(
    { id: 's', kind: 'search', pattern: 'saved', isRegex: false, caseSensitive: true, include: [], limit: 10 },
    forever,
  );
  same(matches, [{ path: 'a.txt', line: 1, text: 'unsaved saved' }]);
  await vscode.commands.executeCommand('workbench.action.files.revert');
});

inFolder('creations, deletions and edits are applied together and undone together', async (bench) => {
  await bench.write('change.txt', 'one\r\ntwo\r\n');
  await bench.write('remove.txt', utf16le('bye\r\n'));
  const answer = await bench.apply(
    { path: 'new/deep/made.txt', base: null, text: 'made\r\n' },
    { path: 'change.txt', base: hashOf('one\r\ntwo\r\n'), text: 'one\r\n2\r\n' },
    { path: 'remove.txt', base: hashOf('bye\r\n'), text: null },
    { path: 'empty.txt', base: null, text: '' },
  );
  same(answer.conflicts, []);
  same(
    answer.files.map(({ hash }) => hash),
    [hashOf('made\r\n'), hashOf('one\r\n2\r\n'), null, hashOf('')],
  );
  same(await bench.bytes('new/deep/made.txt'), 'made\r\n');
  same(await bench.bytes('change.txt'), 'one\r\n2\r\n');
  same((await readdir(bench.root)).sort(), ['change.txt', 'empty.txt', 'new']);
  await undo(bench.uri('change.txt'));
  const document = await vscode.workspace.openTextDocument(bench.uri('change.txt'));
  await eventually('the removed file is back', () =>
    bench.bytes('remove.txt').then(
      () => true,
      () => false,
    ),
  );
  await document.save();
  same(await bench.bytes('change.txt'), 'one\r\ntwo\r\n');
  same(await bench.bytes('remove.txt'), utf16le('bye\r\n').toString('latin1'));
  same(await readdir(bench.path('new/deep')), []);
});

inFolder('a file of three megabytes is read and changed in one place', async (bench) => {
  const line = 'abcdefghijklmnopqrstuvwxyz 0123456789\n';
  const before = line.repeat(Math.ceil((3 * 1024 * 1024) / line.length));
  const after = `${before.slice(0, 1_500_000)}CHANGED${before.slice(1_500_007)}`;
  await bench.write('big.txt', before);
  const started = performance.now();
  const file = await textOf(bench, 'big.txt');
  const read = performance.now();
  const { files } = await bench.apply({ path: 'big.txt', base: file.hash, text: after });
  const applied = performance.now();
  same(files, [{ path: 'big.txt', hash: hashOf(after) }]);
  check((await readFile(bench.path('big.txt'), 'utf8')) === after, 'it is another text');
  return { read_ms: read - started, apply_ms: applied - read };
});

inFolder('a file that is formatted on save is reported with its formatted content', async (bench) => {
  const settings = vscode.workspace.getConfiguration('files');
  await settings.update('trimTrailingWhitespace', true, vscode.ConfigurationTarget.Global);
  try {
    await bench.write('a.txt', 'a\n');
    const { files } = await bench.apply({ path: 'a.txt', base: hashOf('a\n'), text: 'a  \nb\n' });
    same(await bench.bytes('a.txt'), 'a\nb\n');
    same(files, [{ path: 'a.txt', hash: hashOf('a\nb\n') }]);
  } finally {
    await settings.update('trimTrailingWhitespace', undefined, vscode.ConfigurationTarget.Global);
  }
});

inFolder('a change reports the new diagnostics', async (bench) => {
  // A language without an extension that reports diagnostics.
  const known = vscode.languages.createDiagnosticCollection('devlm-test');
  const problem = (line: number, message: string) =>
    new vscode.Diagnostic(new vscode.Range(line, 0, line, 1), message, vscode.DiagnosticSeverity.Error);
  await bench.write('a.py', 'old\n');
  known.set(bench.uri('a.py'), [problem(0, 'old')]);
  const listener = vscode.workspace.onDidSaveTextDocument(({ uri }) => {
    setTimeout(() => known.set(uri, [problem(1, 'old'), problem(0, 'new')]), 100);
  });
  try {
    const { diagnostics } = await bench.apply({ path: 'a.py', base: hashOf('old\n'), text: 'new\nold\n' });
    same(diagnostics, [{ path: 'a.py', line: 1, severity: 'error', message: 'new', source: null }]);
    const all = await bench.handlers.diagnostics({ id: 'd', kind: 'diagnostics', paths: ['a.py'] }, forever);
    same(all.items.length, 2);
  } finally {
    listener.dispose();
    known.dispose();
  }
});

inFolder('any sequence of changes is undone to the byte', async (bench) => {
  let seed = 11;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const lines = ['', 'one', '\ttwo', 'drei ü', '🎈', '}', 'a longer line with words'];
  const document = (eol: string) => Array.from({ length: random(12) }, () => lines[random(lines.length)]).join(eol);
  for (const { encode, eol = '\n' } of kinds.slice(1, 5)) {
    const name = `${random(1e6)}.txt`;
    const texts = [document(eol)];
    await bench.write(name, encode(texts[0] ?? ''));
    for (let i = 0; i < 3; i++) {
      const before = texts.at(-1) ?? '';
      const parts = before.split(eol);
      parts.splice(random(parts.length), random(3), document(eol));
      const after = parts.join(eol);
      // A single line has no line endings that the editor has to keep.
      if (after === before || !before.includes(eol)) continue;
      await bench.apply({ path: name, base: hashOf(before), text: after });
      same(await bench.bytes(name), encode(after).toString('latin1'));
      texts.push(after);
    }
    const editor = await vscode.window.showTextDocument(bench.uri(name));
    for (let i = texts.length - 2; i >= 0; i--) {
      await vscode.commands.executeCommand('undo');
      await editor.document.save();
      same(await bench.bytes(name), encode(texts[i] ?? '').toString('latin1'), `undo to ${i}`);
    }
  }
});
