import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Workspace } from '../../server/src/workspace/workspace.ts';
import { workspaceAdapters } from '../support/workspace-adapters.ts';
import { listCases, searchCases } from '../support/workspace-cases.ts';
import { pathAttacks } from '../unit/guards/path-attacks.ts';

/*
 * What the agent can rely on in every workspace, whether a window or the server has its files.
 */

const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const refusal = (code: unknown) => expect.objectContaining({ problem: expect.objectContaining({ code }) });
const utf16 = (text: string, mark = '\ufeff') => Buffer.from(mark + text, 'utf16le');
const png = Buffer.from('89504e470d0a1a0a0000', 'hex');

describe.each(workspaceAdapters)('$name', { timeout: 30_000 }, ({ open }) => {
  let base: string;
  let root: string;
  const held: Disposable[] = [];
  let workspace: Workspace;
  const signal = AbortSignal.timeout(600_000);

  const at = (path: string) => join(root, path);
  const put = (path: string, bytes: string | Buffer) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), bytes);
  };
  const bytes = (path: string) => readFileSync(at(path));
  const all = () => readdirSync(root, { recursive: true }).map(String).toSorted();

  beforeEach(async () => {
    base = mkdtempSync(join(tmpdir(), 'devlm-workspace-'));
    root = join(base, 'workspace');
    mkdirSync(root);
    mkdirSync(join(base, 'outside'));
    writeFileSync(join(base, 'outside/secret.txt'), 'secret');
    workspace = await open(root, (one) => held.push(one));
  });
  afterEach(() => {
    for (const one of held.splice(0)) one[Symbol.dispose]();
    expect(readdirSync(base).toSorted()).toEqual(['outside', 'workspace']);
    expect(readdirSync(join(base, 'outside'))).toEqual(['secret.txt']);
    expect(readFileSync(join(base, 'outside/secret.txt'), 'utf8')).toBe('secret');
    rmSync(base, { recursive: true });
  });

  describe('reading', () => {
    const texts: [name: string, bytes: Buffer, encoding: string, text: string][] = [
      ['LF', Buffer.from('a\nb\n'), 'utf8', 'a\nb\n'],
      ['CRLF', Buffer.from('a\r\nb'), 'utf8', 'a\r\nb'],
      ['mixed line ends', Buffer.from('a\r\nb\nc\rd'), 'utf8', 'a\r\nb\nc\rd'],
      ['nothing', Buffer.alloc(0), 'utf8', ''],
      ['other scripts', Buffer.from('grüß 你好 🎉'), 'utf8', 'grüß 你好 🎉'],
      ['a mark', Buffer.from('\ufeffa\r\n'), 'utf8bom', 'a\r\n'],
      ['two marks', Buffer.from('\ufeff\ufeffa'), 'utf8bom', '\ufeffa'],
      ['UTF-16', utf16('ä\r\n🎉'), 'utf16le', 'ä\r\n🎉'],
      ['UTF-16 the other way round', utf16('ä\r\n🎉').swap16(), 'utf16be', 'ä\r\n🎉'],
    ];
    it.each(texts)('a file with %s is read as text', async (_name, stored, encoding, text) => {
      put('a.txt', stored);
      expect(await workspace.read('a.txt', signal)).toEqual({
        kind: 'text',
        text,
        encoding,
        hash: hash(text),
        dirty: false,
      });
    });

    it('a file that is not text is read as its kind', async () => {
      put('pixel.png', png);
      put('program', Buffer.from([0x7f, 0x45, 0, 1]));
      put('latin1.txt', Buffer.from('caf\xe9', 'latin1'));
      put('half.txt', Buffer.from([0xff, 0xfe, 0x00, 0xd8]));
      put('odd.txt', Buffer.from([0xff, 0xfe, 0x41]));
      put('large.txt', 'x'.repeat(limits.fileBytes + 1));
      const read = (path: string) => workspace.read(path, signal);
      expect(await read('pixel.png')).toEqual({ kind: 'image', mediaType: 'image/png', data: png.toString('base64') });
      for (const name of ['program', 'latin1.txt', 'half.txt', 'odd.txt', 'large.txt'])
        expect(await read(name), name).toMatchObject({
          kind: 'unreadable',
          reason: expect.stringMatching(/\w{3}.*\.$/),
        });
      expect(await read('none.txt')).toEqual({ kind: 'missing' });
      expect(await read('no/such/file.txt')).toEqual({ kind: 'missing' });
      mkdirSync(at('folder'));
      expect(await read('folder')).toEqual({ kind: 'folder' });
      expect(await read('.')).toEqual({ kind: 'folder' });
    });
  });

  describe('changes', () => {
    it('changes keep the encoding and the mode of each file', async () => {
      put('crlf.sh', 'a\r\n');
      chmodSync(at('crlf.sh'), 0o755);
      put('mark.txt', '\ufeffa');
      put('wide.txt', utf16('a').swap16());
      put('gone.txt', 'x');
      const answer = await workspace.apply(
        [
          { path: 'crlf.sh', base: hash('a\r\n'), text: 'b\r\nc\n' },
          { path: 'mark.txt', base: hash('a'), text: 'ä' },
          { path: 'wide.txt', base: hash('a'), text: '🎉\r\n' },
          { path: 'gone.txt', base: hash('x'), text: null },
          { path: 'new/deep/file.txt', base: null, text: 'new\n' },
          { path: 'new/wide.txt', base: null, text: 'w', encoding: 'utf16le' },
        ],
        signal,
      );
      expect(answer).toEqual({
        conflicts: [],
        diagnostics: [],
        files: [
          { path: 'crlf.sh', hash: hash('b\r\nc\n') },
          { path: 'mark.txt', hash: hash('ä') },
          { path: 'wide.txt', hash: hash('🎉\r\n') },
          { path: 'gone.txt', hash: null },
          { path: 'new/deep/file.txt', hash: hash('new\n') },
          { path: 'new/wide.txt', hash: hash('w') },
        ],
      });
      expect(bytes('crlf.sh').toString()).toBe('b\r\nc\n');
      expect(statSync(at('crlf.sh')).mode & 0o777).toBe(0o755);
      expect(bytes('mark.txt')).toEqual(Buffer.from('\ufeffä'));
      expect(bytes('wide.txt')).toEqual(utf16('🎉\r\n').swap16());
      expect(bytes('new/wide.txt')).toEqual(utf16('w'));
      expect(all()).toEqual([
        'crlf.sh',
        'mark.txt',
        'new',
        'new/deep',
        'new/deep/file.txt',
        'new/wide.txt',
        'wide.txt',
      ]);
    });

    it.each([
      ['was changed', { path: 'b.txt', base: hash('older'), text: 'y' }, { kind: 'text', text: 'b' }],
      ['is there already', { path: 'b.txt', base: null, text: 'y' }, { kind: 'text', text: 'b' }],
      ['is gone', { path: 'none.txt', base: hash('x'), text: 'y' }, { kind: 'missing' }],
      ['is a folder now', { path: 'folder', base: hash('x'), text: 'y' }, { kind: 'folder' }],
    ])('no file is changed if one %s', async (_name, change, file) => {
      put('a.txt', 'a');
      put('b.txt', 'b');
      mkdirSync(at('folder'));
      const answer = await workspace.apply([{ path: 'a.txt', base: hash('a'), text: 'A' }, change], signal);
      expect(answer).toMatchObject({ conflicts: [{ path: change.path, file }], files: [] });
      expect([bytes('a.txt').toString(), bytes('b.txt').toString()]).toEqual(['a', 'b']);
      expect(all()).toEqual(['a.txt', 'b.txt', 'folder']);
    });

    it.each([
      ['is read-only', { path: 'read-only.txt', base: hash('r'), text: 'y' }, 'file_read_only'],
      ['is read-only and would be deleted', { path: 'read-only.txt', base: hash('r'), text: null }, 'file_read_only'],
      ['cannot be encoded', { path: 'b.txt', base: hash('b'), text: '\ud800' }, 'not_encodable'],
      ['would be another text', { path: 'b.txt', base: hash('b'), text: '\ufeffb' }, 'not_encodable'],
      ['would be binary', { path: 'b.txt', base: hash('b'), text: 'a\0' }, 'not_encodable'],
      ['has no such encoding', { path: 'c.txt', base: null, text: 'c', encoding: 'ebcdic' }, 'not_encodable'],
      ['is too large', { path: 'b.txt', base: hash('b'), text: 'x'.repeat(limits.fileBytes + 1) }, 'file_too_large'],
      ['is named twice', { path: './a.txt', base: hash('a'), text: 'y' }, 'invalid_request'],
      ['is outside', { path: '../outside/secret.txt', base: hash('secret'), text: 'y' }, 'outside_workspace'],
      ['lies below one of the others', { path: 'new.txt/below.txt', base: null, text: 'y' }, 'not_a_file'],
    ])('changes are refused if one file %s', async (_name, change, code) => {
      put('a.txt', 'a');
      chmodSync(at('a.txt'), 0o640);
      put('b.txt', 'b');
      put('gone.txt', 'g');
      chmodSync(at('gone.txt'), 0o700);
      put('read-only.txt', 'r');
      chmodSync(at('read-only.txt'), 0o444);
      const before = all();
      const others = [
        { path: 'a.txt', base: hash('a'), text: 'A' },
        { path: 'gone.txt', base: hash('g'), text: null },
        { path: 'new.txt', base: null, text: 'n' },
        { path: 'folder/new.txt', base: null, text: 'n' },
      ];
      await expect(workspace.apply([...others, change], signal)).rejects.toEqual(refusal(code));
      expect(all()).toEqual(before);
      expect(['a.txt', 'b.txt', 'gone.txt', 'read-only.txt'].map((path) => bytes(path).toString())).toEqual([
        'a',
        'b',
        'g',
        'r',
      ]);
      expect(['a.txt', 'gone.txt'].map((path) => statSync(at(path)).mode & 0o777)).toEqual([0o640, 0o700]);
    });

    it('of two identical simultaneous changes only one is applied', async () => {
      put('a.txt', 'a');
      const answers = await Promise.all(
        ['b', 'c', 'd'].map((text) => workspace.apply([{ path: 'a.txt', base: hash('a'), text }], signal)),
      );
      expect(answers.filter(({ conflicts }) => conflicts.length === 0)).toHaveLength(1);
      expect(all()).toEqual(['a.txt']);
    });
  });

  describe('lists', () => {
    const list = async (asked: Partial<Parameters<Workspace['list']>[0]> = {}) => {
      const { entries, truncated } = await workspace.list({ path: '.', depth: 20, limit: 1000, ...asked }, signal);
      return { paths: entries.map(({ path, kind }) => (kind === 'folder' ? `${path}/` : path)), truncated };
    };

    it('a list has the files that are not ignored, level by level', async () => {
      put('.gitignore', '*.log\n/build/\n!keep.log\n');
      put('sub/.gitignore', 'local\n!important.log\n');
      for (const path of ['a.log', 'keep.log', 'build/x', 'sub/build/x', 'sub/b.log', 'sub/important.log', 'sub/local'])
        put(path, 'x');
      put('.git/config', 'x');
      put('z.txt', '12345');
      expect((await list()).paths).toEqual([
        '.gitignore',
        'keep.log',
        'sub/',
        'z.txt',
        'sub/.gitignore',
        'sub/build/',
        'sub/important.log',
        'sub/build/x',
      ]);
      expect((await list({ path: 'build' })).paths).toEqual(['build/x']);
      expect((await list({ path: 'sub' })).paths).toEqual([
        'sub/.gitignore',
        'sub/build/',
        'sub/important.log',
        'sub/build/x',
      ]);
      const { entries } = await workspace.list({ path: '.', depth: 1, limit: 9 }, signal);
      expect(entries.find(({ path }) => path === 'z.txt')).toEqual({
        path: 'z.txt',
        kind: 'file',
        bytes: 5,
        modified: statSync(at('z.txt')).mtimeMs,
      });
    });

    it.each(listCases)('lists agree: $name', async ({ files, links = {}, path = '.', listed }) => {
      for (const [name, content] of Object.entries(files)) put(name, content);
      for (const [name, target] of Object.entries(links)) symlinkSync(target, at(name));
      const { entries } = await workspace.list({ path, depth: 20, limit: 1000 }, signal);
      expect(entries.map((entry) => entry.path)).toEqual(listed);
    });

    it('a list is truncated at its limit and says so', async () => {
      for (const path of ['a', 'b', 'c/d']) put(path, 'x');
      expect(await list({ limit: 2 })).toEqual({ paths: ['a', 'b'], truncated: true });
      expect(await list({ depth: 1 })).toEqual({ paths: ['a', 'b', 'c/'], truncated: false });
      expect(await list({ limit: 4 })).toEqual({ paths: ['a', 'b', 'c/', 'c/d'], truncated: false });
    });

    it('a list has links by name only, and a missing folder is an error', async () => {
      put('folder/x', 'x');
      symlinkSync('folder', at('inside'));
      symlinkSync('../outside', at('out'));
      expect((await list()).paths).toEqual(['folder/', 'inside/', 'out', 'folder/x']);
      await expect(list({ path: 'none' })).rejects.toEqual(refusal('not_found'));
      await expect(list({ path: 'folder/x' })).rejects.toEqual(refusal('not_found'));
    });
  });

  describe('searches', () => {
    const search = async (pattern: string, asked: Partial<Parameters<Workspace['search']>[0]> = {}) => {
      const plain = { isRegex: false, caseSensitive: false, include: [], limit: 100 };
      const { matches, truncated } = await workspace.search({ pattern, ...plain, ...asked }, signal);
      return { found: matches.map(({ path, line, text }) => `${path}:${line}:${text}`), truncated };
    };
    beforeEach(() => {
      put('.gitignore', 'ignored/\n');
      put('a.ts', 'one\r\nTwo (2)\r\nthree two two\r\n');
      put('src/b.js', 'two');
      put('src/wide.txt', utf16('x\nzwei two'));
      for (const path of ['ignored/c.ts', 'node_modules/d.ts', '.git/e']) put(path, 'two');
      put('binary', Buffer.from('two\0'));
    });

    it.each(searchCases)('searches agree: $name', async ({ files, pattern, isRegex = false, include = [], found }) => {
      rmSync(root, { recursive: true });
      for (const [name, content] of Object.entries(files)) put(name, Buffer.from(content, 'latin1'));
      expect((await search(pattern, { isRegex, include: [...include] })).found).toEqual(found);
    });

    it('a search finds text in files that are not ignored', async () => {
      expect(await search('two')).toEqual({
        found: ['a.ts:2:Two (2)', 'a.ts:3:three two two', 'src/b.js:1:two', 'src/wide.txt:2:zwei two'],
        truncated: false,
      });
      expect((await search('two', { caseSensitive: true })).found).toHaveLength(3);
      expect((await search('(2)')).found).toEqual(['a.ts:2:Two (2)']);
      expect(await search('two', { limit: 2 })).toMatchObject({ truncated: true });
      expect((await search('two', { limit: 2 })).found).toHaveLength(2);
    });

    it('a search supports regular expressions, and can be limited to some files', async () => {
      expect((await search('^t\\w+ \\(\\d\\)$', { isRegex: true })).found).toEqual(['a.ts:2:Two (2)']);
      expect((await search('two', { include: ['*.js'] })).found).toEqual(['src/b.js:1:two']);
      expect((await search('two', { include: ['src'] })).found).toHaveLength(2);
      expect((await search('two', { include: ['**/*.{js,txt}', '!wide.txt'] })).found).toEqual(['src/b.js:1:two']);
      await expect(search('(', { isRegex: true })).rejects.toEqual(refusal('invalid_pattern'));
    });

    it('a search stops when it is aborted', async () => {
      put('endless.txt', 'x'.repeat(50_000));
      const soon = AbortSignal.timeout(500);
      const asked = { pattern: '(x+x+)+y', isRegex: true, caseSensitive: true, include: [], limit: 1 };
      await expect(workspace.search(asked, soon)).rejects.toThrow('timeout');
      expect((await search('zwei')).found).toEqual(['src/wide.txt:2:zwei two']);
    });
  });

  describe('paths that lead outside', () => {
    const attempts = (path: string) => [
      workspace.read(path, signal),
      workspace.list({ path, depth: 2, limit: 10 }, signal),
      workspace.apply([{ path, base: null, text: 'x' }], signal),
      workspace.apply([{ path, base: hash('secret'), text: 'x' }], signal),
      workspace.apply([{ path, base: hash('secret'), text: null }], signal),
    ];
    /** Returns the results of attempts that revealed or changed something. */
    const leaked = async (path: string) => {
      const results = await Promise.allSettled(attempts(path));
      return results.filter((result) => {
        if (result.status === 'rejected') return !(result.reason instanceof ProblemError);
        const { value } = result;
        if ('kind' in value) return value.kind === 'text' || value.kind === 'folder';
        return 'entries' in value || value.conflicts.length === 0;
      });
    };

    it.each(pathAttacks)('the path %j does not lead outside the workspace', async (path) => {
      put('a/b.txt', 'inside');
      // Longer paths than any real one are refused before they reach a window.
      const refused = expect.stringMatching(/^(outside_workspace|invalid_request)$/);
      for (const result of await Promise.allSettled(attempts(path)))
        expect(result).toMatchObject({ status: 'rejected', reason: refusal(refused) });
      expect(all()).toEqual(['a', 'a/b.txt']);
    });

    it.each([
      ['a folder outside', '../outside', 'link/secret.txt'],
      ['a folder outside, itself', '../outside', 'link'],
      ['a file outside', '../outside/secret.txt', 'link'],
      ['a file that is not there', '../outside/new.txt', 'link'],
      ['the disk', '/', 'link/etc/passwd'],
      ['this process', '/proc/self', 'link/environ'],
      ['a device', '/dev/zero', 'link'],
      ['itself', 'link', 'link'],
    ])('a link to %s does not lead outside the workspace', async (_name, to, path) => {
      symlinkSync(to, at('link'));
      expect(await leaked(path)).toEqual([]);
      expect(readdirSync(root)).toEqual(['link']);
    });

    it('a pipe or a socket is not waited for', async () => {
      execFileSync('mkfifo', [at('pipe')]);
      const server = createServer().listen(at('socket'));
      try {
        await expect.poll(() => existsSync(at('socket'))).toBe(true);
        for (const path of ['pipe', 'socket']) {
          expect(await workspace.read(path, signal)).toMatchObject({ kind: 'unreadable' });
          expect(await leaked(path)).toEqual([]);
        }
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    });
  });
});
