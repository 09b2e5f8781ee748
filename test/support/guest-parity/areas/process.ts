import { areaOf } from '../parity.ts';

/** Programs about `process` and uncaught errors. */
export const processArea = areaOf(
  'process',
  {
    'properties of the process': `console.log(process.argv.length >= 2, typeof process.pid, process.platform, process.title, typeof process.uptime(), process.execArgv, process.release.name, typeof process.versions.node, process.exitCode);`,
    'arguments are strings': `console.log(process.argv.every((arg) => typeof arg === 'string'), Array.isArray(process.argv));`,
    'environment variables': `process.env.NUMBER = 5; console.log(typeof process.env.NUMBER, process.env.NONE, 'NUMBER' in process.env, delete process.env.NUMBER, process.env.NUMBER);`,
    'hrtime and memoryUsage': `const from = process.hrtime(); const [s, n] = process.hrtime(from); console.log(typeof s, typeof n, typeof process.hrtime.bigint(), Object.keys(process.memoryUsage()), typeof process.memoryUsage.rss);`,
    'chdir and cwd': `const before = process.cwd(); process.chdir('/tmp'); console.log(process.cwd()); process.chdir(before); try { process.chdir('/nowhere'); } catch (error) { console.log(error.code, error.syscall); }`,
    'nextTick before promises': `const order = []; process.nextTick(() => order.push('tick')); Promise.resolve().then(() => order.push('promise')); queueMicrotask(() => order.push('micro')); await new Promise((done) => setImmediate(done)); console.log(order.sort());`,
    'stdout returns true and has no columns': `console.log(process.stdout.write(''), process.stdout.isTTY, process.stderr.fd, process.stdout.columns);`,
    getBuiltinModule: `console.log(process.getBuiltinModule?.('node:path') === (await import('node:path')).default, process.getBuiltinModule?.('nope'));`,
    globals: `console.log(typeof globalThis, global === globalThis, typeof fetch, typeof performance.now(), typeof crypto.randomUUID(), typeof navigator, typeof structuredClone, typeof WebAssembly, typeof Intl, typeof require);`,
  },
  [
    {
      name: 'arguments',
      source: `console.log(process.argv.slice(2)); console.log(process.argv[1].endsWith('main.mjs'));`,
      args: ['one', '--two=3', ''],
    },
    { name: 'exit code by exitCode', source: `process.exitCode = 3; console.log('end');` },
    {
      name: 'exit in the middle',
      source: `process.on('exit', (code) => console.log('exit', code, process.exitCode)); setTimeout(() => console.log('never'), 10); console.log('a'); process.exit(4); console.log('never');`,
    },
    { name: 'exit inside try and finally', source: `try { process.exit(5); } finally { console.log('never'); }` },
    {
      name: 'beforeExit can add work',
      source: `let times = 0; process.on('beforeExit', () => { console.log('before'); if (times++ === 0) setTimeout(() => console.log('more'), 1); }); process.on('exit', () => console.log('exit'));`,
    },
    { name: 'an exit listener that sets the code', source: `process.on('exit', () => { process.exitCode = 9; });` },
    {
      name: 'an uncaught error',
      source: `console.log('before');\nfunction fail() { throw new TypeError('bad thing'); }\nfail();`,
    },
    {
      name: 'an uncaught error in a timer',
      source: `setTimeout(() => { throw new RangeError('late'); }, 1); setTimeout(() => console.log('never'), 50);`,
    },
    {
      name: 'an unhandled rejection',
      source: `Promise.reject(new Error('nobody')); setTimeout(() => console.log('never'), 50);`,
    },
    {
      name: 'an unhandled rejection of a string',
      source: `Promise.reject('text'); setTimeout(() => console.log('never'), 50);`,
    },
    {
      name: 'a rejection that is handled later',
      source: `const failed = Promise.reject(new Error('x')); setImmediate(() => {}); await null; failed.catch((error) => console.log('caught', error.message));`,
    },
    { name: 'a thrown value that is not an error', source: `throw { code: 5 };` },
    { name: 'a thrown string', source: `throw 'just text';` },
    {
      name: 'uncaughtException listener',
      source: `process.on('uncaughtException', (error, origin) => console.log('caught', error.message, origin)); setTimeout(() => console.log('goes on'), 5); setTimeout(() => { throw new Error('x'); }, 1);`,
    },
    {
      name: 'unhandledRejection listener',
      source: `process.on('unhandledRejection', (reason) => console.log('unhandled', reason.message)); Promise.reject(new Error('r'));`,
    },
    { name: 'an error with a cause', source: `throw new Error('outer', { cause: new Error('inner') });` },
    {
      name: 'an error of a custom class',
      source: `class Own extends Error { constructor(text) { super(text); this.name = 'Own'; this.extra = 1; } } throw new Own('mine');`,
    },
    { name: 'an AggregateError of Promise.any', source: `await Promise.any([Promise.reject(new Error('a'))]);` },
    { name: 'a top-level await that never settles', source: `console.log('waits'); await new Promise(() => {});` },
    {
      name: 'infinite recursion',
      source: `const down = () => down() + 1; try { down(); } catch (error) { console.log(error.name); }`,
    },
    { name: 'emitWarning', source: `process.emitWarning('careful'); console.log('end');` },
    { name: 'a missing variable', source: `console.log(undefinedVariable);` },
    { name: 'a property of undefined', source: `const value = {}; console.log(value.a.b);` },
    { name: 'a call of a value that is not a function', source: `const value = { a: 1 }; value.a();` },
    { name: 'a syntax error', source: `console.log('never'); let = = 1;` },
    { name: 'invalid JSON', source: `JSON.parse('{"a": x}');` },
    { name: 'an assignment to a constant', source: `const a = 1; a = 2;` },
    {
      name: 'the stack of a caught error',
      source: `function inner() { return new Error('here'); }\nconst { stack } = inner();\nconsole.log(stack.split('\\n')[0]); console.log(stack.split('\\n')[1].trim().split(' ').slice(0, 2));`,
    },
    {
      name: 'captureStackTrace',
      source: `const target = {}; Error.captureStackTrace(target); console.log(typeof target.stack, Error.stackTraceLimit);`,
    },
    {
      name: 'writes to both outputs',
      source: `process.stdout.write('a'); process.stderr.write('b\\n'); process.stdout.write('c\\n', () => console.log('written'));`,
    },
  ],
);

/** Programs about timers. */
export const timersArea = areaOf(
  'timers',
  {
    'order of timers and microtasks': `const order = []; setTimeout(() => order.push('timeout'), 0); setImmediate(() => order.push('immediate')); process.nextTick(() => order.push('tick')); Promise.resolve().then(() => order.push('then')); await new Promise((done) => setTimeout(done, 20)); console.log(order.slice(0, 2).sort(), order.slice(2).sort());`,
    'timers by their delay': `const order = []; setTimeout(() => order.push(30), 30); setTimeout(() => order.push(10), 10); setTimeout((...args) => order.push(args), 20, 'a', 'b'); await new Promise((done) => setTimeout(done, 60)); console.log(order);`,
    clearing: `const order = []; const one = setTimeout(() => order.push('never'), 1); clearTimeout(one); clearTimeout(undefined); clearTimeout('x'); const two = setImmediate(() => order.push('never')); clearImmediate(two); await new Promise((done) => setTimeout(done, 10)); console.log(order);`,
    intervals: `let n = 0; await new Promise((done) => { const every = setInterval(() => { if (++n === 3) { clearInterval(every); done(); } }, 1); }); console.log(n);`,
    'the object of a timer': `const timer = setTimeout(() => {}, 1); console.log(timer.hasRef(), timer.unref() === timer, timer.hasRef(), timer.ref() === timer, typeof timer[Symbol.toPrimitive](), timer.constructor.name); clearTimeout(timer);`,
    refresh: `const order = []; const wait = () => new Promise((done) => setTimeout(done, 20)); const timer = setTimeout(() => order.push('fired'), 1); await wait(); console.log(timer.refresh() === timer); await wait(); console.log(order);`,
    'timers/promises': `import { setTimeout as wait, setImmediate as soon, setInterval as every } from 'node:timers/promises'; console.log(await wait(1, 'value'), await soon('now')); let n = 0; for await (const value of every(1, 'tick')) { console.log(value); if (++n === 2) break; } await wait(1000, null, { signal: AbortSignal.abort() }).catch((error) => console.log(error.name, error.code));`,
    'wrong callbacks': `try { setTimeout('text'); } catch (error) { console.log(error.name, error.code, error.message); }`,
    disposal: `{ using timer = setTimeout(() => console.log('never'), 1); } console.log('end');`,
  },
  [
    {
      name: 'an unrefed timer does not hold the program',
      source: `setTimeout(() => console.log('never'), 1000).unref(); console.log('end');`,
    },
    {
      name: 'nested timers',
      source: `setTimeout(() => { console.log(1); setTimeout(() => { console.log(2); Promise.resolve().then(() => console.log(3)); }, 1); }, 1); console.log(0);`,
    },
  ],
);
