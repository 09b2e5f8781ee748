import { endWithin, type Lines, lineAt, rawOffset } from './lines.ts';

/** Maximum number of candidate lines that a message names. */
const maxShownCandidates = 10;

/** A range of the text before the change (offsets in UTF-16 code units), and the text that replaces it. */
export interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** How the place of an edit was found. */
export type MatchMethod = 'exact' | 'whitespace' | 'look-alike' | 'similar';

/** Applies changes to a text. They must be in order and must not overlap. */
export function applyChanges(text: string, changes: readonly Change[]): string {
  const parts: string[] = [];
  let from = 0;
  for (const change of changes) {
    parts.push(text.slice(from, change.start), change.text);
    from = change.end;
  }
  parts.push(text.slice(from));
  return parts.join('');
}

/** Returns the lengths that two texts share at both ends, without overlap and without splitting a surrogate pair. */
export function commonEnds(a: string, b: string): { head: number; tail: number } {
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) head++;
  if (isHigh(a.charCodeAt(head - 1))) head--;
  let tail = 0;
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  if (tail > 0 && isLow(a.charCodeAt(a.length - tail))) tail--;
  return { head, tail };
}

const isHigh = (code: number) => code >= 0xd800 && code < 0xdc00;
const isLow = (code: number) => code >= 0xdc00 && code < 0xe000;

/**
 * Returns the change at an offset without what the old and the new text share at both ends, so that those bytes stay
 * unchanged. Returns undefined if it would replace lines with different line ends.
 */
export function narrowed(lines: Lines, offset: number, oldText: string, newText: string): Change | undefined {
  const { head, tail } = commonEnds(oldText, newText);
  const start = offset + head;
  const end = offset + oldText.length - tail;
  const middle = newText.slice(head, newText.length - tail);
  const lineEnd = middle.includes('\n') ? endWithin(lines, lineAt(lines, start), lineAt(lines, end)) : '\n';
  if (lineEnd === undefined) return undefined;
  return { start: rawOffset(lines, start), end: rawOffset(lines, end), text: middle.replaceAll('\n', () => lineEnd) };
}

/**
 * Returns the offsets at which a text contains a part and that `fits` accepts, including overlapping ones, at most
 * `max` of them.
 */
export function occurrences(text: string, part: string, max: number, fits?: (offset: number) => boolean): number[] {
  const found: number[] = [];
  if (part === '') return found;
  for (let at = text.indexOf(part); at >= 0 && found.length < max; at = text.indexOf(part, at + 1)) {
    if (!fits || fits(at)) found.push(at);
  }
  return found;
}

/** Formats lines (1-based) for a message. */
export function where(lines: readonly number[]): string {
  const shown = lines.slice(0, maxShownCandidates).join(', ');
  return `line${lines.length > 1 ? 's' : ''} ${shown}${lines.length > maxShownCandidates ? ' and more' : ''}`;
}
