import { hunksOf } from '@devlm/workspace-core/hunks.ts';
import { rawLines } from '@devlm/workspace-core/line-ends.ts';

/** A replacement, by offsets into the old text. */
export interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Returns the replacements that turn one text into another, close to minimal, in order and without overlaps. They
 * never split a line ending or a surrogate pair.
 */
export function replacements(before: string, after: string): Replacement[] {
  const found: Replacement[] = [];
  const lines = rawLines(before);
  let line = 0;
  let offset = 0;
  for (const hunk of hunksOf(before, after)) {
    while (line < hunk.line) offset += lines[line++]?.length ?? 0;
    const trimmed = trim(hunk.before, hunk.after);
    if (trimmed) found.push({ ...trimmed, start: trimmed.start + offset, end: trimmed.end + offset });
  }
  return found;
}

/** Removes the common beginning and end. Returns undefined if the texts are equal. */
function trim(before: string, after: string): Replacement | undefined {
  if (before === after) return undefined;
  const maxCommon = Math.min(before.length, after.length);
  let start = 0;
  while (start < maxCommon && before[start] === after[start]) start++;
  if (start > 0 && (isInsideUnit(before, start) || isInsideUnit(after, start))) start--;
  let end = 0;
  while (end < maxCommon - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  if (end > 0 && (isInsideUnit(before, before.length - end) || isInsideUnit(after, after.length - end))) end--;
  return { start, end: before.length - end, text: after.slice(start, after.length - end) };
}

/** Returns whether an offset is inside CRLF or a surrogate pair. */
function isInsideUnit(text: string, offset: number): boolean {
  const left = text.charCodeAt(offset - 1);
  const right = text.charCodeAt(offset);
  return (left === 13 && right === 10) || (left >= 0xd800 && left < 0xdc00 && right >= 0xdc00 && right < 0xe000);
}
