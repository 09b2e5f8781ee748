/**
 * Files, lists and searches with the same result in every workspace, whether its files are in a window or on the
 * server.
 */

/** A workspace and the entries that a list of it has to return. */
export interface ListCase {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  /** Targets of symbolic links, by their paths. */
  readonly links?: Readonly<Record<string, string>>;
  /** Path of the listed folder. Default: the workspace. */
  readonly path?: string;
  /** Paths of the entries. */
  readonly listed: readonly string[];
}

/** Files, lists and their entries. */
export const listCases: readonly ListCase[] = [
  {
    name: 'a folder that an inner .gitignore includes again is listed with its content',
    files: { '.gitignore': 'build/\n', 'sub/.gitignore': '!build/\n', 'sub/build/a': '', 'build/b': '' },
    listed: ['.gitignore', 'sub', 'sub/.gitignore', 'sub/build', 'sub/build/a'],
  },
  {
    name: 'the private exclude rules of a repository apply after those of .gitignore',
    files: { '.git/info/exclude': 'private\n!a.log\n', '.gitignore': '*.log\n', private: '', 'a.log': '', 'b.txt': '' },
    listed: ['.gitignore', 'b.txt'],
  },
  {
    name: 'a .gitignore that is a link has no rules',
    files: { rules: 'a.txt\n', 'a.txt': '' },
    links: { '.gitignore': 'rules' },
    listed: ['.gitignore', 'a.txt', 'rules'],
  },
  {
    name: 'a rule for folders does not ignore a link to a folder',
    files: { '.gitignore': 'out/\n', 'src/a': '' },
    links: { out: 'src' },
    listed: ['.gitignore', 'out', 'src', 'src/a'],
  },
  {
    name: 'an ignored folder is listed on request, without files that are hidden everywhere',
    files: { '.gitignore': 'vendor/\n*.log\n', 'vendor/a.log': '', 'vendor/.git/config': '', 'vendor/b/.DS_Store': '' },
    path: 'vendor',
    listed: ['vendor/a.log', 'vendor/b'],
  },
];

/** Cases of lines that a search finds. */
export interface SearchCase {
  readonly name: string;
  /** Contents as Latin-1. */
  readonly files: Readonly<Record<string, string>>;
  readonly pattern: string;
  readonly isRegex?: boolean;
  readonly include?: readonly string[];
  /** Matches as `path:line:text`. */
  readonly found: readonly string[];
}

/** Files, searches and their matches. */
export const searchCases: readonly SearchCase[] = [
  {
    name: 'a folder is selected by its name at any depth',
    files: { 'src/a': 'hit', 'lib/src/deep/b': 'hit', 'lib/c': 'hit' },
    pattern: 'hit',
    include: ['src'],
    found: ['lib/src/deep/b:1:hit', 'src/a:1:hit'],
  },
  {
    name: 'several and nested braces are expanded',
    files: { 'a/x.js': 'hit', 'b/x.ts': 'hit', 'b/x.tsx': 'hit', 'c/x.ts': 'hit' },
    pattern: 'hit',
    include: ['{a,b}/*.{js,t{s,sx}}'],
    found: ['a/x.js:1:hit', 'b/x.ts:1:hit', 'b/x.tsx:1:hit'],
  },
  {
    name: 'matches are within single lines',
    files: { a: 'hit [\r\nhit ]\r\n' },
    pattern: 'hit[^x]*',
    isRegex: true,
    found: ['a:1:hit [', 'a:2:hit ]'],
  },
  {
    name: 'a line break in a pattern matches LF and CRLF',
    files: { crlf: 'one\r\ntwo\r\n', lf: 'one\ntwo\n' },
    pattern: 'one\\ntwo',
    isRegex: true,
    found: ['crlf:1:one', 'lf:1:one'],
  },
  {
    name: 'a line break in plain text matches LF and CRLF',
    files: { crlf: 'o(e\r\ntwo\r\n', lf: 'o(e\ntwo\n' },
    pattern: 'o(e\r\ntwo',
    found: ['crlf:1:o(e', 'lf:1:o(e'],
  },
  {
    name: 'a carriage return does not split a line',
    files: { a: 'one\rtwo hit\n' },
    pattern: 'hit$',
    isRegex: true,
    found: ['a:1:one\rtwo hit'],
  },
  {
    name: 'empty lines are found, but none after the last line end',
    files: { a: 'one\n\ntwo\n' },
    pattern: '^$',
    isRegex: true,
    found: ['a:2:'],
  },
  {
    name: 'look-around and escapes are supported',
    files: { a: 'a-hit\nb-hit\n' },
    pattern: '(?<=b)\\-hit(?!s)',
    isRegex: true,
    found: ['a:2:b-hit'],
  },
  {
    name: 'text that is not UTF-8 is found',
    files: { 'latin1.txt': 'caf\xe9 hit\n' },
    pattern: 'hit',
    found: ['latin1.txt:1:caf\xe9 hit'],
  },
];
