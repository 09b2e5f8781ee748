/** Returns the text of a file for a search, or null if the file is binary. Unlike for an edit, the encoding may be a guess. */
export function searchedText(bytes: Uint8Array): string | null {
  const [a, b] = bytes;
  if (a === 0xff && b === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (a === 0xfe && b === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Text that is not UTF-8 is most often in a Western European encoding.
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
