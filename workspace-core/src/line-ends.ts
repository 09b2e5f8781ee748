/** The kind of line ends of a text: one kind, `mixed` or `none`. */
export type LineEnds = 'none' | 'lf' | 'crlf' | 'cr' | 'mixed';

/** Returns the kind of line ends of a text. */
export function lineEndsOf(text: string): LineEnds {
  const kinds: LineEnds[] = [];
  if (text.includes('\r\n')) kinds.push('crlf');
  if (/\r(?!\n)/.test(text)) kinds.push('cr');
  if (/(?<!\r)\n/.test(text)) kinds.push('lf');
  return kinds.length > 1 ? 'mixed' : (kinds[0] ?? 'none');
}

/** Returns the text with every line end as `\n`. */
export function toLf(text: string): string {
  return text.includes('\r') ? text.replaceAll('\r\n', '\n').replaceAll('\r', '\n') : text;
}

/** Returns the text with every line end as `\r\n`. */
export function toCrlf(text: string): string {
  return toLf(text).replaceAll('\n', '\r\n');
}

/** Returns the lines of a text, each with its line end: `\r\n`, `\n` or `\r`. */
export function rawLines(text: string): string[] {
  return text.match(/[^\r\n]*(?:\r\n|[\r\n])|[^\r\n]+/g) ?? [];
}
