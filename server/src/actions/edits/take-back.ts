import type { HunkPlace } from '@devlm/protocol/review.ts';
import { type Hunk, hunksOf, rawLines } from './hunks.ts';

/** Lines on each side of a hunk that have to be there as well. */
const contextLines = 3;

/** Where the hunks from one text to another lie in both. */
export function placesOf(before: string, after: string): HunkPlace[] {
  let shift = 0;
  return hunksOf(before, after).map((hunk) => {
    const [base, now] = [rawLines(hunk.before).length, rawLines(hunk.after).length];
    const place = { base: { line: hunk.line, lines: base }, now: { line: hunk.line + shift, lines: now } };
    shift += now - base;
    return place;
  });
}

/**
 * Takes hunks back in a text that somebody went on writing in. A hunk is taken back only where its lines stand
 * with the lines around them, and stand so once: in what was left, and in what is there.
 *
 * @param before the text that the hunks were made from
 * @param after the text with all of them
 * @param live what `after` has become
 * @param taken indexes of `hunksOf(before, after)`
 * @returns null where one of them cannot be placed with certainty
 */
export function takeBack(before: string, after: string, live: string, taken: ReadonlySet<number>): string | null {
  const hunks: readonly Hunk[] = hunksOf(before, after);
  const places = placesOf(before, after);
  const left = rawLines(after);
  const there = rawLines(live);
  // From the last to the first, so that the places of those above stay what they are.
  for (let index = hunks.length - 1; index >= 0; index--) {
    const [hunk, place] = [hunks[index], places[index]];
    if (!hunk || !place || !taken.has(index)) continue;
    const { line, lines } = place.now;
    const from = Math.max(0, line - contextLines);
    const block = left.slice(from, line + lines + contextLines);
    const at = onlyPlace(there, block);
    if (onlyPlace(left, block) === null || at === null) return null;
    // A line at the very beginning or end has nothing to hold it there.
    if (block.length === lines && block.length !== there.length) return null;
    const old = rawLines(hunk.before);
    there.splice(at + line - from, lines, ...old);
    left.splice(line, lines, ...old);
  }
  return there.join('');
}

/** Where a run of lines stands, if it stands exactly once. */
function onlyPlace(lines: readonly string[], block: readonly string[]): number | null {
  if (block.length === 0) return null;
  let found: number | null = null;
  for (let at = 0; at + block.length <= lines.length; at++) {
    if (!block.every((line, i) => lines[at + i] === line)) continue;
    if (found !== null) return null;
    found = at;
  }
  return found;
}
