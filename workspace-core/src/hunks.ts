import { commonLines } from './common-lines.ts';
import { rawLines } from './line-ends.ts';

/** A run of lines that differ: the raw texts before and after, and its first line (0-based) in the text before. */
export interface Hunk {
  line: number;
  before: string;
  after: string;
}

/** Returns the differences between two texts, in order. A difference too large to align is one hunk. */
export function hunksOf(before: string, after: string): Hunk[] {
  const a = rawLines(before);
  const b = rawLines(after);
  const hunks: Hunk[] = [];
  let [i, j] = [0, 0];
  for (const [x, y] of [...commonLines(a, b), [a.length, b.length] as const]) {
    if (x > i || y > j) hunks.push({ line: i, before: a.slice(i, x).join(''), after: b.slice(j, y).join('') });
    [i, j] = [x + 1, y + 1];
  }
  return hunks;
}
