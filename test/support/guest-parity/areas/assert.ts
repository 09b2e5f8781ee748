import { areaOf } from '../parity.ts';

const head = `import assert from 'node:assert/strict'; import loose from 'node:assert';
const said = (act) => { try { act(); console.log('passed'); } catch (error) { console.log(error.name, error.code, error.generatedMessage, error.operator, error.message); } };
`;

/** Programs about `assert`. */
export const assertArea = areaOf(
  'assert',
  {
    'strictEqual of primitives': `${head} said(() => assert.equal(1, 2)); said(() => assert.equal('a', 'b')); said(() => assert.strictEqual(NaN, NaN)); said(() => assert.equal(0, -0)); said(() => assert.equal(undefined, null));`,
    'strictEqual of long strings': `${head} said(() => assert.equal('x'.repeat(60), 'x'.repeat(59) + 'y'));`,
    'strictEqual of multi-line strings': `${head} said(() => assert.equal('one\\ntwo\\nthree', 'one\\n2\\nthree'));`,
    'strictEqual of objects': `${head} said(() => assert.equal({ a: 1 }, { a: 1 })); said(() => assert.strictEqual([1], [1]));`,
    'deepStrictEqual that passes': `${head} said(() => assert.deepEqual({ a: [1, new Map([[1, { b: 2 }]])] }, { a: [1, new Map([[1, { b: 2 }]])] })); said(() => assert.deepEqual(new Set([[1]]), new Set([[1]]))); said(() => assert.notDeepEqual([1], [2]));`,
    'deepStrictEqual of small objects': `${head} said(() => assert.deepEqual({ a: 1 }, { a: 2 })); said(() => assert.deepEqual([1, 2, 3], [1, 2, 4]));`,
    'deepStrictEqual of types': `${head} said(() => assert.deepEqual({ a: 1 }, { a: '1' })); said(() => assert.deepEqual([1], { 0: 1 })); said(() => assert.deepEqual(new Date(0), new Date(1)));`,
    'deepStrictEqual of long lists': `${head} const list = Array.from({ length: 40 }, (_, i) => i); said(() => assert.deepEqual(list, list.with(20, 'x')));`,
    'deepStrictEqual of nested objects': `${head} said(() => assert.deepEqual({ user: { name: 'a', tags: ['x', 'y'] }, n: 1 }, { user: { name: 'b', tags: ['x'] }, n: 1 }));`,
    'ok and its message': `${head} said(() => assert.ok(0, 'zero is not ok')); said(() => assert(1)); said(() => assert.ok(null, new TypeError('own'))); said(() => assert.ok());`,
    notEqual: `${head} said(() => assert.notEqual(1, 1)); said(() => assert.notDeepEqual({ a: 1 }, { a: 1 })); said(() => loose.notEqual(1, '1'));`,
    'loose equality': `${head} said(() => loose.equal(1, '1')); said(() => loose.equal(1, 2)); said(() => loose.deepEqual([1], ['1'])); said(() => loose.deepEqual([1], [2])); said(() => loose.equal(NaN, NaN));`,
    'throws that passes': `${head} said(() => assert.throws(() => { throw new TypeError('bad thing'); }, TypeError)); said(() => assert.throws(() => { throw new Error('bad'); }, /bad/)); said(() => assert.throws(() => { throw new Error('x'); }, { message: 'x' })); said(() => assert.throws(() => { throw new Error('x'); }, (error) => error.message === 'x'));`,
    'throws without an exception': `${head} said(() => assert.throws(() => {})); said(() => assert.throws(() => {}, TypeError)); said(() => assert.throws(() => {}, 'message')); said(() => assert.throws(() => {}, TypeError, 'message'));`,
    'throws of the wrong error': `${head} said(() => assert.throws(() => { throw new Error('x'); }, TypeError)); said(() => assert.throws(() => { throw new Error('abc'); }, /xyz/));`,
    'throws with a wrong property': `${head} said(() => assert.throws(() => { throw Object.assign(new Error('x'), { code: 'A' }); }, { code: 'B' })); said(() => assert.throws(() => { throw new Error('x'); }, () => false));`,
    doesNotThrow: `${head} said(() => assert.doesNotThrow(() => {})); said(() => assert.doesNotThrow(() => { throw new Error('x'); })); said(() => assert.doesNotThrow(() => { throw new Error('x'); }, 'hm'));`,
    rejects: `${head} await assert.rejects(Promise.reject(new Error('no')), /no/); await assert.rejects(async () => { throw new TypeError('x'); }, TypeError); await assert.rejects(Promise.resolve(1)).catch((error) => console.log(error.message)); await assert.doesNotReject(Promise.reject(new Error('z'))).catch((error) => console.log(error.message));`,
    match: `${head} said(() => assert.match('abc', /b/)); said(() => assert.match('abc', /x/)); said(() => assert.doesNotMatch('abc', /b/)); said(() => assert.match(5, /x/));`,
    'fail and ifError': `${head} said(() => assert.fail()); said(() => assert.fail('why')); said(() => assert.ifError(null)); said(() => assert.ifError(new Error('inner'))); said(() => assert.ifError('text'));`,
    'own messages': `${head} said(() => assert.equal(1, 2, 'own')); said(() => assert.deepEqual([], [1], new RangeError('given')));`,
    AssertionError: `${head} const error = new assert.AssertionError({ actual: 1, expected: 2, operator: 'strictEqual' }); console.log(error.message, error.actual, error.expected, error instanceof Error); said(() => { throw new assert.AssertionError({ message: 'm' }); });`,
    partialDeepStrictEqual: `${head} said(() => assert.partialDeepStrictEqual({ a: 1, b: 2 }, { a: 1 })); said(() => assert.partialDeepStrictEqual({ a: 1 }, { a: 2 }));`,
    'strict is assert': `${head} console.log(loose.strict === assert, assert.equal === assert.strictEqual, loose.equal === loose.strictEqual, assert.strict === assert, typeof loose.CallTracker);`,
    'circular values': `${head} const a = {}; a.self = a; const b = {}; b.self = b; said(() => assert.deepEqual(a, b));`,
  },
  [
    {
      name: 'a failed assertion ends the program',
      source: `import assert from 'node:assert/strict'; assert.equal(1, 2);`,
    },
    { name: 'a failed ok shows its expression', source: `import assert from 'node:assert';\nassert.ok(1 === 2);` },
  ],
);
