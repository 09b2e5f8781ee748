import { messageOf } from './assert-message.ts';
import { equal as deep, inspect } from './util.ts';

/* `node:assert`. */

interface Failure {
  /** Whether the message was generated, and not passed by the caller. Default: true without a message. */
  readonly generated?: boolean;
  readonly message?: string | Error | undefined;
  readonly actual?: unknown;
  readonly expected?: unknown;
  readonly operator?: string;
}

export class AssertionError extends Error {
  readonly code = 'ERR_ASSERTION';
  readonly actual: unknown;
  readonly expected: unknown;
  readonly operator: string;
  readonly generatedMessage: boolean;

  constructor({ message, actual, expected, operator = 'fail', generated }: Failure) {
    super(typeof message === 'string' ? message : messageOf(operator, actual, expected));
    this.name = 'AssertionError';
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    this.generatedMessage = generated ?? message === undefined;
  }
}

type Message = string | Error | undefined;

/** Throws unless `holds` is true. The error has the caller's message, or else that of the failure. */
function check(holds: boolean, message: Message, failure: Failure): void {
  if (holds) return;
  if (message instanceof Error) throw message;
  if (message !== undefined) throw new AssertionError({ ...failure, message, generated: false });
  throw new AssertionError({ ...failure, generated: true });
}

function assert(...args: [value?: unknown, message?: Message]): void {
  const [value, message] = args;
  const otherwise =
    args.length === 0 ? 'No value argument passed to `assert.ok()`' : 'The expression evaluated to a falsy value';
  check(Boolean(value), message, { message: otherwise, actual: value, expected: true, operator: '==' });
}
export const ok = assert;
export function fail(message?: Message): never {
  if (message instanceof Error) throw message;
  throw new AssertionError({ message: message ?? 'Failed', generated: message === undefined });
}
export function strictEqual(actual: unknown, expected: unknown, message?: Message): void {
  check(Object.is(actual, expected), message, { actual, expected, operator: 'strictEqual' });
}
export function notStrictEqual(actual: unknown, expected: unknown, message?: Message): void {
  check(!Object.is(actual, expected), message, { actual, expected, operator: 'notStrictEqual' });
}
export function equal(actual: unknown, expected: unknown, message?: Message): void {
  // biome-ignore lint/suspicious/noDoubleEquals: this is what it is for.
  const holds = actual == expected || (Number.isNaN(actual) && Number.isNaN(expected));
  const otherwise = `${inspect(actual)} == ${inspect(expected)}`;
  check(holds, message, { message: otherwise, actual, expected, operator: '==' });
}
export function notEqual(actual: unknown, expected: unknown, message?: Message): void {
  const otherwise = `${inspect(actual)} != ${inspect(expected)}`;
  // biome-ignore lint/suspicious/noDoubleEquals: this is what it is for.
  check(actual != expected, message, { message: otherwise, actual, expected, operator: '!=' });
}
export function deepStrictEqual(actual: unknown, expected: unknown, message?: Message): void {
  check(deep(actual, expected, true, new Map()), message, { actual, expected, operator: 'deepStrictEqual' });
}
export function notDeepStrictEqual(actual: unknown, expected: unknown, message?: Message): void {
  check(!deep(actual, expected, true, new Map()), message, { actual, expected, operator: 'notDeepStrictEqual' });
}
export function deepEqual(actual: unknown, expected: unknown, message?: Message): void {
  check(deep(actual, expected, false, new Map()), message, { actual, expected, operator: 'deepEqual' });
}
export function notDeepEqual(actual: unknown, expected: unknown, message?: Message): void {
  check(!deep(actual, expected, false, new Map()), message, { actual, expected, operator: 'notDeepEqual' });
}
export function match(text: string, pattern: RegExp, message?: Message): void {
  const otherwise = `The input did not match the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`;
  check(pattern.test(text), message, { message: otherwise, actual: text, expected: pattern, operator: 'match' });
}
export function doesNotMatch(text: string, pattern: RegExp, message?: Message): void {
  const otherwise = `The input was expected to not match the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`;
  check(!pattern.test(text), message, {
    message: otherwise,
    actual: text,
    expected: pattern,
    operator: 'doesNotMatch',
  });
}

type Expected =
  | RegExp
  | (new (
      ...args: never[]
    ) => unknown)
  | ((error: unknown) => boolean)
  | Record<string, unknown>
  | string;

/** The properties of an error that are compared. The class has the name that Node shows. */
class Comparison {
  constructor(from: object, keys: readonly string[]) {
    for (const key of keys) if (key in from) Object.assign(this, { [key]: Reflect.get(from, key) });
  }
}

function checkError(error: unknown, expected: Expected | undefined, message: Message, operator: string): void {
  if (expected === undefined || typeof expected === 'string') return;
  const failure = { actual: error, expected, operator };
  if (expected instanceof RegExp) {
    const otherwise = `The input did not match the regular expression ${expected}. Input:\n\n${inspect(String(error))}\n`;
    check(expected.test(String(error)), message, { ...failure, message: otherwise });
    return;
  }
  if (typeof expected === 'function') {
    if (expected.prototype !== undefined && error instanceof (expected as new () => object)) return;
    if (expected === Error || expected.prototype instanceof Error) {
      const received = error instanceof Error ? error.constructor.name : inspect(error);
      const text = error instanceof Error ? `\n\nError message:\n\n${error.message}` : '';
      const otherwise = `The error is expected to be an instance of "${expected.name}". Received "${received}"${text}`;
      check(false, message, { ...failure, message: otherwise });
    }
    const returned = (expected as (error: unknown) => unknown)(error);
    const otherwise = `The ${expected.name ? `"${expected.name}" ` : ''}validation function is expected to return "true". Received ${inspect(returned)}\n\nCaught error:\n\n${error instanceof Error ? String(error) : inspect(error)}`;
    check(returned === true, message, { ...failure, message: otherwise });
    return;
  }
  checkProperties(error, expected, message, operator);
}

function checkProperties(error: unknown, expected: object, message: Message, operator: string): void {
  const keys = [...Object.keys(expected), ...(expected instanceof Error ? ['name', 'message'] : [])];
  for (const key of keys) {
    const [found, wanted]: unknown[] = [Reflect.get(Object(error), key), Reflect.get(expected, key)];
    const holds =
      wanted instanceof RegExp && typeof found === 'string' ? wanted.test(found) : deep(found, wanted, true, new Map());
    if (holds) continue;
    const [actual, other] = [new Comparison(Object(error), keys), new Comparison(expected, keys)];
    const otherwise = messageOf('deepStrictEqual', actual, other);
    check(false, message, { message: otherwise, actual: error, expected, operator });
  }
}

interface Caught {
  readonly error: unknown;
}

/** Checks what a function threw, or that a promise was rejected. */
function checkCaught(caught: Caught | null, expected: Expected | undefined, message: Message, operator: string): void {
  if (caught) {
    checkError(caught.error, expected, message, operator);
    return;
  }
  if (message instanceof Error) throw message;
  const name = typeof expected === 'function' && expected.name !== '' ? ` (${expected.name})` : '';
  const own = typeof expected === 'string' ? expected : message;
  const what = `Missing expected ${operator === 'rejects' ? 'rejection' : 'exception'}${name}`;
  throw new AssertionError({
    message: `${what}${own === undefined ? '.' : `: ${own}`}`,
    expected,
    operator,
    generated: false,
  });
}

function unwanted(error: unknown, message: Message, operator: string): never {
  if (message instanceof Error) throw message;
  const what = `Got unwanted ${operator === 'doesNotReject' ? 'rejection' : 'exception'}`;
  const text = error instanceof Error ? error.message : String(error);
  const whole = `${what}${message === undefined ? '.' : `: ${message}`}\nActual message: "${text}"`;
  throw new AssertionError({ message: whole, actual: error, operator, generated: false });
}

export function throws(act: () => unknown, expected?: Expected, message?: Message): void {
  let caught: Caught | null = null;
  try {
    act();
  } catch (error) {
    caught = { error };
  }
  checkCaught(caught, expected, message, 'throws');
}
export function doesNotThrow(act: () => unknown, message?: Message): void {
  try {
    act();
  } catch (error) {
    unwanted(error, message, 'doesNotThrow');
  }
}
type Work = Promise<unknown> | (() => Promise<unknown>);
export async function rejects(work: Work, expected?: Expected, message?: Message): Promise<void> {
  let caught: Caught | null = null;
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    caught = { error };
  }
  checkCaught(caught, expected, message, 'rejects');
}
export async function doesNotReject(work: Work, message?: Message): Promise<void> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    unwanted(error, message, 'doesNotReject');
  }
}
export function ifError(value: unknown): void {
  if (value === null || value === undefined) return;
  const text = value instanceof Error ? value.message || value.name : inspect(value);
  const message = `ifError got unwanted exception: ${text}`;
  throw new AssertionError({ message, actual: value, expected: null, operator: 'ifError', generated: false });
}

const methods = {
  ...{
    AssertionError,
    ok,
    fail,
    strictEqual,
    notStrictEqual,
    deepStrictEqual,
    notDeepStrictEqual,
    match,
    doesNotMatch,
  },
  ...{ throws, doesNotThrow, rejects, doesNotReject, ifError },
};
const strictly = (...args: [value?: unknown, message?: Message]) => assert(...args);
export const strict = Object.assign(strictly, methods, {
  equal: strictEqual,
  notEqual: notStrictEqual,
  deepEqual: deepStrictEqual,
  notDeepEqual: notDeepStrictEqual,
});
Object.assign(strict, { strict });
export default Object.assign(assert, methods, { equal, notEqual, deepEqual, notDeepEqual, strict });
