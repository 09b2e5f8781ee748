/** Where the HTML standard looks for a `meta` that names the encoding: the first bytes. */
const metaBytes = 1024;

/**
 * The text of a page: by its byte order mark, what the server said, what the page itself says, or as
 * UTF-8; as Windows-1252 where it is none. An encoding that is not known is passed over.
 */
export function decodeText(bytes: Uint8Array, declared: string | null): string {
  const label = markOf(bytes) ?? known(declared) ?? known(metaCharset(bytes));
  if (label !== null) return new TextDecoder(label).decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

function markOf([a, b, c]: Uint8Array): string | null {
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8';
  if (a === 0xff && b === 0xfe) return 'utf-16le';
  return a === 0xfe && b === 0xff ? 'utf-16be' : null;
}

function metaCharset(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.subarray(0, metaBytes)).toString('latin1');
  const label = /<meta[^>]{0,500}?charset\s*=\s*["']?\s*([\w.:-]{1,40})/i.exec(head)?.[1] ?? null;
  // A page whose `meta` can be read as ASCII is not in UTF-16, whatever it says.
  return label !== null && /^utf-?16/i.test(label) ? 'utf-8' : label;
}

function known(label: string | null): string | null {
  try {
    return label === null ? null : new TextDecoder(label).encoding;
  } catch {
    return null;
  }
}
