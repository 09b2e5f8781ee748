import { toLf } from '@devlm/workspace-core/line-ends.ts';

/**
 * A text as lines, with offsets in the raw text and in the text with `\n` ends. Built in one pass, without copying
 * lines.
 */
export interface Lines {
  readonly text: string;
  /** The text with every line end as `\n`. */
  readonly lf: string;
  /** Start of each line in `text`. After a final line end there is one more, empty line, not counted by `lineCount`. */
  readonly rawStarts: readonly number[];
  /** Start of each line in `lf`. */
  readonly lfStarts: readonly number[];
}

/** Splits a text into lines. */
export function splitLines(text: string): Lines {
  const rawStarts = [0];
  let cr = text.indexOf('\r');
  let lf = text.indexOf('\n');
  if (cr < 0) {
    for (; lf >= 0; lf = text.indexOf('\n', lf + 1)) rawStarts.push(lf + 1);
    return { text, lf: text, rawStarts, lfStarts: rawStarts };
  }
  const lfStarts = [0];
  let pairs = 0;
  while (cr >= 0 || lf >= 0) {
    const returns = cr >= 0 && (lf < 0 || cr < lf);
    const pair = returns && lf === cr + 1;
    const next = (returns ? cr : lf) + (pair ? 2 : 1);
    if (pair) pairs++;
    rawStarts.push(next);
    lfStarts.push(next - pairs);
    if (cr >= 0 && cr < next) cr = text.indexOf('\r', next);
    if (lf >= 0 && lf < next) lf = text.indexOf('\n', next);
  }
  return { text, lf: toLf(text), rawStarts, lfStarts };
}

/** Returns the number of lines. A final line end belongs to the last line and does not start another one. */
export function lineCount(lines: Lines): number {
  const starts = lines.rawStarts;
  return starts.at(-1) === lines.text.length ? starts.length - 1 : starts.length;
}

/** Returns the content of a line (0-based), without its line end. */
export function lineText(lines: Lines, line: number): string {
  const next = lines.lfStarts[line + 1];
  return lines.lf.slice(lines.lfStarts[line] ?? lines.lf.length, next === undefined ? undefined : next - 1);
}

/** Returns the line end of a line (0-based), or `''` for a last line without one. */
export function lineEnd(lines: Lines, line: number): string {
  const next = lines.rawStarts[line + 1];
  if (next === undefined) return '';
  if (lines.text[next - 1] === '\r') return '\r';
  return next - 2 >= (lines.rawStarts[line] ?? 0) && lines.text[next - 2] === '\r' ? '\r\n' : '\n';
}

/** Returns the line (0-based) of an offset in the text with `\n` ends. */
export function lineAt(lines: Lines, lfOffset: number): number {
  return countUpTo(lines.lfStarts, lfOffset) - 1;
}

/** Returns how many of the ascending numbers are at most `bound`. */
export function countUpTo(ascending: readonly number[], bound: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Returns the offset in the raw text for an offset in the text with `\n` ends. */
export function rawOffset(lines: Lines, lfOffset: number): number {
  const line = lineAt(lines, lfOffset);
  return (lines.rawStarts[line] ?? 0) + lfOffset - (lines.lfStarts[line] ?? 0);
}

/**
 * Returns the line end for new lines in a range: the one used in the range, or else that of the line at its start, or
 * else that of the line before. Returns undefined if the range mixes line ends, because then no choice is right.
 */
export function endWithin(lines: Lines, first: number, last: number): string | undefined {
  let lineEndWithin = '';
  for (let line = first; line < last; line++) {
    const end = lineEnd(lines, line);
    if (lineEndWithin && end && end !== lineEndWithin) return undefined;
    lineEndWithin ||= end;
  }
  return lineEndWithin || lineEnd(lines, first) || lineEnd(lines, first - 1) || '\n';
}

/** Returns the lines of a text with `\n` ends. A final line end does not start another line. */
export function block(lf: string): string[] {
  const lines = lf.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Returns the line without the spaces and tabs around it. Other white space is significant. */
export function bare(line: string): string {
  let [from, to] = [0, line.length];
  while (from < to && isBlank(line.charCodeAt(from))) from++;
  while (to > from && isBlank(line.charCodeAt(to - 1))) to--;
  return line.slice(from, to);
}

/**
 * Returns `bare` of a line (0-based), or undefined if its signature is not among those given. Only matching lines are
 * copied.
 */
export function bareText(lines: Lines, line: number, signatures: Uint8Array): string | undefined {
  const next = lines.lfStarts[line + 1];
  const text = lines.lf;
  let from = lines.lfStarts[line] ?? text.length;
  let to = next === undefined ? text.length : next - 1;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return signatures[signature(text, from, to)] === 1 ? text.slice(from, to) : undefined;
}

/** Number of possible signatures. */
export const signatureCount = 4096;

/** Returns a hash of a part of a text, computed from its length and three of its characters. */
export function signature(text: string, from: number, to: number): number {
  const length = to - from;
  if (length === 0) return 0;
  const sum =
    length * 7 +
    text.charCodeAt(from + (length >> 2)) * 17 +
    text.charCodeAt(from + (length >> 1)) * 31 +
    text.charCodeAt(from + ((length * 3) >> 2)) * 131;
  return sum & (signatureCount - 1);
}

/** Returns the spaces and tabs that a line starts with. */
export function lead(line: string): string {
  let to = 0;
  while (to < line.length && isBlank(line.charCodeAt(to))) to++;
  return line.slice(0, to);
}

const isBlank = (code: number) => code === 32 || code === 9;
