import * as z from 'zod';

/** The members of a request body that routing needs. The provider validates the rest. */
export interface Peeked {
  readonly model: string;
  /** Start and end offset of the model's JSON string in the body, in bytes. */
  readonly modelAt: readonly [number, number];
  readonly stream: boolean;
  /** Null if absent or not a number. */
  readonly temperature: number | null;
  /** Beginnings of the system prompt and the first message, which stay the same throughout a conversation. */
  readonly beginning: string;
}

const quote = 0x22;
const backslash = 0x5c;
const opening = new Set([0x7b, 0x5b]);
const closing = new Set([0x7d, 0x5d]);
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
/** Number of bytes of each member that tell conversations apart. */
const beginningBytes = { system: 4_096, messages: 1_024 };
const shortString = z.string().min(1).max(500);

/**
 * Reads the members of the outermost object without parsing their values: bodies can be as large as 32 MB and are
 * forwarded unchanged. Returns null if the body is not a JSON object with a model. If a member occurs twice, the last
 * one counts, as with `JSON.parse`.
 */
export function peek(body: Buffer): Peeked | null {
  const members = membersOf(body);
  const model = members?.get('model');
  if (!members || !model) return null;
  const name = shortString.safeParse(json(body.subarray(...model)));
  if (!name.success) return null;
  let beginning = '';
  for (const key of ['system', 'messages'] as const) {
    const [from, to] = members.get(key) ?? [0, 0];
    // Only the first message: the others are added later.
    const end = key === 'messages' ? valueEnd(body, from + 1) : to;
    const text = body.toString('latin1', from, Math.min(end, from + beginningBytes[key]));
    // Cache markers move from call to call.
    beginning += text.replace(/,\s*"cache_control"\s*:\s*\{[^{}]*\}/g, '');
  }
  const [stream, temperature] = (['stream', 'temperature'] as const).map((key) => {
    const at = members.get(key);
    return at && body.toString('latin1', ...at);
  });
  return {
    model: name.data,
    modelAt: model,
    stream: stream === 'true',
    temperature: temperature && /^[-\d]/.test(temperature) ? Number(temperature) : null,
    beginning,
  };
}

/** Returns the body with another model and every other byte unchanged. */
export function withModel(body: Buffer, { modelAt: [from, to] }: Peeked, model: string): Buffer {
  return Buffer.concat([body.subarray(0, from), Buffer.from(JSON.stringify(model)), body.subarray(to)]);
}

/** Maps each key of the outermost object to the start and end of its value. Null if a bracket or quote is not closed. */
function membersOf(body: Buffer): Map<string, [number, number]> | null {
  const members = new Map<string, [number, number]>();
  let at = skipSpace(body, 0);
  if (body[at] !== openBrace) return null;
  at = skipSpace(body, at + 1);
  while (body[at] === quote) {
    const keyEnd = stringEnd(body, at);
    if (keyEnd < 0) return null;
    const key = keyAt(body, at, keyEnd);
    at = skipSpace(body, keyEnd);
    if (body[at] !== colon) return null;
    const from = skipSpace(body, at + 1);
    const end = valueEnd(body, from);
    if (end < 0) return null;
    if (key !== null) members.set(key, [from, trimmedEnd(body, from, end)]);
    if (members.size > 1_000) return null;
    if (body[end] !== comma) return skipSpace(body, end + 1) === body.length ? members : null;
    at = skipSpace(body, end + 1);
  }
  return null;
}

/** Returns the key at an offset; null if it is too long to be one that `peek` needs. */
function keyAt(body: Buffer, from: number, end: number): string | null {
  if (end - from > 600) return null;
  const text = body.toString('latin1', from + 1, end - 1);
  return text.includes('\\') ? (shortString.safeParse(json(body.subarray(from, end))).data ?? null) : text;
}

/** Returns the index of the comma or bracket that ends a member's value; -1 if there is none. */
function valueEnd(body: Buffer, from: number): number {
  let depth = 0;
  for (let at = from; at < body.length; ) {
    const byte = body[at] ?? 0;
    if (byte === quote) {
      at = stringEnd(body, at);
      if (at < 0) return -1;
      continue;
    }
    if (depth === 0 && (byte === comma || closing.has(byte))) return at;
    if (opening.has(byte)) depth++;
    else if (closing.has(byte)) depth--;
    at++;
  }
  return -1;
}

/** Returns the index after the quote that closes a string; -1 if there is none. */
function stringEnd(body: Buffer, from: number): number {
  let at = from;
  for (;;) {
    at = body.indexOf(quote, at + 1);
    if (at < 0) return -1;
    let slashes = 0;
    while (body[at - 1 - slashes] === backslash) slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
}

function skipSpace(body: Buffer, from: number): number {
  let at = from;
  while (isSpace(body[at])) at++;
  return at;
}

function trimmedEnd(body: Buffer, from: number, end: number): number {
  let at = end;
  while (at > from && isSpace(body[at - 1])) at--;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
