import { endWithin, type Lines, lineAt, rawOffset } from './lines.ts';

const shownCandidates = 10;

/** A range of the text before (offsets in UTF-16 units) and what stands there after. */
export interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** How the place of an edit was found. */
export type How = 'exact' | 'whitespace' | 'look-alike' | 'similar';

/** The text with changes made; they must be in order and apart. */
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

/** How much two texts have in common at both ends, without overlap and never half of a surrogate pair. */
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
 * The change at an offset without what old and new text have in common at both ends, so that those bytes
 * stay; undefined where it writes lines over lines that end differently.
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

/** Offsets of a text in another that fit, overlapping ones too; at most `most` of them. */
export function occurrences(text: string, part: string, most: number, fits?: (offset: number) => boolean): number[] {
  const found: number[] = [];
  if (part === '') return found;
  for (let at = text.indexOf(part); at >= 0 && found.length < most; at = text.indexOf(part, at + 1)) {
    if (!fits || fits(at)) found.push(at);
  }
  return found;
}

/** Lines (1-based) for a person or a model to read. */
export function where(lines: readonly number[]): string {
  const shown = lines.slice(0, shownCandidates).join(', ');
  return `line${lines.length > 1 ? 's' : ''} ${shown}${lines.length > shownCandidates ? ' and more' : ''}`;
}
