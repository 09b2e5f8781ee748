import * as z from 'zod';

/** What is read of a body to know where it goes. The rest is the provider's to understand. */
export interface Peeked {
  readonly model: string;
  /** Where the model's JSON string stands in the body: from, to. */
  readonly modelAt: readonly [number, number];
  readonly stream: boolean;
  /** Null: none that is a number. */
  readonly temperature: number | null;
  /** The beginnings of what stays the same through a conversation. */
  readonly beginning: string;
}

const quote = 0x22;
const backslash = 0x5c;
const opening = new Set([0x7b, 0x5b]);
const closing = new Set([0x7d, 0x5d]);
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
/** Bytes of a beginning that tell conversations apart. */
const beginningBytes = { system: 4_096, messages: 1_024 };
const shortString = z.string().min(1).max(500);

/**
 * Looks at the members of the outermost object without parsing what is in them: bodies are up to 32 MB, and their
 * bytes stay as they are. Null: it is no JSON object with a model. As with `JSON.parse`, the last of two counts.
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
    // Of the messages only the first: the others come later.
    const end = key === 'messages' ? valueEnd(body, from + 1) : to;
    const text = body.toString('latin1', from, Math.min(end, from + beginningBytes[key]));
    // Marks of the cache move from call to call.
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

/** The body with another model, and all else byte for byte. */
export function withModel(body: Buffer, { modelAt: [from, to] }: Peeked, model: string): Buffer {
  return Buffer.concat([body.subarray(0, from), Buffer.from(JSON.stringify(model)), body.subarray(to)]);
}

/** Key to where its value stands, from and to, of the outermost object. Null where brackets or quotes do not close. */
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

/** Null: none that is looked for. */
function keyAt(body: Buffer, from: number, end: number): string | null {
  if (end - from > 600) return null;
  const text = body.toString('latin1', from + 1, end - 1);
  return text.includes('\\') ? (shortString.safeParse(json(body.subarray(from, end))).data ?? null) : text;
}

/** Index of the comma or bracket that ends the value of a member; below 0 where nothing does. */
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

/** Index after the quote that closes a string; below 0 where none does. */
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
