import { type Lines, lead, lineAt } from './lines.ts';
import type { Match } from './placed.ts';
import { type Change, narrowed, occurrences, where } from './ranges.ts';
import { type Refusal, refuse } from './refusal.ts';
import { mostPlaces } from './same-lines.ts';
import type { Edit } from './types.ts';

/** Places that one edit may replace at once. */
const mostReplaced = 10_000;

/** The edit where its old text stands to the letter and fits; undefined where it nowhere does. */
export function exactMatch(
  lines: Lines,
  edit: Edit,
  fits: (offset: number, length: number) => boolean,
): Match | Refusal | undefined {
  const { oldText, newText } = edit;
  // Text that starts with indentation starts its line: from the middle of a deeper indentation it is no match. Where it
  // stands behind other text too, its white space may be none, and then every place counts.
  const isIndented =
    lead(oldText) !== '' &&
    occurrences(lines.lf, oldText, 1, (offset) => fits(offset, oldText.length) && isInLine(lines, offset)).length === 0;
  const fitsHere = (offset: number) =>
    fits(offset, oldText.length) && !(isIndented && indentationBefore(lines, offset) !== '');
  const found = edit.replaceAll
    ? apart(lines, oldText, fitsHere)
    : occurrences(lines.lf, oldText, mostPlaces + 1, fitsHere);
  if ('ok' in found) return found;
  if (found.length === 0) return undefined;
  let chosen = found;
  if (found.length > 1 && !edit.replaceAll) {
    chosen = edit.startLine === undefined ? [] : onLine(lines, edit.startLine - 1, oldText, fitsHere);
    if (chosen.length !== 1) {
      const at = found.map((offset) => lineAt(lines, offset) + 1);
      const times = found.length > mostPlaces ? `over ${mostPlaces}` : found.length;
      const message = `The old text is in the file ${times} times, at ${where(at)}: add lines around it that tell which.`;
      return refuse('ambiguous', message, at);
    }
  }
  const unclear = chosen.find((offset) => isIndentationUnclear(lines, offset, oldText, newText));
  if (unclear !== undefined) {
    const line = lineAt(lines, unclear) + 1;
    const message = `The old text leaves out the indentation of line ${line}, so that of the new lines is not clear: give whole lines.`;
    return refuse('indentation', message, [line]);
  }
  const doneAt = alreadyMade(lines, chosen, oldText, newText);
  if (doneAt.length > 0) {
    const message = `The new text is already there, at ${where(doneAt)}: the edit would be made twice.`;
    return refuse('already-applied', message, doneAt);
  }
  const changes: Change[] = [];
  for (const offset of chosen) {
    const change = narrowed(lines, offset, oldText, newText);
    if (!change) {
      const line = lineAt(lines, offset) + 1;
      const message = `The lines to replace have different line ends (line ${line} on): edit fewer lines at once.`;
      return refuse('line-ends', message, [line]);
    }
    changes.push(change);
  }
  return { ok: true, changes, how: 'exact' };
}

/** What stands before an offset on its line. */
const lineUpTo = (lines: Lines, offset: number) => lines.lf.slice(lines.lfStarts[lineAt(lines, offset)] ?? 0, offset);

/** Whether more than spaces and tabs stand before an offset on its line. */
function isInLine(lines: Lines, offset: number): boolean {
  const text = lineUpTo(lines, offset);
  return lead(text) !== text;
}

/** The spaces and tabs before an offset, where nothing else stands before it on its line. */
function indentationBefore(lines: Lines, offset: number): string {
  const last = lines.lf[offset - 1];
  if (last !== ' ' && last !== '\t') return '';
  const text = lineUpTo(lines, offset);
  return lead(text) === text ? text : '';
}

/**
 * A first line given without its indentation: new lines may be meant as they are, or beside that line. Clear is
 * only a line that the old text has too, or an indentation that lines after its first one have.
 */
function isIndentationUnclear(lines: Lines, offset: number, oldText: string, newText: string): boolean {
  if (!newText.includes('\n') || indentationBefore(lines, offset) === '') return false;
  const [, ...others] = oldText.split('\n');
  if (others.length === 0 && (lines.lf[offset + oldText.length] ?? '\n') !== '\n') return false;
  const known = new Set(others);
  const depths = new Set(others.filter((line) => line.trim() !== '').map(lead));
  const [, ...written] = newText.split('\n');
  return written.some(
    (line) => line.trim() !== '' && !known.has(line) && (lead(line) === '' || !depths.has(lead(line))),
  );
}

/** All places of a text, none of which may touch the next. */
function apart(lines: Lines, part: string, fits: (offset: number) => boolean): number[] | Refusal {
  const found: number[] = [];
  for (let at = lines.lf.indexOf(part); at >= 0; at = lines.lf.indexOf(part, at + 1)) {
    if (!fits(at)) continue;
    const last = found.at(-1);
    if (last !== undefined && at < last + part.length) {
      const places = [last, at].map((offset) => lineAt(lines, offset) + 1);
      return refuse('overlap', `Occurrences of the old text overlap, at ${where(places)}: give a longer text.`, places);
    }
    found.push(at);
    if (found.length > mostReplaced)
      return refuse('too-large', `The old text is there over ${mostReplaced} times, which is too many for one edit.`);
  }
  return found;
}

function onLine(lines: Lines, line: number, part: string, fits: (offset: number) => boolean): number[] {
  const from = lines.lfStarts[line];
  if (from === undefined) return [];
  const to = lines.lfStarts[line + 1] ?? lines.lf.length;
  const reach = lines.lf.slice(from, to + part.length - 1);
  return occurrences(reach, part, 2, (offset) => fits(from + offset)).map((offset) => from + offset);
}

/** Lines (1-based) of the places around which the new text stands already. */
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
