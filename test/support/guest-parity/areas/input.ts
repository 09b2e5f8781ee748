import { areaOf } from '../parity.ts';

const lines = 'first\nsecond\n\nlast';

/** Programs about standard input and `readline`. */
export const inputArea = areaOf(
  'readline and stdin',
  {
    'functions of readline': `import readline from 'node:readline'; console.log(typeof readline.createInterface, typeof readline.clearLine, typeof readline.cursorTo, typeof readline.promises.createInterface);`,
  },
  [
    {
      name: 'lines by event',
      source: `import readline from 'node:readline'; const rl = readline.createInterface({ input: process.stdin }); rl.on('line', (line) => console.log(JSON.stringify(line))).on('close', () => console.log('closed'));`,
      stdin: lines,
    },
    {
      name: 'lines by iteration',
      source: `import readline from 'node:readline'; for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) console.log(JSON.stringify(line)); console.log('end');`,
      stdin: 'a\r\nb\r\n',
    },
    {
      name: 'question with a callback',
      source: `import readline from 'node:readline'; const rl = readline.createInterface({ input: process.stdin, output: process.stdout }); rl.question('name? ', (name) => { console.log('hello ' + name); rl.question('age? ', (age) => { console.log(age); rl.close(); }); });`,
      stdin: 'Ada\n36\n',
    },
    {
      name: 'question with a promise',
      source: `import { createInterface } from 'node:readline/promises'; const rl = createInterface({ input: process.stdin, output: process.stdout }); const name = await rl.question('name? '); console.log('hello ' + name); rl.close();`,
      stdin: 'Ada\n',
    },
    {
      name: 'prompt',
      source: `import readline from 'node:readline'; const rl = readline.createInterface({ input: process.stdin, output: process.stdout, prompt: '$ ' }); rl.prompt(); rl.on('line', (line) => { console.log('[' + line + ']'); rl.prompt(); }).on('close', () => console.log('bye'));`,
      stdin: 'x\ny\n',
    },
    {
      name: 'an empty input',
      source: `import readline from 'node:readline'; const rl = readline.createInterface({ input: process.stdin }); rl.on('line', () => console.log('never')).on('close', () => console.log('closed'));`,
    },
    {
      name: 'once for the first line',
      source: `import readline from 'node:readline'; import { once } from 'node:events'; const rl = readline.createInterface({ input: process.stdin }); const [line] = await once(rl, 'line'); console.log(line); rl.close();`,
      stdin: lines,
    },
    {
      name: 'data and end of standard input',
      source: `let text = ''; process.stdin.setEncoding('utf8'); process.stdin.on('data', (data) => { text += data; }); process.stdin.on('end', () => console.log(JSON.stringify(text)));`,
      stdin: 'héllo\n',
    },
    {
      name: 'standard input by iteration',
      source: `const parts = []; for await (const part of process.stdin) parts.push(part); console.log(Buffer.concat(parts).toString(), Buffer.isBuffer(parts[0]));`,
      stdin: 'abc',
    },
    {
      name: 'readable and read',
      source: `let text = ''; process.stdin.setEncoding('utf8'); process.stdin.on('readable', () => { for (let part; (part = process.stdin.read()) !== null; ) text += part; }); process.stdin.on('end', () => console.log(text.trim()));`,
      stdin: 'abc\n',
    },
    { name: 'piping standard input', source: `process.stdin.pipe(process.stdout);`, stdin: 'through\n' },
    {
      name: 'reading a line with readSync',
      source: `import { readSync } from 'node:fs'; const data = Buffer.alloc(3); console.log(readSync(0, data, 0, 3, null), data.toString()); console.log(readSync(0, data), data.toString('utf8', 0, 2));`,
      stdin: 'abcde',
    },
  ],
);

/** Programs about `console`. */
export const consoleArea = areaOf(
  'console',
  {
    'log of several values': `console.log('a', 1, { b: [1] }, null, undefined); console.log(); console.log('%s is %d', 'x', 5, 'rest'); console.info('info'); console.debug('debug');`,
    groups: `console.group('one'); console.log('in\\nside'); console.group(); console.log({ a: 1 }); console.groupEnd(); console.groupEnd(); console.log('out');`,
    'count and countReset': `console.count(); console.count('x'); console.count(); console.countReset(); console.count();`,
    'dir and its options': `console.dir({ a: { b: { c: { d: 1 } } } }, { depth: 0 }); console.dir([1, 'x']);`,
    tables: `console.table([{ a: 1, b: 'x' }, { a: 2, c: true }]); console.table([[1, 2], [3, 4]]); console.table(['p', 'q']); console.table({ r: { v: 1 }, s: { v: 2 } }); console.table(5); console.table([{ a: 1, b: 2 }], ['b']);`,
    'tables of maps and wide characters': `console.table(new Map([['k', { v: 1 }]])); console.table(new Set([1])); console.table([{ 名: '漢字', n: 'é' }]); console.table([]);`,
    'timers of the console': `console.time('t'); console.timeEnd('t2') ?? console.log('end');`,
    'methods work without their object': `const { log } = console; [1, 2].forEach((n) => log(n)); console.log(typeof console.Console, Object.keys(console).slice(0, 5));`,
    'a console with its own streams': `import { Console } from 'node:console'; const own = new Console({ stdout: { write: (text) => { console.log('[' + text.trim() + ']'); } } }); own.log('x', { a: 1 });`,
    'zero bytes': `console.log('a\\0b', ['c\\0d']);`,
  },
  [
    {
      name: 'warn and error',
      source: `console.warn('careful', { a: 1 }); console.error(new Error('shown').message); console.log('out');`,
    },
    {
      name: 'assert',
      source: `console.assert(true, 'never'); console.assert(false, 'said %s', 'x'); console.assert(false);`,
    },
    { name: 'trace', source: `console.trace('where');` },
    { name: 'an error that is logged', source: `console.error(new TypeError('logged')); console.log('end');` },
  ],
);

/** Programs about modules. */
export const moduleArea = areaOf(
  'modules',
  {
    'node: and bare names are the same': `import fs from 'fs'; import nodeFs from 'node:fs'; console.log(fs === nodeFs, (await import('fs')).default === fs);`,
    'import.meta': `console.log(import.meta.url.startsWith('file:///'), typeof import.meta.dirname, typeof import.meta.filename, typeof import.meta.resolve);`,
    isBuiltin: `import { isBuiltin, builtinModules } from 'node:module'; console.log(isBuiltin('fs'), isBuiltin('node:fs'), isBuiltin('left-pad'), builtinModules.includes('path'), builtinModules.includes('http'));`,
    'the module os': `import os from 'node:os'; console.log(os.EOL, os.platform(), os.type(), typeof os.cpus().length, os.tmpdir(), typeof os.totalmem(), os.constants?.signals?.SIGINT, os.endianness?.());`,
    hashes: `import { createHash } from 'node:crypto'; console.log(createHash('sha256').update('a').update(Buffer.from('b')).digest('hex'), createHash('md5').update('x').digest('base64'), createHash('sha1').digest().length);`,
    'random values': `import crypto from 'node:crypto'; console.log(crypto.randomBytes(4).length, crypto.randomUUID().length, crypto.randomInt(5) < 5, crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a')), globalThis.crypto.getRandomValues(new Uint8Array(2)).length);`,
    'hmac and getHashes': `import crypto from 'node:crypto'; console.log(crypto.createHmac('sha256', 'key').update('x').digest('hex'), crypto.hash('sha1', 'x'));`,
    perf_hooks: `import { performance } from 'node:perf_hooks'; console.log(performance === globalThis.performance, performance.now() > 0, typeof performance.timeOrigin, performance.mark('a').name);`,
    AsyncLocalStorage: `import { AsyncLocalStorage } from 'node:async_hooks'; const store = new AsyncLocalStorage(); store.run(5, () => console.log(store.getStore()));`,
  },
  [
    {
      name: 'require of JSON and files',
      entry: 'main.cjs',
      source: `const data = require('./data.json'); const { twice } = require('./lib/math'); console.log(twice(data.n), module.exports === exports, __filename.endsWith('main.cjs'), require.main === module);`,
      files: { 'data.json': '{"n": 21}', 'lib/math.js': 'exports.twice = (n) => n * 2;' },
    },
    {
      name: 'CommonJS from an ES module',
      source: `import lib, { named } from './lib.cjs'; console.log(lib.named === named, named(), lib.other);`,
      files: { 'lib.cjs': 'module.exports = { named: () => "n", other: 1 };' },
    },
    {
      name: 'circular modules',
      entry: 'main.cjs',
      source: `const a = require('./a.cjs'); console.log(a.done, a.b.sawDone);`,
      files: {
        'a.cjs': 'exports.done = false; exports.b = require("./b.cjs"); exports.done = true;',
        'b.cjs': 'exports.sawDone = require("./a.cjs").done;',
      },
    },
    { name: 'a module that is missing', source: `import './none.mjs';` },
    { name: 'a package that is missing', source: `import 'left-pad';` },
    {
      name: 'require of a missing module',
      entry: 'main.cjs',
      source: `try { require('./none'); } catch (error) { console.log(error.code, error.message.split('\\n')[0].replace(/'.*none'/, "'none'")); }`,
    },
    {
      name: 'an export that is missing',
      source: `import { none } from './lib.mjs'; console.log(none);`,
      files: { 'lib.mjs': 'export const some = 1;' },
    },
    {
      name: 'a package with exports',
      source: `import { value } from 'pack'; import { sub } from 'pack/sub'; console.log(value, sub);`,
      files: {
        'node_modules/pack/package.json':
          '{"name":"pack","type":"module","exports":{".":"./lib/main.js","./sub":"./lib/sub.js"}}',
        'node_modules/pack/lib/main.js': 'export const value = 1;',
        'node_modules/pack/lib/sub.js': 'export const sub = 2;',
      },
    },
    {
      name: 'a package with main',
      entry: 'main.cjs',
      source: `console.log(require('pack').value, require('pack/other'));`,
      files: {
        'node_modules/pack/package.json': '{"name":"pack","main":"lib/main"}',
        'node_modules/pack/lib/main.js': 'module.exports = { value: 1 };',
        'node_modules/pack/other.js': 'module.exports = 2;',
      },
    },
    {
      name: 'dynamic import and JSON',
      source: `const { default: data } = await import('./data.json', { with: { type: 'json' } }); console.log(data.a); await import('./bad.mjs').catch((error) => console.log(error.name));`,
      files: { 'data.json': '{"a":1}', 'bad.mjs': 'throw new SyntaxError("own");' },
    },
    {
      name: 'this and the globals of CommonJS',
      entry: 'main.cjs',
      source: `console.log(this === module.exports, typeof __dirname, typeof require.resolve, require('node:path') === require('path'), Object.keys(require.cache).length);`,
    },
  ],
);
