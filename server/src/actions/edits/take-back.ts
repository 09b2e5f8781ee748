import type { HunkPlace } from '@devlm/protocol/review.ts';
import { type Hunk, hunksOf } from '@devlm/workspace-core/hunks.ts';
import { rawLines } from '@devlm/workspace-core/line-ends.ts';

/** Number of lines on each side of a hunk that must match as well. */
const contextLines = 3;

/** Returns the places of the hunks between two texts, in both texts. */
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
 * Undoes hunks in a text that was edited further. A hunk is undone only if its lines, together with the lines around
 * them, occur exactly once both in the text without the hunks undone so far and in the current text.
 *
 * @param before the text that the hunks were made from
 * @param after the text with all hunks made
 * @param live the current text
 * @param taken indexes into `hunksOf(before, after)`
 * @returns null if a hunk cannot be placed with certainty
 */
export function takeBack(before: string, after: string, live: string, taken: ReadonlySet<number>): string | null {
  const hunks: readonly Hunk[] = hunksOf(before, after);
  const places = placesOf(before, after);
  const remaining = rawLines(after);
  const current = rawLines(live);
  // From the last to the first, so that the places of the hunks above stay valid.
  for (let index = hunks.length - 1; index >= 0; index--) {
    const [hunk, place] = [hunks[index], places[index]];
    if (!hunk || !place || !taken.has(index)) continue;
    const { line, lines } = place.now;
    const from = Math.max(0, line - contextLines);
    const block = remaining.slice(from, line + lines + contextLines);
    const at = onlyPlace(current, block);
    if (onlyPlace(remaining, block) === null || at === null) return null;
    // Nothing determines the place of lines at the very beginning or end without context.
    if (block.length === lines && block.length !== current.length) return null;
    const old = rawLines(hunk.before);
    current.splice(at + line - from, lines, ...old);
    remaining.splice(line, lines, ...old);
  }
  return current.join('');
}

/** Returns the index at which a run of lines occurs, or null unless it occurs exactly once. */
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
