import { type Hunk, hunksOf } from '@devlm/workspace-core/hunks.ts';
import { rawLines } from '@devlm/workspace-core/line-ends.ts';

/** Returns the text with only the accepted hunks (by index) applied. All other bytes are those of `before`. */
export function withHunks(before: string, hunks: readonly Hunk[], accepted: ReadonlySet<number>): string {
  const a = rawLines(before);
  const parts: string[] = [];
  let line = 0;
  for (const [index, hunk] of hunks.entries()) {
    parts.push(...a.slice(line, hunk.line), accepted.has(index) ? hunk.after : hunk.before);
    line = hunk.line + rawLines(hunk.before).length;
  }
  parts.push(...a.slice(line));
  return parts.join('');
}

/** Returns the numbers of lines that were added and removed. */
export function countsOf(before: string | null, after: string | null): { added: number; removed: number } {
  const counts = { added: 0, removed: 0 };
  for (const hunk of hunksOf(before ?? '', after ?? '')) {
    counts.added += rawLines(hunk.after).length;
    counts.removed += rawLines(hunk.before).length;
  }
  return counts;
}

/** Returns a diff for a model to read, of at most `limit` lines. */
export function shownDiff(before: string, after: string, limit = 60): string {
  const out: string[] = [];
  for (const hunk of hunksOf(before, after)) {
    out.push(`@@ line ${hunk.line + 1} @@`);
    for (const line of rawLines(hunk.before)) out.push(`-${line.replace(/[\r\n]+$/, '').slice(0, 300)}`);
    for (const line of rawLines(hunk.after)) out.push(`+${line.replace(/[\r\n]+$/, '').slice(0, 300)}`);
  }
  return out.length > limit
    ? [...out.slice(0, limit), `(${out.length - limit} more lines)`].join('\n')
    : out.join('\n');
}
