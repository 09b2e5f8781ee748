import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { lineEndsOf, toCrlf, toLf } from '@devlm/workspace-core/line-ends.ts';
import { afterAll, describe, expect, it } from 'vitest';
import { pathParts } from '../../extension/src/workspace/path-parts.ts';
import { replacements } from '../../extension/src/workspace/replacements.ts';
import { findRipgrep } from '../../extension/src/workspace/ripgrep.ts';
import { decodeFile } from '../../server/src/workspace/folder/text.ts';
import type { Files } from './edits/case.ts';
import { corpus } from './edits/corpus/all.ts';

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof ProblemError ? error.problem.code : String(error);
  }
}

describe('paths of the agent', () => {
  it.each([
    ['.', []],
    ['a', ['a']],
    ['./a//b/.', ['a', 'b']],
    ['a b/ü 文/.hidden', ['a b', 'ü 文', '.hidden']],
    ['...', ['...']],
    ['a..b/..c', ['a..b', '..c']],
  ])('the path %s is split into its parts', (path, parts) => expect(pathParts(path, false)).toEqual(parts));

  it.each(['/etc/passwd', '..', '../a', 'a/../b', 'a/..', 'c:/a', 'C:\\a', '\\\\server\\share', '//server/share'])(
    'the path %s leads outside the workspace',
    (path) => {
      expect(codeOf(() => pathParts(path, false))).toBe('outside_workspace');
      expect(codeOf(() => pathParts(path, true))).toBe('outside_workspace');
    },
  );

  it.each(['a\\..\\b', 'a:stream', 'a/.. /b', 'a/.git./x', 'NUL:', 'a*', 'a|b'])(
    'the path %s is invalid on Windows',
    (path) => expect(codeOf(() => pathParts(path, true))).toBe('invalid_path'),
  );

  it('a path with NUL is invalid', () => expect(codeOf(() => pathParts('a\0b', false))).toBe('invalid_path'));
});

describe('line ends', () => {
  it.each([
    ['', 'none'],
    ['a', 'none'],
    ['a\n', 'lf'],
    ['a\r\nb\r\n', 'crlf'],
    ['a\r\nb\n', 'mixed'],
    ['a\rb', 'cr'],
    ['a\r\r\n', 'mixed'],
  ])('the line ends of %j are recognized', (text, ends) => expect(lineEndsOf(text)).toBe(ends));

  it('line ends are converted to one kind', () => {
    expect(toLf('a\r\nb\nc\rd')).toBe('a\nb\nc\nd');
    expect(toCrlf('a\r\nb\nc\rd')).toBe('a\r\nb\r\nc\r\nd');
  });
});

describe('the replacements of a change', () => {
  const applied = (before: string, after: string) =>
    replacements(before, after)
      .toReversed()
      .reduce((text, { start, end, text: put }) => text.slice(0, start) + put + text.slice(end), before);

  it('the replacements of a change are small', () => {
    expect(replacements('a\nb\nc\nd\ne\n', 'a\nB\nc\nd\nE\n')).toEqual([
      { start: 2, end: 3, text: 'B' },
      { start: 8, end: 9, text: 'E' },
    ]);
    expect(replacements('same', 'same')).toEqual([]);
    expect(replacements('', 'new')).toEqual([{ start: 0, end: 0, text: 'new' }]);
    expect(replacements('a\r\nb', 'a\r\nc\r\nb')).toEqual([{ start: 3, end: 3, text: 'c\r\n' }]);
  });

  it('the replacements of a change split neither a line end nor a surrogate pair', () => {
    for (const [before, after] of [
      ['a\r\n', 'a\r\r\n'],
      ['x🎈y', 'x🎉y'],
      ['🎈', '🎈🎈'],
      ['a\r\nb\r\n', 'a\r\n\r\nb\r\n'],
    ] as const) {
      expect(applied(before, after)).toBe(after);
      for (const { start, end } of replacements(before, after)) {
        for (const offset of [start, end]) {
          expect(before.slice(offset - 1, offset + 1)).not.toBe('\r\n');
          expect(before.slice(offset - 1, offset + 1)).not.toMatch(/[\ud800-\udbff][\udc00-\udfff]/);
        }
      }
    }
  });

  it('the replacements of a change give the new text for random texts', () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    const words = ['', 'a', 'b', 'same', '🎈', 'x y', '}'];
    const lines = (count: number, end: string) =>
      Array.from({ length: count }, () => words[random(words.length)]).join(end) + (random(2) === 0 ? end : '');
    for (let i = 0; i < 2000; i++) {
      const end = random(2) === 0 ? '\n' : '\r\n';
      const before = lines(random(30), end);
      const parts = before.split(end);
      for (let n = random(6); n >= 0; n--)
        parts.splice(random(parts.length), random(3), ...(random(2) === 0 ? [lines(random(3), end)] : []));
      const after = parts.join(end);
      expect(applied(before, after)).toBe(after);
    }
  });

  it('the replacements of a change give the new text for each case of the edit corpus', () => {
    const textOf = (content: Files[string] | undefined) => {
      const file = content == null ? undefined : decodeFile(Buffer.from(content));
      return file?.kind === 'text' ? file.text : undefined;
    };
    let made = 0;
    for (const { name, files, right } of corpus) {
      if (typeof right === 'string') continue;
      for (const [path, content] of Object.entries(right)) {
        const [before, after] = [textOf(files[path]), textOf(content)];
        // A text with mixed line ends is written, not edited.
        if (before === undefined || after === undefined || [before, after].some((text) => lineEndsOf(text) === 'mixed'))
          continue;
        expect(applied(before, after), name).toBe(after);
        made++;
      }
    }
    expect(made).toBeGreaterThan(200);
  });

  it('the replacements of a change in a long text are found quickly', () => {
    const before = Array.from({ length: 50_000 }, (_, i) => `line ${i}\n`).join('');
    const after = before.replace('line 17\n', '').replace('line 49000\n', 'line 49000\nnew\n');
    const started = performance.now();
    expect(replacements(before, after)).toHaveLength(2);
    expect(applied(before, after)).toBe(after);
    const other = before.replaceAll('line', 'other');
    expect(applied(before, other)).toBe(other);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'devlm-parts-'));
  folders.push(folder);
  return folder;
}

describe('the search', () => {
  it.each([
    ['node_modules.asar.unpacked/@vscode/ripgrep/bin/rg', 'linux'],
    ['node_modules/@vscode/ripgrep/bin/rg', 'darwin'],
    ['node_modules/@vscode/ripgrep/bin/rg.exe', 'win32'],
    ['node_modules/@vscode/ripgrep-universal/bin/linux-x64/rg', 'linux'],
    ['node_modules.asar.unpacked/@vscode/ripgrep-universal/bin/win32-x64/rg.exe', 'win32'],
  ] as const)('the path of ripgrep is found: %s', async (path, platform) => {
    const root = await newFolder();
    expect(await findRipgrep(root, { platform, arch: 'x64' })).toBeUndefined();
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), '');
    await chmod(join(root, path), 0o755);
    expect(await findRipgrep(root, { platform, arch: 'x64' })).toBe(join(root, path));
  });
});
