import { type Case, type Code, type Files, patch } from '../case.ts';

const five = 'a\nb\nc\nd\ne\n';
const head = ['--- a/a', '+++ b/a'];
const diff = (name: string, file: string, hunks: readonly string[], right: string | { code: Code }): Case =>
  patch(name, { a: file }, [...head, ...hunks], typeof right === 'string' ? { a: right } : right.code);
const lines = (
  name: string,
  all: readonly string[],
  right: Files | Code = 'malformed',
  files: Files = { a: five },
): Case => patch(name, files, all, right);
const malformed = { code: 'malformed' } as const;
const hunk = ['@@ -1,2 +1,2 @@', ' a', '-b', '+B'];
const b = 'a\nB\nc\nd\ne\n';

/** Cases of unified diffs: `---`, `+++`, `@@ -a,b +c,d @@`. */
export const unifiedCorpus: readonly Case[] = [
  diff('a line', five, ['@@ -2 +2 @@', '-b', '+B'], b),
  diff('a line with those around', five, ['@@ -1,3 +1,3 @@', ' a', '-b', '+B', ' c'], b),
  diff('two hunks', five, ['@@ -1,2 +1,3 @@', ' a', '+a2', ' b', '@@ -5 +6 @@', '-e', '+E'], 'a\na2\nb\nc\nd\nE\n'),
  diff('the words after the numbers name nothing', five, ['@@ -2 +2 @@ def f():', '-b', '+B'], b),
  diff('lines that moved', `x\ny\n${five}`, ['@@ -2 +2 @@', '-b', '+B'], `x\ny\n${b}`),
  diff('one of several, by its number', 'x\ny\nx\ny\n', ['@@ -3 +3 @@', '-x', '+X'], 'x\ny\nX\ny\n'),
  diff('one of several, by a number that is none of them', 'x\ny\nx\ny\n', ['@@ -2 +2 @@', '-x', '+X'], {
    code: 'ambiguous',
  }),
  diff(
    'numbers are those before the first hunk',
    'x\ny\nx\ny\n',
    ['@@ -1 +1,2 @@', '-x', '+1', '+2', '@@ -3 +4 @@', '-x', '+X'],
    '1\n2\ny\nX\ny\n',
  ),
  diff(
    'a number that drifted does not choose by whitespace',
    '  x1\ny\n\tx1\n',
    ['@@ -1 +1 @@', '-    x1', '+    z1'],
    { code: 'ambiguous' },
  ),
  diff('a line is never a part of a line', 'xb1\n', ['@@ -1 +1 @@', '-b1', '+B1'], { code: 'near-miss' }),
  diff('fewer old lines than it says', five, ['@@ -1,3 +1,2 @@', ' a', '-b', '+B'], malformed),
  diff('more lines than it says', five, ['@@ -1,1 +1,1 @@', '-a', '+A', ' b'], malformed),
  diff('fewer new lines than it says', five, ['@@ -1,2 +1,3 @@', ' a', '-b', '+B'], malformed),
  diff('a line without mark', five, ['@@ -1,2 +1,2 @@', ' a', 'b'], malformed),
  diff('no numbers', five, ['@@ @@', '-b', '+B'], malformed),
  diff('no hunks', five, [], malformed),
  diff('no old lines', five, ['@@ -2,0 +3 @@', '+x'], malformed),
  diff('nothing changes', five, ['@@ -2 +2 @@', ' b'], malformed),
  diff('hunks out of order', five, ['@@ -5 +5 @@', '-e', '+E', '@@ -1 +1 @@', '-a', '+A'], malformed),
  diff('hunks overlap', five, ['@@ -1,2 +1,2 @@', ' a', '-b', '+B', '@@ -2,2 +2,2 @@', ' B', '-c', '+C'], malformed),
  diff('old lines that differ', five, ['@@ -2 +2 @@', '-bbbb', '+B'], { code: 'not-found' }),
  diff('made already', 'a\nbetter\nc\n', ['@@ -2 +2 @@', '-b', '+better'], { code: 'already-applied' }),
  diff(
    'lines that look like heads',
    '-- a\nx\n++ b\n',
    ['@@ -1,3 +1,3 @@', '--- a', '+-- A', ' x', '-++ b', '+++ B'],
    '-- A\nx\n++ B\n',
  ),
  diff(
    'no final newline on both sides',
    'a\nb',
    ['@@ -1,2 +1,2 @@', ' a', '-b', '\\ No newline at end of file', '+c', '\\ No newline at end of file'],
    'a\nc',
  ),
  diff('final newline added', 'a\nb', ['@@ -2 +2 @@', '-b', '\\ No newline at end of file', '+c'], 'a\nc\n'),
  diff(
    'final newline alone added',
    'aa\nbb',
    ['@@ -2 +2 @@', '-bb', '\\ No newline at end of file', '+bb'],
    'aa\nbb\n',
  ),
  diff('final newline taken', 'a\nb\n', ['@@ -2 +2 @@', '-b', '+c', '\\ No newline at end of file'], 'a\nc'),
  diff(
    'last line stays without newline',
    'a\nb',
    ['@@ -1,2 +1,2 @@', '-a', '+A', ' b', '\\ No newline at end of file'],
    'A\nb',
  ),
  diff(
    'the last line, though the number is that of another',
    'a\nb\na\n',
    ['@@ -1 +1 @@', '-a', '+c', '\\ No newline at end of file'],
    'a\nb\nc',
  ),
  diff(
    'no newline in the middle',
    five,
    ['@@ -1,2 +1,2 @@', ' a', '\\ No newline at end of file', '-b', '+B'],
    malformed,
  ),
  diff(
    'no newline before any line',
    five,
    ['@@ -1,2 +1,2 @@', '\\ No newline at end of file', ' a', '-b', '+B'],
    malformed,
  ),
  diff('no newline not said of the file', 'a\nb', ['@@ -2 +2 @@', '-b', '+c'], 'a\nc'),
  diff('crlf stays', 'a\r\nb\r\n', ['@@ -1,2 +1,3 @@', ' a', '-b', '+B', '+C'], 'a\r\nB\r\nC\r\n'),
  diff('a blank line that lost its space', 'a\n\nb\n', ['@@ -1,3 +1,3 @@', ' a', '', '-b', '+c'], 'a\n\nc\n'),
  lines('the heads of git', ['diff --git a/a b/a', 'index 123..456 100644', ...head, ...hunk], { a: b }),
  lines('times after the names', ['--- a\t2024-01-01 00:00:00', '+++ a\t2024-01-02 00:00:00', ...hunk], { a: b }),
  lines('names without prefix', ['--- a', '+++ a', ...hunk], { a: b }),
  lines('a folder whose name is a', ['--- a/x', '+++ a/x', ...hunk], { 'a/x': b }, { 'a/x': five }),
  lines(
    'two files',
    [...head, ...hunk, '--- a/c', '+++ b/c', '@@ -1 +1 @@', '-x', '+z'],
    { a: b, c: 'z\n' },
    { a: five, c: 'x\n' },
  ),
  lines('two files, one wrong', [...head, ...hunk, '--- a/c', '+++ b/c', '@@ -1 +1 @@', '-x', '+z'], 'not-found', {
    a: five,
    c: 'qqq\n',
  }),
  lines('a file named twice', [...head, ...hunk, ...head, '@@ -5 +5 @@', '-e', '+E']),
  lines('a file added', ['--- /dev/null', '+++ b/n', '@@ -0,0 +1,2 @@', '+one', '+two'], { n: 'one\ntwo\n' }),
  lines(
    'a file added without final newline',
    ['--- /dev/null', '+++ b/n', '@@ -0,0 +1 @@', '+one', '\\ No newline at end of file'],
    { n: 'one' },
  ),
  lines('a file added that is there', ['--- /dev/null', '+++ b/a', '@@ -0,0 +1 @@', '+one'], 'exists'),
  lines('a file added with old lines', ['--- /dev/null', '+++ b/n', '@@ -1 +1 @@', '-x', '+one']),
  lines('a file deleted', ['--- a/a', '+++ /dev/null', '@@ -1,5 +0,0 @@', '-a', '-b', '-c', '-d', '-e'], { a: null }),
  lines('a file deleted with new lines', ['--- a/a', '+++ /dev/null', '@@ -1 +1 @@', '-a', '+b']),
  lines('a move', ['--- a/a', '+++ b/other', ...hunk]),
  lines('a rename of git', ['diff --git a/a b/b', 'similarity index 100%', 'rename from a', 'rename to b']),
  lines('a change of mode', ['diff --git a/a b/a', 'old mode 100644', 'new mode 100755']),
  lines('a binary patch', ['diff --git a/a b/a', 'index 1..2 100644', 'GIT binary patch', 'literal 5']),
  lines('no +++', ['--- a/a', ...hunk]),
  lines('+++ first', ['+++ b/a', '--- a/a', ...hunk]),
  lines('a path in quotes', ['--- "a/a"', '+++ "b/a"', ...hunk]),
  lines('text after it', [...head, ...hunk, 'Done.']),
  lines('text before it', ['Here it is:', ...head, ...hunk]),
  lines('both ends nowhere', ['--- /dev/null', '+++ /dev/null', '@@ -0,0 +1 @@', '+one']),
];
