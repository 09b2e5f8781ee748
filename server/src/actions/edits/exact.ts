import { type Lines, lead, lineAt } from './lines.ts';
import type { Match } from './placed.ts';
import { type Change, narrowed, occurrences, where } from './ranges.ts';
import { type Refusal, refuse } from './refusal.ts';
import { maxPlaces } from './same-lines.ts';
import type { Edit } from './types.ts';

/** Maximum number of places that one edit may replace. */
const maxReplacements = 10_000;

/** Returns the edit at the exact occurrences of its old text that are suitable, or undefined if there are none. */
export function exactMatch(
  lines: Lines,
  edit: Edit,
  fits: (offset: number, length: number) => boolean,
): Match | Refusal | undefined {
  const { oldText, newText } = edit;
  // Text that starts with indentation starts its line: within a deeper indentation it does not match. If it also occurs
  // after other text on a line, its leading white space may not be indentation, and every place counts.
  const isIndented =
    lead(oldText) !== '' &&
    occurrences(lines.lf, oldText, 1, (offset) => fits(offset, oldText.length) && isInLine(lines, offset)).length === 0;
  const fitsHere = (offset: number) =>
    fits(offset, oldText.length) && !(isIndented && indentationBefore(lines, offset) !== '');
  const found = edit.replaceAll
    ? separateOccurrences(lines, oldText, fitsHere)
    : occurrences(lines.lf, oldText, maxPlaces + 1, fitsHere);
  if ('ok' in found) return found;
  if (found.length === 0) return undefined;
  let chosen = found;
  if (found.length > 1 && !edit.replaceAll) {
    chosen = edit.startLine === undefined ? [] : onLine(lines, edit.startLine - 1, oldText, fitsHere);
    if (chosen.length !== 1) {
      const at = found.map((offset) => lineAt(lines, offset) + 1);
      const times = found.length > maxPlaces ? `more than ${maxPlaces}` : found.length;
      const message = `The old text occurs ${times} times in the file, at ${where(at)}. Add surrounding lines that identify one place.`;
      return refuse('ambiguous', message, at);
    }
  }
  const unclear = chosen.find((offset) => isIndentationUnclear(lines, offset, oldText, newText));
  if (unclear !== undefined) {
    const line = lineAt(lines, unclear) + 1;
    const message = `The old text omits the indentation of line ${line}, so the indentation of the new lines is unclear. Give whole lines.`;
    return refuse('indentation', message, [line]);
  }
  const doneAt = alreadyMade(lines, chosen, oldText, newText);
  if (doneAt.length > 0) {
    const message = `The new text is already in the file, at ${where(doneAt)}. The edit would be made twice.`;
    return refuse('already-applied', message, doneAt);
  }
  const changes: Change[] = [];
  for (const offset of chosen) {
    const change = narrowed(lines, offset, oldText, newText);
    if (!change) {
      const line = lineAt(lines, offset) + 1;
      const message = `The lines to replace, from line ${line} on, have different line endings. Edit fewer lines at once.`;
      return refuse('line-ends', message, [line]);
    }
    changes.push(change);
  }
  return { ok: true, changes, how: 'exact' };
}

/** Returns the text before an offset on its line. */
const lineUpTo = (lines: Lines, offset: number) => lines.lf.slice(lines.lfStarts[lineAt(lines, offset)] ?? 0, offset);

/** Returns whether anything but spaces and tabs is before an offset on its line. */
function isInLine(lines: Lines, offset: number): boolean {
  const text = lineUpTo(lines, offset);
  return lead(text) !== text;
}

/** Returns the spaces and tabs before an offset, or an empty string if anything else is before it on its line. */
function indentationBefore(lines: Lines, offset: number): string {
  const last = lines.lf[offset - 1];
  if (last !== ' ' && last !== '\t') return '';
  const text = lineUpTo(lines, offset);
  return lead(text) === text ? text : '';
}

/**
 * Returns whether the indentation of the new lines is ambiguous, because the first old line was given without its
 * indentation: they may be meant literally or relative to that line. Only lines that also occur in the old text, and
 * indentations of its later lines, are unambiguous.
 */
function isIndentationUnclear(lines: Lines, offset: number, oldText: string, newText: string): boolean {
  if (!newText.includes('\n') || indentationBefore(lines, offset) === '') return false;
  const [, ...laterLines] = oldText.split('\n');
  if (laterLines.length === 0 && (lines.lf[offset + oldText.length] ?? '\n') !== '\n') return false;
  const known = new Set(laterLines);
  const depths = new Set(laterLines.filter((line) => line.trim() !== '').map(lead));
  const [, ...written] = newText.split('\n');
  return written.some(
    (line) => line.trim() !== '' && !known.has(line) && (lead(line) === '' || !depths.has(lead(line))),
  );
}

/** Returns all suitable offsets of a text, or a refusal if two of them overlap. */
function separateOccurrences(lines: Lines, part: string, fits: (offset: number) => boolean): number[] | Refusal {
  const found: number[] = [];
  for (let at = lines.lf.indexOf(part); at >= 0; at = lines.lf.indexOf(part, at + 1)) {
    if (!fits(at)) continue;
    const last = found.at(-1);
    if (last !== undefined && at < last + part.length) {
      const places = [last, at].map((offset) => lineAt(lines, offset) + 1);
      return refuse('overlap', `Occurrences of the old text overlap, at ${where(places)}. Give a longer text.`, places);
    }
    found.push(at);
    if (found.length > maxReplacements)
      return refuse(
        'too-large',
        `The old text occurs more than ${maxReplacements} times, which is too many for one edit.`,
      );
  }
  return found;
}

/** Returns the offsets of a text that start on a line (0-based), at most two. */
function onLine(lines: Lines, line: number, part: string, fits: (offset: number) => boolean): number[] {
  const from = lines.lfStarts[line];
  if (from === undefined) return [];
  const to = lines.lfStarts[line + 1] ?? lines.lf.length;
  const range = lines.lf.slice(from, to + part.length - 1);
  return occurrences(range, part, 2, (offset) => fits(from + offset)).map((offset) => from + offset);
}

/** Returns the lines (1-based) of the places where the new text already surrounds the old text. */
function alreadyMade(lines: Lines, offsets: readonly number[], oldText: string, newText: string): number[] {
  if (!newText.includes(oldText)) return [];
  const isLines = newText.endsWith('\n') && newText.slice(0, -1) !== oldText;
  const text = isLines && !lines.lf.endsWith('\n') ? `${lines.lf}\n` : lines.lf;
  const found: number[] = [];
  let at = text.indexOf(newText);
  for (const offset of offsets) {
    const first = Math.max(0, offset - (newText.length - oldText.length));
    if (at >= 0 && at < first) at = text.indexOf(newText, first);
    if (at >= 0 && at <= offset) found.push(lineAt(lines, offset) + 1);
  }
  return found;
}
