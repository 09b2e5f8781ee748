import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expandBraces } from '@devlm/workspace-core/braces.ts';
import { IgnoredPaths } from '@devlm/workspace-core/ignored-paths.ts';
import { compilePattern, sourceOf } from '@devlm/workspace-core/line-pattern.ts';
import { LineSearch } from '@devlm/workspace-core/line-search.ts';
import { PathFilter } from '@devlm/workspace-core/path-filter.ts';
import { shownText } from '@devlm/workspace-core/shown-text.ts';
import { describe, expect, it, onTestFinished } from 'vitest';

const run = promisify(execFile);

/** Returns the paths of `files` that Git takes for part of a project with these ignore files. */
async function keptByGit(files: readonly string[], ignoreFiles: Readonly<Record<string, string>>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'devlm-ignore-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await run('git', ['init', '-q', root]);
  for (const file of [...files, ...Object.keys(ignoreFiles)]) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), ignoreFiles[file] ?? '');
  }
  const { stdout } = await run('git', ['-C', root, 'ls-files', '-z', '--others', '--exclude-standard']);
  const kept = new Set(stdout.split('\0'));
  return files.filter((file) => kept.has(file));
}

async function keptByUs(files: readonly string[], ignoreFiles: Readonly<Record<string, string>>): Promise<string[]> {
  const ignored = new IgnoredPaths({ hidden: [], read: async (path) => ignoreFiles[path] ?? null });
  const isIgnored = await Promise.all(files.map((file) => ignored.has(file, false)));
  return files.filter((_, i) => !isIgnored[i]);
}

describe('globs of settings', () => {
  const hiddenBy = (glob: string) => new IgnoredPaths({ hidden: [glob], read: async () => null });

  it.each([
    ['**/.git', '.git', true],
    ['**/.git', 'a/b/.git', true],
    ['**/.git', 'a.git', false],
    ['*.js', 'a.js', true],
    ['*.js', 'a/b.js', false],
    ['**/*.{js,ts}', 'a/b.ts', true],
    ['**/*.{js,ts}', 'b.tsx', false],
    ['**/*.{js,{t,j}sx}', 'a/b.tsx', true],
    ['{a,b}/{c,d}', 'b/c', true],
    ['out/**', 'out/a/b', true],
    ['out/**', 'outer', false],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['[!a-c].txt', 'd.txt', true],
    ['[!a-c].txt', 'b.txt', false],
    ['a+(b)', 'a+(b)', true],
  ])('the setting %s applied to %s: %s', (glob, path, fits) => expect(hiddenBy(glob).hides(path, false)).toBe(fits));

  it('globs of settings are matched in bounded time', () => {
    const started = performance.now();
    for (const glob of ['**/**/**/**/**/**/**/x', `${'*a'.repeat(12)}b`])
      hiddenBy(glob).hides(`${'a/'.repeat(40)}${'a'.repeat(30)}`, false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('ignore rules', () => {
  it('ignore rules decide as Git does', async () => {
    const rules = [
      '# comment',
      '*.log',
      '!keep.log',
      '/root-only',
      'folder/',
      'a/**/z',
      'doc/*.txt',
      '**/deep/file',
      'trailing   ',
      'space\\ ',
      '\\#hash',
      '\\!bang',
      'set[a-c].x',
      'not[!a-c].x',
      'q?estion',
      'star*star',
      'all/**',
      '!all/but',
      'back\\*slash',
      '[]]bracket',
      '{brace}',
      '!',
      '/',
      '',
    ].join('\n');
    const files = [
      'x.log',
      'keep.log',
      'sub/x.log',
      'sub/keep.log',
      'root-only',
      'sub/root-only',
      'folder/in',
      'sub/folder/in',
      'sub2/folder',
      'a/z',
      'a/b/z',
      'a/b/c/z',
      'b/a/z',
      'doc/a.txt',
      'doc/b/a.txt',
      'sub/doc/a.txt',
      'deep/file',
      'x/y/deep/file',
      'trailing',
      'space ',
      '#hash',
      '!bang',
      'seta.x',
      'setd.x',
      'nota.x',
      'notd.x',
      'question',
      'q/estion',
      'starXstar',
      'star/star',
      'all/but',
      'all/x/y',
      'back*slash',
      'backXslash',
      ']bracket',
      '{brace}',
      'plain',
    ];
    const ignoreFiles = { '.gitignore': rules };
    expect(await keptByUs(files, ignoreFiles)).toEqual(await keptByGit(files, ignoreFiles));
  });

  it('ignore rules of several files decide as Git does', async () => {
    const files = [
      'build/a',
      'sub/build/a',
      'sub/build/x.log',
      'sub/build/deep/a',
      'sub/own',
      'own',
      'excluded',
      'sub/excluded',
    ];
    const ignoreFiles = {
      '.git/info/exclude': 'excluded\n!own\n',
      '.gitignore': 'build/\n*.log\nown\n',
      'sub/.gitignore': '!build/\n!own\n!excluded\n',
      'sub/build/.gitignore': 'deep\n',
    };
    const kept = await keptByGit(files, ignoreFiles);
    expect(kept).toEqual(['sub/build/a', 'sub/own', 'sub/excluded']);
    expect(await keptByUs(files, ignoreFiles)).toEqual(kept);
  });
});

describe('the globs of a search', () => {
  it.each<[globs: string[], selected: string[]]>([
    [[], ['a.ts', 'src/b.js', 'src/#c', 'lib/src/d.ts']],
    [['.'], ['a.ts', 'src/b.js', 'src/#c', 'lib/src/d.ts']],
    [['*.ts'], ['a.ts', 'lib/src/d.ts']],
    [['/*.ts'], ['a.ts']],
    [['src'], ['src/b.js', 'src/#c', 'lib/src/d.ts']],
    [['./src/'], ['src/b.js', 'src/#c', 'lib/src/d.ts']],
    [['src/*'], ['src/b.js', 'src/#c']],
    [
      ['**/*.{ts,js}', '!lib'],
      ['a.ts', 'src/b.js'],
    ],
    [['{src,lib/src}/*.{j,t}s'], ['src/b.js', 'lib/src/d.ts']],
    [['#c'], ['src/#c']],
    [['!*.ts'], ['src/b.js', 'src/#c']],
    [['*.TS'], []],
  ])('the search globs %j select %j', (globs, selected) => {
    const filter = new PathFilter(globs);
    expect(['a.ts', 'src/b.js', 'src/#c', 'lib/src/d.ts'].filter((path) => filter.has(path))).toEqual(selected);
  });

  it.each(['', '.', '/a.ts', '../a.ts', './a.ts'])(
    'search globs select no path outside the workspace, such as %j',
    (path) => expect(new PathFilter(['**']).has(path)).toBe(false),
  );

  it('braces in search globs are expanded up to a limit', () => {
    expect(expandBraces('{a,{b,c}}.{x,y}').toSorted()).toEqual(['a.x', 'a.y', 'b.x', 'b.y', 'c.x', 'c.y']);
    expect(expandBraces('\\{a,b}')).toEqual(['\\{a,b}']);
    expect(expandBraces('{a,b}'.repeat(100)).length).toBeLessThanOrEqual(1000);
  });
});

describe('a search for lines', () => {
  const find = async (pattern: string, text: string, isRegex = true) => {
    const signal = AbortSignal.timeout(20_000);
    await using lines = new LineSearch({ pattern, isRegex, caseSensitive: true }, 100, signal);
    return (await lines.find([{ path: 'a', text }])).map(({ line, text }) => `${line}:${text}`);
  };

  it.each<[name: string, pattern: string, text: string, found: string[]]>([
    ['matches within lines', 'a[^x]*', 'a 1\na 2\nb\n', ['1:a 1', '2:a 2']],
    ['takes CRLF for one line end', '^b$', 'a\r\nb\r\n', ['2:b']],
    ['takes a lone carriage return for text', '^a.*c$', 'a\rb c\n', []],
    ['shows the whole line around a carriage return', 'c$', 'a\rc\n', ['1:a\rc']],
    ['finds empty lines, but none after the last line end', '^$', 'a\n\nb\n', ['2:']],
    ['matches across lines if the pattern has a line break', 'a\\nb', 'a\r\nb\na\nb', ['1:a', '3:a']],
    ['takes a written CRLF for a line break', 'a\\r\\nb', 'a\nb', ['1:a']],
    ['finds line breaks themselves', '\\n', 'a\nb\n', ['1:a', '2:b']],
    ['takes escapes that are not needed', 'a\\-b', 'a-b', ['1:a-b']],
  ])('a search for lines: %s', async (_name, pattern, text, found) => expect(await find(pattern, text)).toEqual(found));

  it('a plain search pattern is matched literally', async () => {
    expect(await find('a.\r\nb', 'xa.\nb\n', false)).toEqual(['1:xa.']);
    expect(await find('\\n', 'a\\nb', false)).toEqual(['1:a\\nb']);
  });

  it('a search for lines returns at most one line more than the limit', async () => {
    await using lines = new LineSearch(
      { pattern: 'a', isRegex: false, caseSensitive: true },
      2,
      AbortSignal.timeout(20_000),
    );
    expect(await lines.find([{ path: 'a', text: 'a\n'.repeat(5) }])).toHaveLength(3);
  });

  it('a search for lines can be aborted during a runaway pattern', async () => {
    const stop = new AbortController();
    await using lines = new LineSearch({ pattern: '(a+)+$', isRegex: true, caseSensitive: true }, 10, stop.signal);
    const found = lines.find([{ path: 'a', text: `${'a'.repeat(60)}!` }]);
    setTimeout(() => stop.abort(new Error('enough')), 100);
    await expect(found).rejects.toThrow('enough');
  });

  it('a search for lines refuses an invalid expression', () =>
    expect(() => compilePattern({ pattern: '(', isRegex: true, caseSensitive: true })).toThrow(
      /^The pattern is not valid: .*\.$/,
    ));

  it.each([
    ['a\\nb', 'a\\r?\\nb'],
    ['a\\r?\\nb', 'a\\r?\\nb'],
    ['[^\\n]\\\\n', '[^\\n]\\\\n'],
    ['a\nb', 'a\\r?\\nb'],
  ])('the pattern %j is passed to ripgrep as %j', (pattern, source) =>
    expect(sourceOf({ pattern, isRegex: true, caseSensitive: true }, '\\r?\\n')).toBe(source),
  );
});

describe('output as a terminal shows it', () => {
  it.each([
    ['\x1b[31mred\x1b[0m\r\n', 'red\n'],
    ['10%\r50%\r100%\n', '100%\n'],
    ['twice\r\r\nnext\r', 'twice\nnext'],
    ['bell\x07\ttab', 'bell\ttab'],
  ])('a terminal shows %j as %j', (text, shown) => expect(shownText(text)).toBe(shown));
});
