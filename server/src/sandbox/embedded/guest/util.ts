import packaged from 'node-inspect-extracted/';
import { wrap } from './buffer.ts';
import { encode } from './host.ts';
import { StringDecoder } from './string-decoder.ts';

/* `node:util`, from the npm package `node-inspect-extracted` and functions of this file. */

export const { format, formatWithOptions, inspect, stripVTControlCharacters } = packaged;

/** Maximum number of frames that are shown of a stack, as in Node. */
const maxFrames = 10;

/* QuickJS leaves the error's name and message out of the stack. They are added when an error is first shown. */
Object.defineProperty(Error.prototype, inspect.custom, {
  configurable: true,
  writable: true,
  value(this: Error) {
    const { stack } = this;
    if (Object.hasOwn(this, 'stack') && typeof stack === 'string' && /^(\s+at .*\n?)*$/.test(stack)) {
      const frames = stack.split('\n').filter((line) => line.trim() !== '' && !line.includes('(devlm:'));
      this.stack = [String(this), ...frames.slice(0, maxFrames)].join('\n');
    }
    return this;
  },
});

type Callback = (error: unknown, value?: unknown) => void;
type Act = ((...args: unknown[]) => unknown) & { [customPromisify]?: unknown };
const customPromisify = Symbol.for('nodejs.util.promisify.custom');

export function promisify(act: Act): (...args: unknown[]) => Promise<unknown> {
  if (typeof act !== 'function') {
    const message = `The "original" argument must be of type function. Received ${inspect(act)}`;
    throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  const own = act[customPromisify];
  if (typeof own === 'function') return own as (...args: unknown[]) => Promise<unknown>;
  return function (this: unknown, ...args) {
    return new Promise((done, fail) => {
      const back: Callback = (error, value) => (error ? fail(error) : done(value));
      act.call(this, ...args, back);
    });
  };
}
promisify.custom = customPromisify;

export function callbackify(act: (...args: unknown[]) => Promise<unknown>): (...args: unknown[]) => void {
  return function (this: unknown, ...args) {
    const back = args.pop() as Callback;
    const failed = (error: unknown) => back(error ?? new Error('Promise was rejected with a falsy value'));
    act.apply(this, args).then(
      (value) => queueMicrotask(() => back(null, value)),
      (error) => queueMicrotask(() => failed(error)),
    );
  };
}

export function isDeepStrictEqual(a: unknown, b: unknown): boolean {
  return equal(a, b, true, new Map());
}

/** Returns whether two values are deeply equal, as in `assert`. */
export function equal(a: unknown, b: unknown, strict: boolean, seen: Map<unknown, unknown>): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    // biome-ignore lint/suspicious/noDoubleEquals: this is what loose equality is.
    return strict ? false : a == b || (Number.isNaN(a) && Number.isNaN(b));
  }
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof RegExp && b instanceof RegExp) return String(a) === String(b) && a.lastIndex === b.lastIndex;
  if (a instanceof Error && b instanceof Error && (a.message !== b.message || a.name !== b.name)) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (a instanceof Map && b instanceof Map) {
    if (a.size !== b.size) return false;
    return [...a].every(
      ([key, value]) =>
        (b.has(key) && equal(value, b.get(key), strict, seen)) ||
        [...b].some(([other, item]) => equal(key, other, strict, seen) && equal(value, item, strict, seen)),
    );
  }
  if (a instanceof Set && b instanceof Set) {
    if (a.size !== b.size) return false;
    return [...a].every((item) => b.has(item) || [...b].some((other) => equal(item, other, strict, seen)));
  }
  if (a instanceof Number || a instanceof String || a instanceof Boolean) {
    if (!Object.is(a.valueOf(), (b as typeof a).valueOf())) return false;
  }
  const keys = enumerable(a);
  if (keys.length !== enumerable(b).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) &&
      equal((a as Record<PropertyKey, unknown>)[key], (b as Record<PropertyKey, unknown>)[key], strict, seen),
  );
}

function enumerable(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable);
}

export class TextEncoder {
  readonly encoding = 'utf-8';
  encode(text: unknown = ''): Uint8Array {
    return encode(String(text));
  }
  encodeInto(text: string, target: Uint8Array): { read: number; written: number } {
    let read = 0;
    let written = 0;
    for (const letter of text) {
      const bytes = encode(letter);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += letter.length;
    }
    return { read, written };
  }
}

/** Decoder of UTF-8 and of UTF-16. */
export class TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  #decoder: InstanceType<typeof StringDecoder> | null = null;

  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    const name = label.trim().toLowerCase();
    if (!/^(utf-?8|utf-?16(le)?|unicode-1-1-utf-8)$/.test(name)) {
      throw Object.assign(new RangeError(`The "${label}" encoding is not supported`), {
        code: 'ERR_ENCODING_NOT_SUPPORTED',
      });
    }
    this.encoding = name.includes('16') ? 'utf-16le' : 'utf-8';
    this.fatal = fatal;
    this.ignoreBOM = ignoreBOM;
  }
  decode(data?: ArrayBuffer | ArrayBufferView, { stream = false } = {}): string {
    const bytes = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data ?? new ArrayBuffer(0));
    const isFirst = this.#decoder === null;
    const decoder = this.#decoder ?? new StringDecoder(this.encoding === 'utf-8' ? 'utf8' : 'utf16le');
    const text = decoder.write(wrap(bytes)) + (stream ? '' : decoder.end());
    this.#decoder = stream ? decoder : null;
    if (this.fatal && text.includes('\ufffd') && !isValid(text, bytes)) {
      const message = `The encoded data was not valid for encoding ${this.encoding}`;
      throw Object.assign(new TypeError(message), { code: 'ERR_ENCODING_INVALID_ENCODED_DATA' });
    }
    return isFirst && !this.ignoreBOM ? text.replace(/^\ufeff/, '') : text;
  }
}

/** Returns whether each U+FFFD of a decoded text was already in its bytes. */
const isValid = (text: string, bytes: Uint8Array): boolean =>
  encode(text).length === bytes.length && encode(text).every((byte, i) => byte === bytes[i]);

export function inherits(child: { prototype: object }, parent: { prototype: object }): void {
  Object.defineProperty(child, 'super_', { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(child.prototype, parent.prototype);
}
export const deprecate = <T>(act: T): T => act;
export const debuglog = (): (() => void) => () => {};
export const toUSVString = (text: unknown): string => String(text).toWellFormed();
export const types = {
  isPromise: (value: unknown) => value instanceof Promise,
  isDate: (value: unknown) => value instanceof Date,
  isRegExp: (value: unknown) => value instanceof RegExp,
  isMap: (value: unknown) => value instanceof Map,
  isSet: (value: unknown) => value instanceof Set,
  isNativeError: (value: unknown) => value instanceof Error,
  isTypedArray: (value: unknown) => ArrayBuffer.isView(value) && !(value instanceof DataView),
};
export default {
  inspect,
  format,
  formatWithOptions,
  promisify,
  callbackify,
  debuglog,
  toUSVString,
  isDeepStrictEqual,
  TextEncoder,
  TextDecoder,
  inherits,
  deprecate,
  types,
  stripVTControlCharacters,
};
