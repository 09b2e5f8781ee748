import { createHash } from 'node:crypto';
import { type Refusal, refuse } from './refusal.ts';

export type Encoding = 'utf8' | 'utf16le' | 'utf16be';
export type LineEnds = 'none' | 'lf' | 'crlf' | 'cr' | 'mixed';

/** A decoded file. `text` has its line ends as they are in the file and never the byte order mark. */
export interface TextFile {
  ok: true;
  text: string;
  encoding: Encoding;
  bom: boolean;
  eol: LineEnds;
  finalNewline: boolean;
  /** SHA-256 of the bytes, in hex. */
  hash: string;
}

/** Bytes; more than this is not edited as text. Keeps every stage of an edit within tens of milliseconds. */
export const maxTextBytes = 10_000_000;

/** The text of a file's bytes, or why they are not text. */
export function decode(bytes: Uint8Array, maxBytes = maxTextBytes): TextFile | Refusal {
  if (bytes.length > maxBytes) {
    return refuse('too-large', `The file has ${bytes.length} bytes; files over ${maxBytes} are not edited as text.`);
  }
  const { encoding, bom } = encodingOf(bytes);
  const body = bom ? bytes.subarray(encoding === 'utf8' ? 3 : 2) : bytes;
  let text: string;
  try {
    text = decodeBody(body, encoding);
  } catch {
    return refuse('encoding', `The file is not valid ${encoding}, so it cannot be edited without damage.`);
  }
  if (text.includes('\0'))
    return refuse('binary', 'The file is binary (it has NUL characters) and is not edited as text.');
  const hash = createHash('sha256').update(bytes).digest('hex');
  return { ok: true, text, encoding, bom, eol: lineEndsOf(text), finalNewline: /[\r\n]$/.test(text), hash };
}

/** The bytes of a text in the file's encoding; refused where the text has half a surrogate pair or NUL. */
export function encode(
  text: string,
  { encoding, bom }: Pick<TextFile, 'encoding' | 'bom'>,
): { ok: true; bytes: Uint8Array } | Refusal {
  if (!text.isWellFormed()) return refuse('encoding', 'The text has half of a surrogate pair and cannot be written.');
  if (text.includes('\0')) return refuse('binary', 'The text has a NUL character and would make the file binary.');
  const marked = bom ? `\ufeff${text}` : text;
  if (encoding === 'utf8') return { ok: true, bytes: Buffer.from(marked, 'utf8') };
  const bytes = Buffer.from(marked, 'utf16le');
  return { ok: true, bytes: encoding === 'utf16le' ? bytes : bytes.swap16() };
}

/** Which line ends a text has. */
export function lineEndsOf(text: string): LineEnds {
  const kinds: LineEnds[] = [];
  if (text.includes('\r\n')) kinds.push('crlf');
  if (/\r(?!\n)/.test(text)) kinds.push('cr');
  if (/(?<!\r)\n/.test(text)) kinds.push('lf');
  return kinds.length > 1 ? 'mixed' : (kinds[0] ?? 'none');
}

function encodingOf([a, b, c]: Uint8Array): { encoding: Encoding; bom: boolean } {
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: 'utf8', bom: true };
  if (a === 0xff && b === 0xfe) return { encoding: 'utf16le', bom: true };
  if (a === 0xfe && b === 0xff) return { encoding: 'utf16be', bom: true };
  return { encoding: 'utf8', bom: false };
}

function decodeBody(body: Uint8Array, encoding: Encoding): string {
  const label = encoding === 'utf8' ? 'utf-8' : encoding === 'utf16le' ? 'utf-16le' : 'utf-16be';
  return new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(body);
}
