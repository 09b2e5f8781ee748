import { mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { limits } from '@devlm/protocol/limits.ts';
import * as vscode from 'vscode';
import { hashOf } from '../../../extension/src/workspace/read.ts';
import { workspaceHandlers } from '../../../extension/src/workspace/shared-workspace.ts';
import { listCases, searchCases } from '../../support/workspace-cases.ts';
import { type Bench, check, forever, inFolder, latin, refused, same, textOf, utf16le } from './shared-folder.ts';

/*
 * Tests what the agent can read of a workspace: files, lists and searches, and nothing outside.
 */

inFolder('nothing outside the workspace is read or changed', async (bench) => {
  const outside = await mkdtemp(join(tmpdir(), 'devlm-outside-'));
  try {
    await writeFile(join(outside, 'secret.txt'), 'secret\n');
    await symlink(join(outside, 'secret.txt'), bench.path('link.txt'));
    await symlink(outside, bench.path('linked'));
    await symlink(join(outside, 'not-yet.txt'), bench.path('dangling.txt'));
    await symlink(bench.path('loop'), bench.path('loop'));
    const escapes = [
      'link.txt',
      'linked/secret.txt',
      'linked/new/deep.txt',
      'dangling.txt',
      'loop',
      '../x',
      'a/../../x',
      '/etc/hostname',
      'C:\\Windows\\win.ini',
      '\\\\server\\share',
      'linked',
    ];
    for (const path of escapes) {
      await refused(bench.read(path), 'outside_workspace');
      await refused(bench.apply({ path, base: null, text: 'x' }), 'outside_workspace');
      await refused(bench.apply({ path, base: hashOf('secret\n'), text: null }), 'outside_workspace');
      await refused(
        bench.handlers.list({ id: 'l', kind: 'list', path, depth: 1, limit: 10 }, forever),
        'outside_workspace',
      );
    }
    await refused(bench.read('a\0b'), 'invalid_path');
    same(await readdir(outside), ['secret.txt']);
    const { matches } = await bench.handlers.search(
      { id: 's', kind: 'search', pattern: 'secret', isRegex: false, caseSensitive: true, include: [], limit: 10 },
      forever,
    );
    same(matches, []);
  } finally {
    await rm(outside, { recursive: true });
  }
});

inFolder('a symbolic link inside the workspace stands for its target', async (bench) => {
  await bench.write('real.txt', 'real\n');
  await symlink('real.txt', bench.path('link.txt'));
  same((await textOf(bench, 'link.txt')).text, 'real\n');
  await refused(bench.apply({ path: 'link.txt', base: hashOf('real\n'), text: null }), 'file_is_link');
  await bench.apply({ path: 'link.txt', base: hashOf('real\n'), text: 'changed\n' });
  same(await bench.bytes('real.txt'), 'changed\n');
  check((await stat(bench.path('link.txt'))).isFile(), 'the link is broken');
  const twice = bench.apply(
    { path: 'link.txt', base: hashOf('changed\n'), text: '1' },
    { path: 'real.txt', base: hashOf('changed\n'), text: '2' },
  );
  await refused(twice, 'invalid_request');
});

inFolder('files that are not text are reported as such', async (bench) => {
  const png = Buffer.from('89504e470d0a1a0a0000000d4948445200000001', 'hex');
  await bench.write('a.png', png);
  same(await bench.read('a.png'), { kind: 'image', mediaType: 'image/png', data: png.toString('base64') });
  await bench.write('binary', Buffer.from([1, 2, 0, 3]));
  await bench.write('not-utf8.txt', latin('caf\xe9'));
  await bench.write('utf16-without-mark.txt', Buffer.from('hello', 'utf16le'));
  await bench.write('huge.txt', 'x'.repeat(limits.fileBytes + 1));
  for (const name of ['binary', 'not-utf8.txt', 'utf16-without-mark.txt', 'huge.txt']) {
    const file = await bench.read(name);
    check(file.kind === 'unreadable' && file.reason !== '', `${name} is ${file.kind}`);
    const { conflicts } = await bench.apply({ path: name, base: hashOf('x'), text: 'x' });
    same(conflicts.length, 1);
  }
  same(await bench.read('.'), { kind: 'folder' });
  same(await bench.read('nothing/here'), { kind: 'missing' });
  same(await bench.read('binary/below'), { kind: 'missing' });
});

async function project(bench: Bench): Promise<void> {
  await bench.write('.gitignore', 'ignored/\n*.log\n!keep.log\n');
  await bench.write('ignored/hit.ts', 'needle\n');
  await bench.write('src/a.ts', 'x\r\nconst Needle = 1;\r\n');
  await bench.write('src/b.js', 'needle\n');
  await bench.write('src/.hidden.ts', 'needle needle\n');
  await bench.write('src/noise.log', 'needle\n');
  await bench.write('src/keep.log', 'needle\n');
  await bench.write('.git/config', 'needle\n');
  await bench.write('node_modules/x/i.ts', 'needle\n');
  await bench.write('src/utf16.ts', utf16le('needle\n'));
}

inFolder('files are listed level by level, without ignored files', async (bench) => {
  await project(bench);
  const list = (path: string, depth: number, limit = 100) =>
    bench.handlers.list({ id: 'l', kind: 'list', path, depth, limit }, forever);
  const { entries, truncated } = await list('.', 2);
  const paths = entries.map(({ path, kind }) => (kind === 'folder' ? `${path}/` : path));
  same(paths, [
    '.gitignore',
    'node_modules/',
    'src/',
    'node_modules/x/',
    'src/.hidden.ts',
    'src/a.ts',
    'src/b.js',
    'src/keep.log',
    'src/utf16.ts',
  ]);
  same(truncated, false);
  same(entries.find(({ path }) => path === 'src/b.js')?.bytes, 7);
  same((await list('src', 1)).entries.length, 5);
  const few = await list('.', 2, 3);
  same([few.entries.length, few.truncated], [3, true]);
  same(
    (await list('ignored', 1)).entries.map(({ path }) => path),
    ['ignored/hit.ts'],
  );
  await refused(list('src/a.ts', 1), 'not_found');
});

for (const { name, files, links = {}, path = '.', listed } of listCases) {
  inFolder(`in a list, ${name}`, async (bench) => {
    for (const [file, content] of Object.entries(files)) await bench.write(file, content);
    for (const [link, target] of Object.entries(links)) await symlink(target, bench.path(link));
    const { entries } = await bench.handlers.list({ id: 'l', kind: 'list', path, depth: 20, limit: 1000 }, forever);
    same(
      entries.map((entry) => entry.path),
      listed,
    );
  });
}

for (const own of [false, true]) {
  for (const { name, files, pattern, isRegex = false, include = [], found } of searchCases) {
    inFolder(`a search finds ${name} (${own ? 'our own search' : "the editor's ripgrep"})`, async (bench) => {
      for (const [file, content] of Object.entries(files)) await bench.write(file, latin(content));
      const handlers = workspaceHandlers({
        folders: () => [{ name: 'root', uri: vscode.Uri.file(bench.root) }],
        trusted: () => true,
        ...(own ? { appRoot: bench.root } : {}),
      });
      const asked = { pattern, isRegex, caseSensitive: true, include: [...include], limit: 100 };
      const { matches } = await handlers.search({ id: 's', kind: 'search', ...asked }, forever);
      same(
        matches.map(({ path, line, text }) => `${path}:${line}:${text}`),
        found,
      );
    });
  }

  inFolder(
    `text is found in files that are not ignored (${own ? 'the built-in search' : "the editor's ripgrep"})`,
    async (bench) => {
      await project(bench);
      const handlers = workspaceHandlers({
        folders: () => [{ name: 'root', uri: vscode.Uri.file(bench.root) }],
        trusted: () => true,
        ...(own ? { appRoot: bench.root } : {}),
      });
      const search = async (
        pattern: string,
        more: { isRegex?: boolean; caseSensitive?: boolean; include?: string[]; limit?: number } = {},
      ) =>
        await handlers.search(
          { id: 's', kind: 'search', pattern, isRegex: false, caseSensitive: false, include: [], limit: 100, ...more },
          forever,
        );
      const found = async (...args: Parameters<typeof search>) =>
        (await search(...args)).matches.map(({ path, line, text }) => `${path}:${line}:${text}`);
      same(await found('needle'), [
        'src/.hidden.ts:1:needle needle',
        'src/a.ts:2:const Needle = 1;',
        'src/b.js:1:needle',
        'src/keep.log:1:needle',
        'src/utf16.ts:1:needle',
      ]);
      same(await found('needle', { caseSensitive: true, include: ['**/*.js'] }), ['src/b.js:1:needle']);
      same(await found('needle', { include: ['*.{js,log}'] }), ['src/b.js:1:needle', 'src/keep.log:1:needle']);
      same(await found('needle', { include: ['./src/', '!*.log', '!.hidden*'] }), [
        'src/a.ts:2:const Needle = 1;',
        'src/b.js:1:needle',
        'src/utf16.ts:1:needle',
      ]);
      same(await found('needle', { include: ['*.log'] }), ['src/keep.log:1:needle']);
      same(await found('^const\\s+(\\w+) = 1;$', { isRegex: true }), ['src/a.ts:2:const Needle = 1;']);
      same(await found('const Needle = 1;\r\n', {}), ['src/a.ts:2:const Needle = 1;']);
      same(await found('--files'), []);
      const few = await search('needle', { limit: 2 });
      same([few.matches.length, few.truncated], [2, true]);
      await refused(search('(', { isRegex: true }), 'invalid_pattern');
      same(await found('('), []);
    },
  );
}

inFolder('the folders of a multi-root workspace are distinguished by name', async (bench) => {
  await bench.write('repo/.gitignore', '/one/dist/\n*.tmp\n');
  await bench.write('repo/.git/HEAD', '');
  await bench.write('repo/one/a.txt', 'needle\n');
  await bench.write('repo/one/dist/b.txt', 'needle\n');
  await bench.write('repo/one/c.tmp', 'needle\n');
  await bench.write('two/a.txt', 'needle\n');
  await symlink(bench.path('two/a.txt'), bench.path('repo/one/link.txt'));
  const folders = [
    { name: 'one', uri: bench.uri('repo/one') },
    { name: 'two', uri: bench.uri('two') },
  ];
  const { list, read, apply, search } = workspaceHandlers({ folders: () => folders, trusted: () => true });
  const { entries } = await list({ id: 'l', kind: 'list', path: '.', depth: 2, limit: 100 }, forever);
  same(
    entries.map(({ path }) => path),
    ['one', 'one/a.txt', 'one/link.txt', 'two', 'two/a.txt'],
  );
  const asked = { pattern: 'needle', isRegex: false, caseSensitive: true, include: [], limit: 10 };
  const { matches } = await search({ id: 's', kind: 'search', ...asked }, forever);
  same(
    matches.map(({ path }) => path),
    ['one/a.txt', 'two/a.txt'],
  );
  same(await read({ id: 'r', kind: 'read', path: '.' }, forever), { kind: 'folder' });
  await refused(read({ id: 'r', kind: 'read', path: 'a.txt' }, forever), 'outside_workspace');
  await refused(read({ id: 'r', kind: 'read', path: 'one/../two/a.txt' }, forever), 'outside_workspace');
  const changes = [{ path: 'one/link.txt', base: hashOf('needle\n'), text: 'found\n' }];
  await apply({ id: 'a', kind: 'apply', changes }, forever);
  same(await bench.bytes('two/a.txt'), 'found\n');
});
