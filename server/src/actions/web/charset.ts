/** Number of bytes at the start of a page in which the HTML standard looks for a `meta` with the encoding. */
const metaBytes = 1024;

/**
 * Decodes the text of a page. The encoding comes from the byte order mark, the server's declaration or the page's own
 * declaration, in this order. Otherwise it is UTF-8, or Windows-1252 if the bytes are not valid UTF-8. Unknown
 * encodings are skipped.
 */
export function decodeText(bytes: Uint8Array, declared: string | null): string {
  const label = encodingOfMark(bytes) ?? knownEncoding(declared) ?? knownEncoding(metaCharset(bytes));
  if (label !== null) return new TextDecoder(label).decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

function encodingOfMark([a, b, c]: Uint8Array): string | null {
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8';
  if (a === 0xff && b === 0xfe) return 'utf-16le';
  return a === 0xfe && b === 0xff ? 'utf-16be' : null;
}

function metaCharset(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.subarray(0, metaBytes)).toString('latin1');
  const label = /<meta[^>]{0,500}?charset\s*=\s*["']?\s*([\w.:-]{1,40})/i.exec(head)?.[1] ?? null;
  // A page whose `meta` can be read as ASCII is not in UTF-16, whatever it declares.
  return label !== null && /^utf-?16/i.test(label) ? 'utf-8' : label;
}

function knownEncoding(label: string | null): string | null {
  try {
    return label === null ? null : new TextDecoder(label).encoding;
  } catch {
    return null;
  }
}
