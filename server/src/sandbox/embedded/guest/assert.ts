import { equal as deep, inspect } from './util.ts';

interface Failure {
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

  constructor({ message, actual, expected, operator = 'fail' }: Failure) {
    super(typeof message === 'string' ? message : 'Failed');
    this.name = 'AssertionError';
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    this.generatedMessage = message === undefined;
  }
}

type Message = string | Error | undefined;

function check(holds: boolean, message: Message, otherwise: () => string, failure: Failure = {}): void {
  if (holds) return;
  if (message instanceof Error) throw message;
  throw new AssertionError({ ...failure, message: message ?? otherwise() });
}
const compare = (what: string, actual: unknown, expected: unknown) =>
  `${what}\n\n${inspect(actual, { depth: 5 })} !== ${inspect(expected, { depth: 5 })}\n`;

function assert(value: unknown, message?: Message): void {
  check(Boolean(value), message, () => 'The expression evaluated to a falsy value', {
    actual: value,
    expected: true,
    operator: '==',
  });
}
export const ok = assert;
export function fail(message: Message = 'Failed'): never {
  throw message instanceof Error ? message : new AssertionError({ message });
}
export function strictEqual(actual: unknown, expected: unknown, message?: Message): void {
  const otherwise = () => compare('Expected values to be strictly equal:', actual, expected);
  check(Object.is(actual, expected), message, otherwise, { actual, expected, operator: 'strictEqual' });
}
export function notStrictEqual(actual: unknown, expected: unknown, message?: Message): void {
  const otherwise = () => `Expected "actual" to be strictly unequal to: ${inspect(expected)}`;
  check(!Object.is(actual, expected), message, otherwise, { actual, expected, operator: 'notStrictEqual' });
}
export function equal(actual: unknown, expected: unknown, message?: Message): void {
  // biome-ignore lint/suspicious/noDoubleEquals: this is what it is for.
  const holds = actual == expected || (Number.isNaN(actual) && Number.isNaN(expected));
  check(holds, message, () => `${inspect(actual)} == ${inspect(expected)}`, { actual, expected, operator: '==' });
}
export function notEqual(actual: unknown, expected: unknown, message?: Message): void {
  // biome-ignore lint/suspicious/noDoubleEquals: this is what it is for.
  check(actual != expected, message, () => `${inspect(actual)} != ${inspect(expected)}`, {
    actual,
    expected,
    operator: '!=',
  });
}
export function deepStrictEqual(actual: unknown, expected: unknown, message?: Message): void {
  const otherwise = () => compare('Expected values to be strictly deep-equal:', actual, expected);
  check(deep(actual, expected, true, new Map()), message, otherwise, { actual, expected, operator: 'deepStrictEqual' });
}
export function notDeepStrictEqual(actual: unknown, expected: unknown, message?: Message): void {
  const otherwise = () => `Expected "actual" not to be strictly deep-equal to: ${inspect(expected)}`;
  check(!deep(actual, expected, true, new Map()), message, otherwise, {
    actual,
    expected,
    operator: 'notDeepStrictEqual',
  });
}
export function deepEqual(actual: unknown, expected: unknown, message?: Message): void {
  const otherwise = () => compare('Expected values to be loosely deep-equal:', actual, expected);
  check(deep(actual, expected, false, new Map()), message, otherwise, { actual, expected, operator: 'deepEqual' });
}
export function notDeepEqual(actual: unknown, expected: unknown, message?: Message): void {
  const otherwise = () => `Expected "actual" not to be loosely deep-equal to: ${inspect(expected)}`;
  check(!deep(actual, expected, false, new Map()), message, otherwise, { actual, expected, operator: 'notDeepEqual' });
}
export function match(text: string, pattern: RegExp, message?: Message): void {
  const otherwise = () => `The input did not match the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`;
  check(pattern.test(text), message, otherwise, { actual: text, expected: pattern, operator: 'match' });
}
export function doesNotMatch(text: string, pattern: RegExp, message?: Message): void {
  const otherwise = () =>
    `The input was expected to not match the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`;
  check(!pattern.test(text), message, otherwise, { actual: text, expected: pattern, operator: 'doesNotMatch' });
}

type Expected =
  | RegExp
  | (new (
      ...args: never[]
    ) => unknown)
  | ((error: unknown) => boolean)
  | Record<string, unknown>
  | string;

function checkError(error: unknown, expected: Expected | undefined, message: Message): void {
  if (expected === undefined || typeof expected === 'string') return;
  if (expected instanceof RegExp) {
    check(
      expected.test(String(error)),
      message,
      () => `The input did not match ${expected}. Input:\n\n${inspect(String(error))}\n`,
    );
    return;
  }
  if (typeof expected === 'function') {
    if (expected.prototype !== undefined && error instanceof (expected as new () => object)) return;
    if (expected === Error || expected.prototype instanceof Error) throw error;
    check(
      (expected as (error: unknown) => boolean)(error) === true,
      message,
      () => 'The validation function is expected to return "true"',
    );
    return;
  }
  for (const [key, wanted] of Object.entries(expected)) {
    const found = (error as Record<string, unknown>)[key];
    const holds =
      wanted instanceof RegExp && typeof found === 'string' ? wanted.test(found) : deep(found, wanted, true, new Map());
    check(holds, message, () => compare(`The error's ${key} is not as expected:`, found, wanted));
  }
}

export function throws(act: () => unknown, expected?: Expected, message?: Message): void {
  let caught: { error: unknown } | null = null;
  try {
    act();
  } catch (error) {
    caught = { error };
  }
  if (!caught) fail(message ?? (typeof expected === 'string' ? expected : 'Missing expected exception.'));
  else checkError(caught.error, expected, message);
}
export function doesNotThrow(act: () => unknown, message?: Message): void {
  try {
    act();
  } catch (error) {
    fail(
      message ?? `Got unwanted exception.\nActual message: "${error instanceof Error ? error.message : String(error)}"`,
    );
  }
}
type Work = Promise<unknown> | (() => Promise<unknown>);
export async function rejects(work: Work, expected?: Expected, message?: Message): Promise<void> {
  let caught: { error: unknown } | null = null;
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    caught = { error };
  }
  if (!caught) fail(message ?? 'Missing expected rejection.');
  else checkError(caught.error, expected, message);
}
export async function doesNotReject(work: Work, message?: Message): Promise<void> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    fail(
      message ?? `Got unwanted rejection.\nActual message: "${error instanceof Error ? error.message : String(error)}"`,
    );
  }
}
export function ifError(value: unknown): void {
  if (value !== null && value !== undefined) throw value;
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
const strictly = (value: unknown, message?: Message) => assert(value, message);
export const strict = Object.assign(strictly, methods, {
  equal: strictEqual,
  notEqual: notStrictEqual,
  deepEqual: deepStrictEqual,
  notDeepEqual: notDeepStrictEqual,
});
Object.assign(strict, { strict });
export default Object.assign(assert, methods, { equal, notEqual, deepEqual, notDeepEqual, strict });
