import { commonLines } from '@devlm/workspace-core/common-lines.ts';
import { bare, block, endWithin, type Lines, lead, lineCount, lineEnd, lineText } from './lines.ts';
import { folded, squeezed } from './look-alikes.ts';
import type { Change, MatchMethod } from './ranges.ts';
import { excerpt, nearMiss, type Refusal, refuse } from './refusal.ts';
import { keyed, runsOf } from './same-lines.ts';

/** The changes that make an edit at the place that was found for it. */
export type Match = { ok: true; changes: Change[]; how: MatchMethod };

/**
 * Replaces the lines at `start` with the new lines. Lines that the old and the new text share keep the bytes of the
 * file. A line that is removed must match the model's text exactly, apart from spaces and tabs around it.
 */
export function placed(
  lines: Lines,
  start: number,
  oldText: string,
  newText: string,
  how: MatchMethod,
): Match | Refusal {
  const old = block(oldText);
  const next = newText === '' ? [] : block(newText);
  const miss = (why: string) => nearMiss(lines, start, old.length, why);
  if (next.length > 0 && oldText.endsWith('\n') !== newText.endsWith('\n'))
    return miss('an edit that joins or splits its last line requires an exact match');
  if (next.length === 0 && !oldText.endsWith('\n')) return miss('removing part of a line requires an exact match');
  if (isThere(lines, start, old, next)) {
    return refuse(
      'already-applied',
      `The new lines are already in the file at line ${start + 1}, apart from whitespace or look-alike characters.`,
      [start + 1],
    );
  }
  const actual = old.map((_, index) => lineText(lines, start + index));
  const indent = indentation(old, actual);
  const changes: Change[] = [];
  let [i, j] = [0, 0];
  for (const [keptOld, keptNew] of [...commonLines(old, next), [old.length, next.length] as const]) {
    if (keptOld > i || keptNew > j) {
      // The lines on both sides are compared too, so that no change is made next to an unknown line.
      for (let k = Math.max(0, i - 1); k < Math.min(old.length, keptOld + 1); k++) {
        const isRemoved = k >= i && k < keptOld;
        const known = isRemoved ? bare(old[k] ?? '') === bare(actual[k] ?? '') : isSame(old[k] ?? '', actual[k] ?? '');
        if (!known) return miss(`it differs in lines that the edit ${isRemoved ? 'replaces' : 'is next to'}`);
      }
      const written = next.slice(j, keptNew).map((line) => (bare(line) === '' ? line : indent(line)));
      if (written.some((line) => line === undefined)) {
        return refuse(
          'indentation',
          `The old text matches from line ${start + 1} on only with a different indentation, so the indentation of the new lines is unclear. The file has:\n${excerpt(lines, start, old.length)}`,
          [start + 1],
        );
      }
      const change = changeOf(lines, start + i, start + keptOld, written);
      if (!change) return miss('its line endings require an exact match');
      changes.push(change);
    }
    [i, j] = [keptOld + 1, keptNew + 1];
  }
  return { ok: true, changes, how };
}

const isSame = (a: string, b: string) => bare(folded(a)) === bare(folded(b));

/** Replaces lines `from` to `to` (exclusive) with whole lines. Returns undefined if no line end is right. */
function changeOf(
  lines: Lines,
  from: number,
  to: number,
  written: readonly (string | undefined)[],
): Change | undefined {
  const newline = endWithin(lines, from, to);
  const atEnd = to === lineCount(lines) && lineEnd(lines, to - 1) === '';
  if (newline === undefined || (atEnd && (from === to || written.length === 0))) return undefined;
  return {
    start: lines.rawStarts[from] ?? lines.text.length,
    end: lines.rawStarts[to] ?? lines.text.length,
    text: written.join(newline) + (atEnd || written.length === 0 ? '' : newline),
  };
}

/** Returns whether the new lines are already there, around the old ones, because the insertion was made before. */
function isThere(lines: Lines, start: number, old: readonly string[], next: readonly string[]): boolean {
  const added = next.length - old.length;
  if (added <= 0) return false;
  const from = Math.max(0, start - added);
  const to = Math.min(lineCount(lines), start + old.length + added);
  const keys = keyed(to - from, (line) => squeezed(lineText(lines, from + line)), next.map(squeezed));
  return runsOf(keys, () => true, 1).length > 0;
}

/**
 * Returns a function that converts the indentation of a line from the model's to the file's. It returns undefined if
 * that is unclear.
 */
function indentation(old: readonly string[], actual: readonly string[]): (line: string) => string | undefined {
  const seen = new Map<string, string>();
  let clear = true;
  for (const [index, line] of old.entries()) {
    const actualLine = actual[index] ?? '';
    if (bare(line) === '' || bare(line) !== bare(actualLine)) continue;
    const [given, used] = [lead(line), lead(actualLine)];
    if ((seen.get(given) ?? used) !== used) clear = false;
    seen.set(given, used);
  }
  if (seen.size === 0 || new Set(seen.values()).size !== seen.size) clear = false;
  const entries = [...seen];
  if (clear && entries.every(([given, used]) => given === used)) return (line) => line;
  const [given, used] = entries[0] ?? ['', ''];
  const added = used.endsWith(given) ? used.slice(0, used.length - given.length) : undefined;
  const cut = given.endsWith(used) ? given.slice(0, given.length - used.length) : undefined;
  return (line) => {
    if (!clear) return undefined;
    const indent = lead(line);
    const known = seen.get(indent);
    if (known !== undefined) return known + line.slice(indent.length);
    let depth: string | undefined;
    if (added !== undefined && entries.every(([a, b]) => b === added + a)) depth = added + indent;
    else if (cut !== undefined && indent.startsWith(cut) && entries.every(([a, b]) => a === cut + b))
      depth = indent.slice(cut.length);
    // Converting a mix of tabs and spaces would require guessing the width of the file's tabs.
    return depth === undefined || (depth.includes('\t') && depth.includes(' '))
      ? undefined
      : depth + line.slice(indent.length);
  };
}
