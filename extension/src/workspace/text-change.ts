/** The line endings of a text. A lone carriage return also counts as `mixed`. */
export type LineEnds = 'none' | 'lf' | 'crlf' | 'mixed';

/** Returns the line endings of a text. A text document of the editor can only have one kind, LF or CRLF. */
export function lineEndsOf(text: string): LineEnds {
  let lf = false;
  let crlf = false;
  for (const [end] of text.matchAll(/\r\n|\r|\n/g)) {
    if (end === '\r') return 'mixed';
    if (end === '\n') lf = true;
    else crlf = true;
    if (lf && crlf) return 'mixed';
  }
  return lf ? 'lf' : crlf ? 'crlf' : 'none';
}

/** Converts all line endings of a text. */
export function withLineEnds(text: string, ends: 'lf' | 'crlf'): string {
  return text.replaceAll(/\r\n|\r|\n/g, ends === 'lf' ? '\n' : '\r\n');
}

/** A replacement, by offsets into the old text. */
export interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Maximum number of lines on either side to compare; larger ranges are replaced as a whole. */
const maxLines = 4_000;
/** Maximum number of line edits to search for. */
const maxEdits = 400;

/**
 * Returns the replacements that turn one text into another, close to minimal, in order and without overlaps. They
 * never split a line ending or a surrogate pair. Both texts have the same kind of line endings.
 */
export function replacements(before: string, after: string): Replacement[] {
  if (before === after) return [];
  const a = linesOf(before);
  const b = linesOf(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const middleA = a.slice(head, a.length - tail);
  const middleB = b.slice(head, b.length - tail);
  let offset = a.slice(0, head).reduce((sum, line) => sum + line.length, 0);
  const found: Replacement[] = [];
  for (const { removed, added, kept } of hunks(middleA, middleB)) {
    const old = removed.join('');
    const trimmed = trim(old, added.join(''));
    if (trimmed) found.push({ ...trimmed, start: trimmed.start + offset, end: trimmed.end + offset });
    offset += old.length + kept;
  }
  return found;
}

/** Splits a text into lines, including their line endings. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

interface Hunk {
  readonly removed: string[];
  readonly added: string[];
  /** Length of the unchanged lines that follow, in UTF-16 code units. */
  kept: number;
}

/** Computes Myers' shortest edit script. Returns a single hunk if the inputs exceed the bounds. */
function hunks(a: readonly string[], b: readonly string[]): Hunk[] {
  const singleHunk: Hunk[] = [{ removed: [...a], added: [...b], kept: 0 }];
  if (a.length === 0 || b.length === 0 || a.length > maxLines || b.length > maxLines) return singleHunk;
  const trace: Int32Array[] = [];
  const size = Math.min(a.length + b.length, maxEdits);
  const reach = new Int32Array(2 * size + 3);
  const origin = size + 1;
  for (let d = 0; d <= size; d++) {
    trace.push(reach.slice());
    for (let k = -d; k <= d; k += 2) {
      let x = goesDown(reach, origin, k, d) ? at(reach, origin + k + 1) : at(reach, origin + k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reach[origin + k] = x;
      if (x >= a.length && x - k >= b.length) return walkBack(a, b, trace, origin, d);
    }
  }
  return singleHunk;
}

function goesDown(reach: Int32Array, origin: number, k: number, d: number): boolean {
  return k === -d || (k !== d && at(reach, origin + k - 1) < at(reach, origin + k + 1));
}

function walkBack(
  a: readonly string[],
  b: readonly string[],
  trace: readonly Int32Array[],
  origin: number,
  last: number,
): Hunk[] {
  const steps: ('keep' | 'remove' | 'add')[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = last; d >= 0; d--) {
    const reach = trace[d] ?? new Int32Array();
    const k = x - y;
    const down = goesDown(reach, origin, k, d);
    const fromK = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : at(reach, origin + fromK);
    const fromY = d === 0 ? 0 : fromX - fromK;
    for (; x > fromX && y > fromY; x--, y--) steps.push('keep');
    if (d > 0) steps.push(down ? 'add' : 'remove');
    x = fromX;
    y = fromY;
  }
  return collect(a, b, steps.reverse());
}

function collect(a: readonly string[], b: readonly string[], steps: readonly ('keep' | 'remove' | 'add')[]): Hunk[] {
  const found: Hunk[] = [];
  let hunk: Hunk = { removed: [], added: [], kept: 0 };
  let x = 0;
  let y = 0;
  for (const step of steps) {
    if (step !== 'keep' && hunk.kept > 0) {
      found.push(hunk);
      hunk = { removed: [], added: [], kept: 0 };
    }
    if (step === 'remove') hunk.removed.push(a[x++] ?? '');
    else if (step === 'add') hunk.added.push(b[y++] ?? '');
    else {
      hunk.kept += a[x++]?.length ?? 0;
      y++;
    }
  }
  return [...found, hunk];
}

function at(values: Int32Array, index: number): number {
  return values[index] ?? 0;
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
