import type { BadInput } from './bad-inputs.ts';

/** How the test tries a tool. The workspace is that of tools-bad-input.test.ts. */
interface Tried {
  /** An input that fits the tool's schema. It is never sent unchanged. */
  readonly valid: Readonly<Record<string, unknown>>;
  /** Inputs that fit the schema but are invalid for another reason. */
  readonly rows: readonly BadInput[];
  /** Command on code that offers the tool. */
  readonly task?: 'test' | 'generate';
  /** Whether the owner of the tool checks the input. */
  readonly foreign?: true;
}

const row = (what: string, input: object, says: RegExp | string): BadInput => ({
  what,
  json: JSON.stringify(input),
  says,
});

/** Paths that lead to no regular file of the workspace, with the expected errors. */
const noFiles: readonly (readonly [path: string, says: RegExp])[] = [
  ['../outside/secret.txt', /outside\/secret\.txt.*contains \\?"\.\.\\?"/],
  ['sub/../../outside/secret.txt', /contains \\?"\.\.\\?"/],
  ['/etc/passwd', /\/etc\/passwd.*not relative to the workspace/],
  ['C:\\Windows\\win.ini', /drive letter/],
  ['~/.ssh/id_rsa', /home folder/],
  ['file:///etc/passwd', /not a path/],
  ['link-out/secret.txt', /link-out\/secret\.txt.*leads out/],
  ['zero', /zero.*leads out|zero.*a link/],
  ['link-file', /link-file.*(leads out|a link)/],
  ['loop', /loop.*a link/],
  ['link-nowhere', /link-nowhere.*a (?:broken )?link/],
  ['pipe', /pipe.*a device or a pipe/],
  ['a.txt/below', /a\.txt\/below.*not in a folder/],
  ['a\0b', /invisible characters/],
  ['a\ud800b', /invisible characters/],
  ['NUL.txt', /reserved for a device/],
  ['x'.repeat(300), /too long/],
];
const onPaths = (input: (path: string) => object): BadInput[] =>
  noFiles.map(([path, says]) => row(`path ${path.slice(0, 30)}`, input(path), says));
const edit = (path: string, oldText: string, newText: string, more: object = {}) => ({
  path,
  edits: [{ oldText, newText, ...more }],
});
const patch = (...lines: string[]) => ({ patch: ['*** Begin Patch', ...lines, '*** End Patch'].join('\n') });
const python = { language: 'python' };

/** Trials by the name of the tool. The test fails for a tool that is missing here. */
export const badInputs: Readonly<Record<string, Tried>> = {
  file_read: {
    valid: { path: 'a.txt', start: 1, end: 2 },
    rows: [
      ...onPaths((path) => ({ path })),
      row('missing', { path: 'none.txt' }, 'The file none.txt does not exist'),
      row('a folder', { path: 'sub' }, 'sub is a folder'),
      row('beyond the end', { path: 'a.txt', start: 99 }, 'a.txt has no line 99'),
      row('end before start', { path: 'a.txt', start: 3, end: 1 }, 'before the first line (3)'),
      row('binary', { path: 'binary.bin' }, /binary\.bin.*binary file/),
      row('another encoding', { path: 'latin1.txt' }, /latin1\.txt.*not valid utf8 text/),
      row('too large', { path: 'large.txt' }, /large\.txt.*larger than/),
    ],
  },
  file_list: {
    valid: { path: '.', depth: 1 },
    rows: [
      ...onPaths((path) => ({ path })).filter(({ what }) => !/pipe|below/.test(what)),
      row('missing', { path: 'none' }, 'The folder none does not exist'),
      row('a file', { path: 'a.txt' }, 'The folder a.txt does not exist'),
      row('a pipe', { path: 'pipe' }, 'The folder pipe does not exist'),
    ],
  },
  file_search: {
    valid: { pattern: 'x', isRegex: false, caseSensitive: false, include: ['**'], limit: 5 },
    rows: [row('no expression', { pattern: '(', isRegex: true }, 'pattern is not valid')],
  },
  symbol_search: {
    valid: { query: 'f', kind: 'function', path: 'sub' },
    rows: [row('blanks', { query: '   ' }, 'query')],
  },
  diagnostics: {
    valid: { paths: ['a.txt'] },
    rows: [row('outside', { paths: ['../outside/secret.txt'] }, 'it contains ".."')],
  },
  update_plan: { valid: { items: [{ text: 'Work', status: 'open' }] }, rows: [] },
  ask_user: { valid: { question: 'Which?', options: ['This', 'That'] }, rows: [] },
  file_edit: {
    valid: edit('a.txt', 'two', 'TWO', { replaceAll: false, startLine: 2 }),
    rows: [
      ...onPaths((path) => edit(path, 'x', 'y')),
      row('missing', edit('none.txt', 'x', 'y'), 'none.txt: The file does not exist'),
      row('a folder', edit('sub', 'x', 'y'), 'sub: It is a folder'),
      row('not read', edit('sub/x.py', 'f', 'g'), 'sub/x.py: Read the file'),
      row('not there', edit('a.txt', 'nowhere to be found', 'y'), 'a.txt'),
      row('more than once', edit('a.txt', 'one', 'ONE'), /a\.txt.*(1.*3)/s),
      row('another line', edit('a.txt', 'one', 'ONE', { startLine: 2 }), 'a.txt'),
      row('nothing new', edit('a.txt', 'two', 'two'), 'a.txt'),
      row('a NUL', edit('a.txt', 'two', 't\0o'), 'NUL'),
      row('half a character', edit('a.txt', 'two', 't\ud800o'), 'surrogate'),
      row('read-only', edit('read-only.txt', 'x', 'y'), /read-only\.txt.*read-only/),
      row('forbidden', edit('forbidden/x.txt', 'x', 'y'), 'not allowed'),
      row('too large', edit('large.txt', 'x', 'y'), 'large.txt'),
      row(
        'one good edit, one bad',
        {
          path: 'a.txt',
          edits: [
            { oldText: 'two', newText: 'TWO' },
            { oldText: 'nowhere', newText: '' },
          ],
        },
        'a.txt',
      ),
    ],
  },
  file_write: {
    valid: { path: 'new.txt', content: 'x' },
    rows: [
      ...onPaths((path) => ({ path, content: 'x' })),
      row('a folder', { path: 'sub', content: 'x' }, 'sub: It is a folder'),
      row('the workspace', { path: '.', content: 'x' }, 'It is a folder'),
      row('not read', { path: 'sub/x.py', content: 'x' }, 'Read the file'),
      row('the same', { path: 'a.txt', content: 'one\ntwo\none\n' }, 'already has exactly this content'),
      row('a NUL', { path: 'new.txt', content: '\0' }, 'NUL'),
      row('half a character', { path: 'new.txt', content: '\udc00' }, 'surrogate'),
      row('read-only', { path: 'read-only.txt', content: 'y' }, /read-only\.txt.*read-only/),
      row('forbidden', { path: 'forbidden/new.txt', content: 'y' }, 'not allowed'),
      row('binary', { path: 'binary.bin', content: 'y' }, 'binary'),
    ],
  },
  apply_patch: {
    valid: { patch: 'x' },
    rows: [
      ...onPaths((path) => patch(`*** Add File: ${path}`, '+x')).filter(({ what }) => !what.includes('\0')),
      row('a path without end', patch(`*** Add File: ${'x/'.repeat(3000)}x`, '+x'), /path/),
      row('no patch', { patch: 'Change it, please' }, 'Nothing was changed'),
      row('nothing in it', patch(), 'Nothing was changed'),
      row('missing', patch('*** Update File: none.txt', '@@', '-x', '+y'), 'none.txt: The file does not exist'),
      row('not read', patch('*** Update File: sub/x.py', '@@', '-def f():', '+def g():'), 'sub/x.py: Read the file'),
      row('there already', patch('*** Add File: a.txt', '+x'), 'already exists'),
      row('read-only', patch('*** Delete File: read-only.txt'), /read-only\.txt.*read-only/),
      row('forbidden', patch('*** Delete File: forbidden/x.txt'), 'not allowed'),
      row(
        'one good file, one bad',
        patch('*** Add File: new/deep.txt', '+x', '*** Update File: a.txt', '@@', '-nowhere', '+y'),
        'a.txt',
      ),
      row(
        'one good file, one read-only',
        patch('*** Add File: new/deep.txt', '+x', '*** Update File: read-only.txt', '@@', '-x', '+y'),
        'read-only.txt',
      ),
      row(
        'a file below a new file',
        patch('*** Add File: new', '+x', '*** Add File: new/below.txt', '+y'),
        'new/below.txt',
      ),
    ],
  },
  run_code: {
    valid: {
      ...python,
      source: '1',
      files: [{ path: 'x.py', content: '1' }],
      workspaceFiles: ['a.txt'],
      entry: 'x.py',
      command: ['python3', 'x.py'],
      stdin: '',
      args: ['x'],
      timeoutMs: 1000,
    },
    rows: [
      ...onPaths((path) => ({ ...python, source: '1', workspaceFiles: [path] })).map((bad) => ({
        ...bad,
        says: /not a path in the workspace|cannot be copied into the sandbox/,
      })),
      row('no such language', { language: 'cobol', source: '1' }, 'language'),
      row('nothing to run', { ...python }, 'source'),
      row('missing', { ...python, source: '1', workspaceFiles: ['none.py'] }, 'none.py cannot be copied'),
      row('a folder', { ...python, source: '1', workspaceFiles: ['sub'] }, 'sub cannot be copied'),
      row('a path up', { ...python, source: '1', files: [{ path: '../x.py', content: '' }] }, 'files.0.path'),
      row('no such entry', { ...python, files: [{ path: 'x.py', content: '' }], entry: 'y.py' }, 'entry'),
    ],
  },
  check_tests: {
    task: 'test',
    valid: { framework: 'pytest', tests: ['sub/test_x.py'], subject: 'sub/x.py', function: 'f', files: ['a.txt'] },
    rows: [
      ...onPaths((path) => ({ framework: 'pytest', tests: [path], subject: 'sub/x.py' })).map((bad) => ({
        ...bad,
        says: /not a path in the workspace|cannot be copied into the sandbox/,
      })),
      row('no tests', { framework: 'pytest', tests: ['none.py'], subject: 'sub/x.py' }, 'none.py'),
      row('no subject', { framework: 'pytest', tests: ['sub/x.py'], subject: 'none.py' }, 'none.py'),
    ],
  },
  propose: { task: 'generate', valid: { text: 'x' }, rows: [] },
  run_command: {
    valid: { command: 'true', cwd: 'sub', timeoutMs: 1000, background: false, stdin: '', rehearse: false },
    rows: [
      ...onPaths((path) => ({ command: 'touch x', cwd: path })).map((bad) => ({
        ...bad,
        says: /not a path in the workspace|not a folder of the workspace/,
      })),
      row('missing folder', { command: 'touch x', cwd: 'none' }, /none|folder/),
      row('a file for a folder', { command: 'touch x', cwd: 'a.txt' }, /a\.txt|folder/),
      row('forbidden', { command: 'rm a.txt' }, 'not allowed'),
      row('a NUL', { command: 'touch x\0y' }, /NUL|command/),
    ],
  },
  command_control: {
    valid: { id: 'abc', action: 'read', text: '', end: false, waitMs: 0 },
    rows: [
      row('no such command', { id: 'abc', action: 'read' }, 'There is no command abc'),
      row('no such command to stop', { id: '__proto__', action: 'stop' }, 'There is no command __proto__'),
    ],
  },
  web_search: { valid: { query: 'x', count: 1 }, rows: [row('blanks', { query: '  ' }, 'query')] },
  web_fetch: {
    valid: { url: 'http://docs.example.com/', from: 0 },
    rows: [
      row('no address', { url: 'not an address' }, /address/),
      row('a file', { url: 'file:///etc/passwd' }, /http/),
      row('another protocol', { url: 'ftp://docs.example.com/' }, /http/),
      row('loopback', { url: 'http://127.0.0.1:80/' }, /127\.0\.0\.1|private|public/),
      row('link-local', { url: 'http://169.254.169.254/latest/meta-data' }, /169\.254|private|public/),
      row('forbidden', { url: 'http://forbidden.example.com/' }, 'not allowed'),
      row('a NUL', { url: 'http://docs.example.com\0/' }, /address/),
      row('no such page', { url: 'http://docs.example.com/none' }, '404'),
    ],
  },
  mcp_resource: {
    valid: { server: 'everything', uri: 'x://y' },
    rows: [
      row('no such server', { server: 'nobody' }, 'no MCP server "nobody"'),
      row('no such resource', { server: 'everything', uri: 'nothing://here' }, 'nothing://here'),
    ],
  },
  mcp_start: { valid: { server: 'waiting' }, rows: [row('no such server', { server: 'nobody' }, 'no such server')] },
  'mcp__everything__get-sum': {
    foreign: true,
    valid: { a: 1, b: 2 },
    rows: [
      row('a word', { a: 'two', b: 2 }, /a\b.*number|number/s),
      row('nothing', {}, /number/),
      row('null', { a: null, b: 2 }, /number/),
      row('an array', { a: [1], b: 2 }, /number/),
      row('half a character', { a: '\ud800', b: 2 }, /number/),
    ],
  },
  vscode__lent: {
    foreign: true,
    valid: { text: 'x' },
    rows: [
      row('nothing', {}, 'text: a string was expected'),
      row('null', { text: null }, 'text: a string was expected'),
      row('a list', { text: ['x'] }, 'text: a string was expected'),
    ],
  },
};
