import type { EditorFile } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { imageTypeOf } from '@devlm/workspace-core/image-type.ts';
import { sha256Hex } from '../../sha256.ts';

/** Encodings as VS Code names them. UTF-16 is recognized by its byte order mark. */
type Encoding = 'utf8' | 'utf8bom' | 'utf16le' | 'utf16be';

const byteOrderMarks: Readonly<Record<Exclude<Encoding, 'utf8'>, Buffer>> = {
  utf8bom: Buffer.from([0xef, 0xbb, 0xbf]),
  utf16le: Buffer.from([0xff, 0xfe]),
  utf16be: Buffer.from([0xfe, 0xff]),
};

/** Decodes the bytes of a file. They count as text only if writing the text back results in the same bytes. */
export function decodeFile(bytes: Buffer): EditorFile {
  if (bytes.length > limits.fileBytes) return unreadable(bytes, tooLarge(bytes.length, limits.fileBytes));
  const mediaType = imageTypeOf(bytes);
  if (mediaType) {
    if (bytes.length > limits.imageBytes) return unreadable(bytes, tooLarge(bytes.length, limits.imageBytes));
    return { kind: 'image', mediaType, data: bytes.toString('base64') };
  }
  const encoding = encodingOf(bytes);
  if (!encoding.startsWith('utf16') && bytes.includes(0)) return unreadable(bytes, 'It is a binary file.');
  const text = decodeText(bytes, encoding);
  if (text === null || !encodeText(text, encoding)?.equals(bytes))
    return unreadable(
      bytes,
      `It is not valid ${encoding} text, or would change if it were written back in this encoding.`,
    );
  return { kind: 'text', text, encoding, hash: sha256Hex(text), dirty: false };
}

/** Encodes a text. Returns null if the encoding is unknown or cannot represent the text. */
export function encodeText(text: string, encoding: string): Buffer | null {
  if (!text.isWellFormed()) return null;
  switch (encoding) {
    case 'utf8':
      return Buffer.from(text);
    case 'utf8bom':
      return Buffer.concat([byteOrderMarks.utf8bom, Buffer.from(text)]);
    case 'utf16le':
      return Buffer.concat([byteOrderMarks.utf16le, Buffer.from(text, 'utf16le')]);
    case 'utf16be':
      return Buffer.concat([byteOrderMarks.utf16be, Buffer.from(text, 'utf16le').swap16()]);
    default:
      return null;
  }
}

function tooLarge(bytes: number, maxBytes: number): string {
  return `It is too large: ${bytes} bytes, where at most ${maxBytes} are allowed.`;
}

function encodingOf(bytes: Buffer): Encoding {
  const startsWith = (mark: Buffer) => bytes.subarray(0, mark.length).equals(mark);
  return (['utf8bom', 'utf16le', 'utf16be'] as const).find((name) => startsWith(byteOrderMarks[name])) ?? 'utf8';
}

function decodeText(bytes: Buffer, encoding: Encoding): string | null {
  const label = { utf8: 'utf-8', utf8bom: 'utf-8', utf16le: 'utf-16le', utf16be: 'utf-16be' }[encoding];
  const rest = encoding === 'utf8' ? bytes : bytes.subarray(byteOrderMarks[encoding].length);
  try {
    // A second byte order mark is a character of the text.
    return new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(rest);
  } catch {
    return null;
  }
}

function unreadable(bytes: Buffer, reason: string): EditorFile {
  return { kind: 'unreadable', reason, bytes: bytes.length };
}
