import { decode, encode } from './host.ts';

interface InspectOptions {
  readonly depth?: number | null;
}

const identifier = /^[A-Za-z_$][\w$]*$/;
export const custom = Symbol.for('nodejs.util.inspect.custom');

/** Returns a string for a value, with output close to Node's `util.inspect`. */
export function inspect(value: unknown, options: InspectOptions = {}): string {
  return show(value, options.depth === null ? Number.POSITIVE_INFINITY : (options.depth ?? 2), 0, new Set());
}
inspect.custom = custom;

function quote(text: string): string {
  const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes('`') ? '`' : "'";
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
}

function show(value: unknown, depth: number, indent: number, seen: Set<object>): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'symbol') return value.toString();
  if (Object.is(value, -0)) return '-0';
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return String(value);
  if (seen.has(value)) return '[Circular *1]';
  const own = (value as Record<symbol, unknown>)[custom];
  if (typeof own === 'function') {
    const shown: unknown = own.call(value, depth, {}, inspect);
    return typeof shown === 'string' ? shown : show(shown, depth, indent, seen);
  }
  seen.add(value);
  try {
    return showObject(value, depth, indent, seen);
  } finally {
    seen.delete(value);
  }
}

/** Context for formatting the parts of an object. */
interface Showing {
  /** Name of the constructor, or an empty string. */
  readonly name: string;
  readonly inner: (item: unknown) => string;
  readonly list: (items: string[], open: string, close: string) => string;
  /** Formats the object's own enumerable properties except those named in `skip`. */
  readonly fields: (skip?: (key: string) => boolean) => string[];
}

function showObject(value: object, depth: number, indent: number, seen: Set<object>): string {
  const name = constructorOf(value);
  const tooDeep = seen.size - 1 > depth;
  const inner = (item: unknown) => show(item, depth, indent + 2, seen);
  const showing: Showing = {
    name,
    inner,
    list: (items, open, close) => layOut(items, open, close, indent),
    fields: (skip) => fieldsOf(value, inner, skip),
  };
  if (Array.isArray(value)) return tooDeep ? '[Array]' : showArray(value, showing);
  if (typeof value === 'function') return showFunction(value, showing);
  if (value instanceof Error) return showError(value, showing);
  if (value instanceof RegExp) return String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof Number || value instanceof String || value instanceof Boolean) {
    return `[${name}: ${show(value.valueOf(), depth, indent, seen)}]`;
  }
  if (value instanceof Promise) return 'Promise { <pending> }';
  if (tooDeep) return `[${name || 'Object'}]`;
  return showContents(value, showing);
}

function fieldsOf(
  value: object,
  inner: (item: unknown) => string,
  skip: (key: string) => boolean = () => false,
): string[] {
  return Reflect.ownKeys(value)
    .filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable && !(typeof key === 'string' && skip(key)))
    .map(
      (key) =>
        `${typeof key === 'symbol' ? `[${String(key)}]` : identifier.test(key) ? key : quote(key)}: ${property(value, key, inner)}`,
    );
}

function showArray(value: readonly unknown[], { inner, list, fields }: Showing): string {
  const items: string[] = [];
  for (let i = 0; i < Math.min(value.length, 100); i++) items.push(i in value ? inner(value[i]) : '<1 empty item>');
  if (value.length > 100) items.push(`... ${value.length - 100} more item${value.length > 101 ? 's' : ''}`);
  return list([...items, ...fields((key) => /^\d+$/.test(key))], '[', ']');
}

function showFunction(value: { readonly name: string }, { name, list, fields }: Showing): string {
  const isClass = /^class\b/.test(Function.prototype.toString.call(value));
  const kind = isClass ? 'class' : name === 'Function' ? 'Function' : name;
  const title = value.name ? `${kind}${isClass ? ' ' : ': '}${value.name}` : `${kind} (anonymous)`;
  const more = fields();
  return more.length > 0 ? list(more, `[${title}] {`, '}') : `[${title}]`;
}

function showError(value: Error, { inner, list, fields }: Showing): string {
  const head = String(value);
  const frames = String(value.stack ?? '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.includes('(devlm:'));
  const stack = frames.length > 0 ? [head, ...frames.slice(0, 10)].join('\n') : `[${head}]`;
  const more = fields((key) => key === 'stack' || key === 'message' || key === 'name');
  if ('cause' in value && value.cause !== undefined) more.push(`[cause]: ${inner(value.cause)}`);
  return more.length > 0 ? list(more, `${stack} {`, '}') : stack;
}

/** Formats collections, typed arrays and all other objects. */
function showContents(value: object, { name, inner, list, fields }: Showing): string {
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => `${inner(key)} => ${inner(item)}`);
    return list(entries.concat(fields()), `${name}(${value.size}) {`, '}');
  }
  if (value instanceof Set) return list([...value].map(inner).concat(fields()), `${name}(${value.size}) {`, '}');
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const items = Array.from(value as Uint8Array);
    if (name === 'Buffer') {
      const hex = items.slice(0, 50).map((byte) => byte.toString(16).padStart(2, '0'));
      return `<Buffer ${hex.join(' ')}${items.length > 50 ? ` ... ${items.length - 50} more bytes` : ''}>`;
    }
    const shown = items.slice(0, 100).map(String);
    if (items.length > 100) shown.push(`... ${items.length - 100} more items`);
    return list(shown, `${name}(${items.length}) [`, ']');
  }
  const tag =
    Object.getPrototypeOf(value) === null ? '[Object: null prototype] ' : name !== 'Object' && name ? `${name} ` : '';
  return list(fields(), `${tag}{`, '}');
}

function property(value: object, key: string | symbol, inner: (item: unknown) => string): string {
  const descriptor = Object.getOwnPropertyDescriptor(value, key);
  if (descriptor?.get) return descriptor.set ? '[Getter/Setter]' : '[Getter]';
  if (descriptor?.set) return '[Setter]';
  return inner(descriptor?.value);
}

function constructorOf(value: object): string {
  for (let at: unknown = value; at !== null && at !== undefined; at = Object.getPrototypeOf(at)) {
    const made = Object.getOwnPropertyDescriptor(at, 'constructor')?.value;
    if (typeof made === 'function' && made.name !== '') return made.name;
  }
  return '';
}

/** Joins parts on one line if they fit, as Node does: in 72 characters, with at most 6 long array items in a row. */
function layOut(items: string[], open: string, close: string, indent: number): string {
  if (items.length === 0) return `${open}${close}`;
  const isArray = close === ']';
  const length = items.reduce((sum, item) => sum + item.length + 2, open.length);
  const single = items.every((item) => !item.includes('\n'));
  if (single && length + indent <= 76 && (!isArray || items.length <= 6)) return `${open} ${items.join(', ')} ${close}`;
  const pad = ' '.repeat(indent + 2);
  const longest = Math.max(...items.map((item) => item.length)) + 2;
  if (isArray && single && items.length > 6 && longest <= 18) {
    const columns = Math.min(
      Math.round(Math.sqrt(2.5 * longest * items.length) / longest),
      Math.floor((80 - indent) / longest),
      16,
    );
    const numbers = items.every((item) => /^-?[\d.]+n?$/.test(item));
    const widths = Array.from({ length: columns }, (_, column) =>
      Math.max(...items.filter((_, i) => i % columns === column).map((item) => item.length)),
    );
    const rows: string[] = [];
    for (let at = 0; at < items.length; at += columns) {
      const row = items.slice(at, at + columns).map((item, i) => {
        const last = at + i === items.length - 1;
        const width = widths[i] ?? 0;
        if (numbers) return `${' '.repeat(Math.max(0, width - item.length))}${item}${last ? '' : ','}`;
        const text = item + (last ? '' : ',');
        return i === columns - 1 || last ? text : text.padEnd(width + 1);
      });
      rows.push(row.join(' '));
    }
    return `${open}\n${rows.map((row) => pad + row).join('\n')}\n${' '.repeat(indent)}${close}`;
  }
  return `${open}\n${items.map((item) => pad + item).join(',\n')}\n${' '.repeat(indent)}${close}`;
}

export function format(first?: unknown, ...rest: unknown[]): string {
  const parts: string[] = [];
  const plain = (value: unknown) => (typeof value === 'string' ? value : inspect(value));
  if (typeof first === 'string' && rest.length > 0) {
    parts.push(
      first.replace(/%[sdifjoOc%]/g, (sign) => {
        if (sign === '%%') return '%';
        if (rest.length === 0) return sign;
        const value = rest.shift();
        if (sign === '%d') return typeof value === 'bigint' ? `${value}n` : String(Number(value));
        if (sign === '%i') return String(Number.parseInt(String(value), 10));
        if (sign === '%f') return String(Number.parseFloat(String(value)));
        if (sign === '%j') return String(JSON.stringify(value));
        if (sign === '%c') return '';
        return sign === '%s'
          ? typeof value === 'object' && value !== null
            ? inspect(value, { depth: 0 })
            : typeof value === 'bigint'
              ? `${value}n`
              : String(value)
          : inspect(value, { depth: 4 });
      }),
    );
  } else if (first !== undefined || rest.length > 0) parts.push(plain(first));
  else return '';
  return [...parts, ...rest.map(plain)].join(' ');
}

type Callback = (error: unknown, value?: unknown) => void;
export function promisify(act: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<unknown> {
  return function (this: unknown, ...args) {
    return new Promise((done, fail) => {
      const back: Callback = (error, value) => (error ? fail(error) : done(value));
      act.call(this, ...args, back);
    });
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
    return [...a].every(([key, value]) => b.has(key) && equal(value, b.get(key), strict, seen));
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
  encode(text = ''): Uint8Array {
    return encode(String(text));
  }
}

export class TextDecoder {
  readonly encoding = 'utf-8';
  decode(data?: ArrayBuffer | ArrayBufferView): string {
    if (data === undefined) return '';
    return decode(
      ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data),
    );
  }
}

export function inherits(child: { prototype: object }, parent: { prototype: object }): void {
  Object.setPrototypeOf(child.prototype, parent.prototype);
}
export const deprecate = <T>(act: T): T => act;
export const stripVTControlCharacters = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what goes.
  text.replace(/\x1b\[[0-9;]*[A-Za-z]/g, '');
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
  promisify,
  isDeepStrictEqual,
  TextEncoder,
  TextDecoder,
  inherits,
  deprecate,
  types,
  stripVTControlCharacters,
};
