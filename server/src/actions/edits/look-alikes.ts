const plainOf = new Map<string, string>();
for (const [plain, alike] of [
  ["'", '\u2018\u2019\u201a\u201b\u2032\u00b4'],
  ['"', '\u201c\u201d\u201e\u201f\u2033'],
  ['-', '\u2010\u2011\u2012\u2013\u2014\u2015\u2212'],
  [' ', '\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000'],
] as const) {
  for (const character of alike) plainOf.set(character, plain);
}
const lookAlike = new RegExp(`[${[...plainOf.keys()].join('')}]`);
const plainCodes = Uint16Array.from({ length: 0x10000 }, (_, code) => code);
for (const [alike, to] of plainOf) plainCodes[alike.charCodeAt(0)] = to.charCodeAt(0);

/**
 * Replaces typographic quotes, dashes and spaces with their plain forms, each by one character, so that offsets stay
 * valid.
 */
export function plain(text: string): string {
  if (!lookAlike.test(text)) return text;
  // Code by code instead of a regular expression: a text may contain a hundred thousand such characters.
  const codes = new Uint16Array(text.length);
  const bytes = Buffer.from(codes.buffer);
  bytes.write(text, 'utf16le');
  for (let at = 0; at < codes.length; at++) codes[at] = plainCodes[codes[at] ?? 0] ?? 0;
  return bytes.toString('utf16le');
}

/** Returns `plain` of the composed form (NFC) of a text. Its length may change, the number of its lines does not. */
export function folded(text: string): string {
  return plain(/[\u0300-\uffff]/.test(text) ? text.normalize('NFC') : text);
}

/** Returns true only if `folded` leaves the text as it is. A quick check that may also return false for such a text. */
export function isPlain(text: string): boolean {
  return !lookAlike.test(text) && !/[\u0300-\uffff]/.test(text);
}

/**
 * Returns a line without white space and without a comma or semicolon at its end, and with all quotes as single quotes.
 */
export function squeezed(line: string): string {
  return folded(line).replace(/\s+/g, '').replace(/["`]/g, "'").replace(/[,;]$/, '');
}
