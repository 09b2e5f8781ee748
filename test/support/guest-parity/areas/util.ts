import { areaOf } from '../parity.ts';

/** Programs about `util.inspect`. */
export const inspectArea = areaOf('util.inspect', {
  primitives: `console.log([1, -0, 1e21, 1n, 'a', "it's", 'both "\\'', true, null, undefined, Symbol('s'), NaN]);`,
  'strings with control characters': `console.log(['a\\nb\\t\\u0001\\u007f', 'é😀', '\\\\', '\\ud800']);`,
  'objects in one line and in several': `
    console.log({ a: 1, b: 'two', 'c-d': [1, 2], 1: true });
    console.log({ first: 'x'.repeat(30), second: 'y'.repeat(30), third: 'z'.repeat(30) });`,
  depth: `console.log({ a: { b: { c: { d: 1 } } }, e: [[[[1]]]] });`,
  'long arrays of numbers': `console.log(Array.from({ length: 120 }, (_, i) => i)); console.log(Array.from({ length: 27 }, (_, i) => i * 1000));`,
  'long arrays of strings': `console.log(Array.from({ length: 30 }, (_, i) => 'item' + i)); console.log(['a', 'b', 'c', 'd', 'e', 'f', 'g']);`,
  'arrays with holes and properties': `const list = [1, , , 4, ,]; list.name = 'x'; list[-1] = 2; console.log(list, new Array(5), [undefined, null]);`,
  'maps and sets': `
    console.log(new Map([['a', { b: 1 }], [{ k: 1 }, new Set([1, 'two'])]]), new Set(), new Map(), [new Map([[1, 2]])]);
    console.log({ deep: { er: { map: new Map([[1, 2]]) } } });`,
  'iterators and weak collections': `console.log(new Map([[1, 2]]).entries(), new Set([1]).values(), new WeakMap(), new WeakSet(), [][Symbol.iterator]());`,
  'functions and classes': `
    class A {} class B extends A {} function named() {} async function later() {} function* many() {}
    console.log(A, B, named, () => {}, later, many, [named], { method() {} }, Object.assign(() => {}, { x: 1 }), Math.max);`,
  'instances and prototypes': `
    class Point { constructor() { this.x = 1; } get y() { return 2; } #hidden = 3; }
    class Empty {}
    console.log(new Point(), new Empty(), Object.create(null), Object.assign(Object.create(null), { a: 1 }), Object.create(new Point()), Object.create({}));`,
  'Symbol.toStringTag': `
    class Tagged { get [Symbol.toStringTag]() { return 'tag'; } }
    console.log(new Tagged(), { [Symbol.toStringTag]: 'T', a: 1 }, globalThis[Symbol.toStringTag]);`,
  accessors: `console.log({ get a() { return 1; }, set b(value) {}, get c() { return 1; }, set c(value) {} });`,
  'symbols as keys': `console.log({ [Symbol('k')]: 1, [Symbol.iterator]: 2, [Symbol()]: 3 });`,
  'circular references': `const a = { name: 'a' }; a.self = a; a.list = [a, { a }]; console.log(a); const m = new Map(); m.set('m', m); console.log(m);`,
  'two circles': `const a = {}; const b = { a }; a.b = b; console.log([a, b]);`,
  'dates and regular expressions': `console.log(new Date(0), [new Date(NaN)], /a+/gi, { r: /x/ }, Object.assign(/y/, { z: 1 }));`,
  'boxed primitives': `console.log(new Number(3), new String('ab'), new Boolean(false), Object(1n), Object(Symbol('s')), [new String('x')]);`,
  'typed arrays': `console.log(new Uint8Array([1, 2]), new Float64Array(2), new ArrayBuffer(4), new DataView(new ArrayBuffer(2)), new BigInt64Array(1));`,
  promises: `console.log(Promise.resolve(1), new Promise(() => {}), [Promise.resolve({ a: 1 })]); const bad = Promise.reject(new RangeError('x')); bad.catch(() => {});`,
  proxies: `console.log(new Proxy({ a: 1 }, {}), new Proxy(() => {}, {}), new Proxy([1, 2], {}));`,
  'arguments and generators': `(function () { console.log(arguments); })(1, 2); console.log((function* () {})()); console.log(Object.prototype.toString.call((function () { return arguments; })()));`,
  'a custom inspect': `
    import { inspect } from 'node:util';
    class Money { [inspect.custom](depth, options) { return 'Money<' + depth + ' ' + typeof options.stylize + '>'; } }
    console.log(new Money(), [new Money()], { a: { b: new Money() } });`,
  'options of inspect': `
    import { inspect } from 'node:util';
    const value = { b: { c: { d: { e: 1 } } }, a: [3, 1] };
    console.log(inspect(value, { depth: 0 }), inspect(value, { depth: null, compact: false }), inspect(value, { sorted: true, breakLength: Infinity, depth: null }));
    console.log(inspect('x'.repeat(20), { maxStringLength: 5 }), inspect([1, 2, 3, 4], { maxArrayLength: 2 }), inspect({ get a() { return 5; } }, { getters: true }));`,
  colors: `
    import { inspect } from 'node:util';
    console.log(JSON.stringify(inspect({ a: 1, b: 'x', c: null, d: undefined, e: true, f: Symbol('s'), g: /r/, h: new Date(0), i: () => {} }, { colors: true })));`,
  'showHidden and numericSeparator': `
    import { inspect } from 'node:util';
    console.log(inspect([1], { showHidden: true }), inspect(123456789.12345, { numericSeparator: true }), inspect({ a: 1n ** 2n }, { compact: 1 }));`,
  'errors with properties and causes': `
    import { inspect } from 'node:util';
    const head = (value) => inspect(value).split('\\n').filter((line) => !/^\\s+at /.test(line)).join('|');
    const error = Object.assign(new TypeError('bad'), { code: 'EBAD', info: { a: 1 } });
    console.log(head(error)); console.log(head(new Error('outer', { cause: 'why' }))); console.log(head(new Error('outer', { cause: new Error('inner') })));`,
  'errors without a stack': `
    const error = new Error('bare'); error.stack = undefined; console.log([Object.assign(new Error('none'), { stack: 'Error: none' })]);
    class Own extends Error { name = 'Own'; } const own = new Own('mine'); own.stack = own.stack.split('\\n')[0]; console.log(own);`,
  'an AggregateError': `
    import { inspect } from 'node:util';
    console.log(inspect(new AggregateError([new Error('one'), 2], 'several')).split('\\n').filter((line) => !/^\\s+at /.test(line)).join('|'));`,
  'nested arrays of objects': `console.log([{ id: 1, tags: ['a', 'b'] }, { id: 2, tags: [] }, { id: 3, nested: { deep: { deeper: {} } } }]);`,
  'multi-line strings in objects': `console.log({ text: 'line one\\nline two\\n'.repeat(3) }); console.log(['a\\nb'.repeat(12)]);`,
  'global objects': `console.log(Math, JSON, Reflect, Atomics === undefined);`,
});

/** Programs about the rest of `util`. */
export const utilArea = areaOf('util', {
  'format directives': `
    import { format } from 'node:util';
    console.log(format('%s %s %s', 'a', 1, { b: { c: { d: 1 } } }), format('%d %i %f', '42.5', '42.5', '1.25'), format('%j', { a: [1] }), format('%o', { f() {} }), format('%O', { a: { b: { c: { d: 1 } } } }));
    console.log(format('%% %s'), format('%x', 1), format('a', 'b', { c: 1 }), format(1, 2, '3'), format('%c styled', 'css'), format('%s', -0, 5n, Symbol('x')));`,
  'format of classes, errors and null': `
    import { format } from 'node:util';
    class A { toString() { return 'own'; } } class B {}
    console.log(format('%s %s %s %s', new A(), new B(), null, undefined), format('%s', () => 1), format('%s', class X {}), format('%d', 'x'), format('%s', new Date(0)));
    console.log(format('%s', new Error('bad')).split('\\n')[0], format('%s', [1, [2, [3]]]), format('%s', 12345678901234567890n));`,
  formatWithOptions: `import { formatWithOptions } from 'node:util'; console.log(formatWithOptions({ compact: false }, '%O', { a: { b: 1 } }));`,
  promisify: `
    import { promisify } from 'node:util';
    const add = (a, b, done) => setTimeout(() => (a < 0 ? done(new Error('negative')) : done(null, a + b)), 1);
    console.log(await promisify(add)(1, 2)); await promisify(add)(-1, 2).catch((error) => console.log(error.message));`,
  'promisify with a custom symbol': `
    import { promisify } from 'node:util';
    const act = () => {}; act[promisify.custom] = () => Promise.resolve('custom'); console.log(await promisify(act)(), typeof promisify.custom);
    console.log(await promisify(setTimeout)(1, 'late')); try { promisify(5); } catch (error) { console.log(error.name, error.code); }`,
  callbackify: `
    import { callbackify } from 'node:util';
    callbackify(async (x) => x * 2)(4, (error, value) => console.log(error, value));
    callbackify(async () => { throw new Error('no'); })((error) => console.log(error.message)); await new Promise((done) => setTimeout(done, 5));`,
  inherits: `
    import { inherits } from 'node:util'; function A() {} A.prototype.hi = () => 'hi'; function B() {} inherits(B, A);
    console.log(new B().hi(), B.super_ === A, new B() instanceof A);`,
  'deprecate returns a working function': `import { deprecate } from 'node:util'; console.log(typeof deprecate((x) => x + 1, 'old', 'DEP1'));`,
  isDeepStrictEqual: `
    import { isDeepStrictEqual as same } from 'node:util';
    console.log(same({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }), same([1], ['1']), same(new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1])), same(new Map([[{ k: 1 }, 1]]), new Map([[{ k: 1 }, 1]])));
    console.log(same(NaN, NaN), same(0, -0), same([1, , 3], [1, undefined, 3]), same(new Date(1), new Date(1)), same(/a/g, /a/i), same(new Uint8Array([1]), new Uint8Array([1])), same({ a: undefined }, {}));
    console.log(same(Object.create(null), {}), same(new Error('a'), new Error('a')), same([1, 2], [1, 3]), same(Buffer.from('a'), Buffer.from('a')), same(new Number(1), new Number(2)));`,
  types: `
    import { types } from 'node:util';
    console.log(types.isPromise(Promise.resolve()), types.isDate(new Date()), types.isRegExp(/x/), types.isMap(new Map()), types.isSet(new Set()), types.isNativeError(new Error()), types.isTypedArray(new Uint8Array()), types.isUint8Array(Buffer.alloc(1)));
    console.log(types.isGeneratorFunction(function* () {}), types.isAsyncFunction(async () => {}), types.isProxy({}), types.isBoxedPrimitive(Object(1)), types.isArrayBuffer(new ArrayBuffer(1)), types.isAnyArrayBuffer(new ArrayBuffer(1)), types.isWeakMap(new WeakMap()));`,
  'TextEncoder and TextDecoder': `
    console.log(new TextEncoder().encode('é€'), new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])), new TextEncoder().encodeInto('abc', new Uint8Array(2)));
    console.log(new TextDecoder('utf-16le').decode(new Uint8Array([0x61, 0])), new TextDecoder('latin1').encoding, new TextDecoder().encoding);`,
  'a fatal TextDecoder': `try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])); } catch (error) { console.log(error.name, error.code); }`,
  'a streaming TextDecoder': `const decoder = new TextDecoder(); console.log(JSON.stringify(decoder.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + decoder.decode(new Uint8Array([0xac]))));`,
  stripVTControlCharacters: `import { stripVTControlCharacters as strip } from 'node:util'; console.log(strip('\\x1b[31mred\\x1b[39m'), strip('a\\x1b]8;;http://x\\x07b'));`,
  styleText: `import { styleText } from 'node:util'; console.log(JSON.stringify(styleText('red', 'x', { validateStream: false })), JSON.stringify(styleText(['bold', 'green'], 'y', { validateStream: false })));`,
  parseArgs: `
    import { parseArgs } from 'node:util';
    console.log(parseArgs({ args: ['-v', '--name', 'x', '--n=1', 'rest'], options: { verbose: { type: 'boolean', short: 'v' }, name: { type: 'string' }, n: { type: 'string', multiple: true } }, allowPositionals: true }));
    try { parseArgs({ args: ['--what'], options: {} }); } catch (error) { console.log(error.code); }`,
  'toUSVString and inspect.defaultOptions': `import util from 'node:util'; console.log(util.toUSVString('a\\ud800'), util.inspect.defaultOptions.depth, util.inspect.custom);`,
  structuredClone: `
    const value = { date: new Date(0), map: new Map([['a', new Set([1])]]), bytes: new Uint8Array([1, 2]), big: 1n, re: /x/g, error: new TypeError('bad'), nested: { list: [1, , 3] } };
    value.self = value; const copy = structuredClone(value); console.log(copy.self === copy, copy.map, copy.bytes, copy.re, copy.date, copy.error instanceof TypeError, copy.nested);
    try { structuredClone(() => {}); } catch (error) { console.log(error.name, error.code); }`,
  'util.types and errors across require': `
    import { createRequire } from 'node:module'; import util from 'node:util'; const require = createRequire(import.meta.url);
    console.log(require('util') === util, require('node:util').inspect === util.inspect, typeof util.debuglog('x'), util.isArray?.([]));`,
});
