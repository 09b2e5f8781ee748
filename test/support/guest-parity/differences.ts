/** A program whose outcome on the guest is known to differ from Node's. */
export interface Difference {
  readonly area: string;
  /** Name of the program in its area. */
  readonly name: string;
  /** What differs, and the reason unless the library is just incomplete. */
  readonly reason: string;
}

const byArea: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  buffer: {
    'inspect of a buffer': 'The package leaves out how many bytes are not shown.',
    'indexOf, lastIndexOf and includes': 'The package finds an empty string nowhere, Node at 0.',
    'errors of Buffer.from': 'The errors of the package have older messages and no code.',
    'errors of Buffer.alloc': 'The errors of the package have older messages and no code.',
    'reads out of range': 'The errors of the package have no code.',
    blobs: 'There is no `Blob`.',
  },
  events: {
    'an unhandled error is thrown':
      'The package does not show a thrown value that is not an error, and its error has no code.',
    'asynchronous iteration with on': 'The package has no `on`.',
    'an invalid listener': 'The errors of the package have older messages and no code.',
    setMaxListeners: 'The errors of the package have no code.',
    'events of EventTarget': '`EventTarget` knows no options of a listener and sets no target.',
    'a cancelled event': 'Events cannot be cancelled.',
    'AbortSignal.any and timeout': 'There is no `AbortSignal.any`.',
    'too many listeners warn': 'The warning has the older wording and no process number.',
  },
  'util.inspect': {
    'iterators and weak collections': 'QuickJS does not show what an iterator has left.',
    promises: 'QuickJS does not show the state of a promise, so that each looks pending.',
    colors: 'The package colors the parts of a regular expression, as a later Node does.',
    'errors without a stack': 'A stack that the program shortened is taken for one of QuickJS.',
    'global objects': 'QuickJS has no `Atomics`.',
  },
  util: {
    types: '`util.types` has the common checks only.',
    'TextEncoder and TextDecoder': '`TextDecoder` knows UTF-8 and UTF-16 only.',
    styleText: 'There is no `styleText`.',
    parseArgs: 'There is no `parseArgs`.',
    structuredClone: 'The clone of an error is an `Error` whatever its class, and a `DataCloneError` has no code.',
    'util.types and errors across require': 'There is no `util.isArray`, which Node has deprecated.',
  },
  path: {
    'parse and format': 'The package is of Node 10, which did not add the dot of an extension.',
    'paths of Windows': 'The package has no `win32`.',
    'wrong arguments': 'The errors of the package have older messages and no code.',
    matchesGlob: 'The package has no `matchesGlob`.',
  },
  assert: {
    'deepStrictEqual of long lists': 'More equal lines are shown around a difference.',
    match: 'A value that is not a string is shown as one.',
    'own messages': 'Node adds the values to a custom message of `strictEqual`.',
    AssertionError: 'An error that is created without an operator has the operator `fail`.',
    partialDeepStrictEqual: 'There is no `partialDeepStrictEqual`.',
    'strict is assert': 'The strict functions are not the same objects.',
    'a failed assertion ends the program': 'The code is not shown after the name of the error.',
    'a failed ok shows its expression': 'The source of the expression is not read.',
  },
  fs: {
    'missing files': 'An error names the whole path and the call of the library, such as `rm` for `unlink`.',
    folders: 'An error names the whole path, and `mkdirSync` does not return the first folder that it made.',
    'folders in place of files':
      'An error names the whole path; a path through a file is `ENOENT`; `rmSync` removes an empty folder.',
    'removing folders': 'An error names the whole path and the call of the library.',
    'entries with types': 'The parent path of an entry is whole.',
    stat: 'A `Stats` has no `isFIFO` and the like.',
    'rename and copy': 'Flags of a copy are ignored, and an error names one path.',
    'copies of folders': 'There is no `cpSync`.',
    'fstat, ftruncate and writes at a position': 'Files are written whole or at their end.',
    flags: 'An error names the whole path and the call of the library.',
    callbacks: 'There is no `exists`.',
    'file handles': 'There are no file handles.',
    links: 'There are no links.',
    'wrong arguments': 'Arguments are not checked.',
    streams: 'There are no streams.',
    constants: 'Only the constants of `access` are there.',
    'times and modes': 'Times and modes cannot be set.',
    'standard input as a file':
      '`/dev/stdin` is the input of the program, which Node cannot open where it is a socket.',
  },
  url: {
    'setting parts': 'A part that is set does not change the others.',
    'inspect of a URL': 'The package shows the address alone.',
    'invalid URLs': 'There is no `URL.parse`.',
    'inspect of URLSearchParams': 'The parameters are not shown.',
    'values with has and delete': '`has` and `delete` ignore the value.',
    'paths of files': 'The protocol is not checked.',
    'the old url.parse': 'There is no `url.parse`, which Node has deprecated.',
    'url.format of a URL': 'There is no `url.format`.',
    querystring: 'There is no module `querystring`.',
    'querystring with separators': 'There is no module `querystring`.',
  },
  stream: {
    'readable from a list': 'There is no module `stream`.',
    'transform and pipeline': 'There is no module `stream`.',
    'duplex and events': 'There is no module `stream`.',
  },
  process: {
    'properties of the process': 'The title is not the path of Node.',
    'environment variables': 'A value that is set does not become a string.',
    'hrtime and memoryUsage': 'There is no `memoryUsage.rss`.',
    'chdir and cwd': 'The error names the call of the library.',
    'stdout returns true and has no columns': '`isTTY` is false and `columns` 80, not missing.',
    getBuiltinModule: 'There is no `getBuiltinModule`.',
    globals: 'There is no `fetch`, `navigator`, `WebAssembly` or `Intl`.',
    'beforeExit can add work': 'Work that a `beforeExit` listener adds is not done.',
    'an unhandled rejection': 'QuickJS does not report unhandled promises; the server says so with the result.',
    'an unhandled rejection of a string':
      'QuickJS does not report unhandled promises; the server says so with the result.',
    'a thrown value that is not an error': 'The value is shown as JSON after `Error:`.',
    'uncaughtException listener': 'An uncaught error always ends the program.',
    'unhandledRejection listener': 'QuickJS does not report unhandled promises; the server says so with the result.',
    'an AggregateError of Promise.any': 'The message is empty in QuickJS, and the errors are not shown.',
    'a top-level await that never settles': 'The warning does not say where.',
    'infinite recursion': 'QuickJS throws an `InternalError`.',
    'a missing variable': 'QuickJS has error messages of its own.',
    'a property of undefined': 'QuickJS has error messages of its own.',
    'a call of a value that is not a function': 'QuickJS has error messages of its own.',
    'a syntax error': 'QuickJS has error messages of its own.',
    'invalid JSON': 'QuickJS has error messages of its own.',
    'an assignment to a constant': 'QuickJS has error messages of its own.',
    'the stack of a caught error': 'A stack of QuickJS does not begin with the error until it has been shown.',
    captureStackTrace: 'QuickJS has no `Error.captureStackTrace`.',
  },
  timers: {
    'timers/promises': 'The error of a cancelled timer has no code.',
    'wrong callbacks': 'The error has no code and does not show the value.',
    disposal: 'QuickJS has no `using`.',
  },
  'readline and stdin': {
    'functions of readline': 'There are no functions for the cursor.',
    'piping standard input': 'There are no streams.',
  },
  console: {
    tables: 'The columns of a table cannot be chosen.',
    'tables of maps and wide characters': 'Maps and sets are empty tables, and wide characters count as one column.',
    'timers of the console': 'A timer that does not run is printed instead of causing a warning.',
    'methods work without their object': 'There is no `console.Console`.',
    'a console with its own streams': 'There is no module `console` with `Console`.',
  },
  modules: {
    'import.meta': '`import.meta` is empty.',
    isBuiltin: 'Only the modules of the library are listed.',
    'the module os': 'There is no `os.constants` and no `os.endianness`.',
    'hmac and getHashes': 'Hashes are the only cryptography.',
    perf_hooks: 'Marks are not recorded.',
    AsyncLocalStorage: 'There is no module `async_hooks`.',
    'require of JSON and files': '`require.main` is missing.',
    'CommonJS from an ES module': 'Some names in `module.exports` are found that Node does not find.',
    'a module that is missing': 'The error has another message.',
    'a package that is missing': 'The error says what to do instead.',
    'require of a missing module': 'The error has the code of an import.',
    'an export that is missing': 'QuickJS has error messages of its own.',
    'a package with exports': 'The field `exports` of a package is not read.',
  },
};

/** All known differences. The parity test fails if one of them no longer exists. */
export const differences: readonly Difference[] = Object.entries(byArea).flatMap(([area, rows]) =>
  Object.entries(rows).map(([name, reason]) => ({ area, name, reason })),
);
