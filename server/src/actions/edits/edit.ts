import { toLf } from '@devlm/workspace-core/line-ends.ts';
import { exactMatch } from './exact.ts';
import { countUpTo, lineAt, lineCount, splitLines } from './lines.ts';
import type { Match } from './placed.ts';
import { applyChanges, type Change, type MatchMethod, occurrences, where } from './ranges.ts';
import { nearMiss, type Refusal, refuse } from './refusal.ts';
import { maxPlaces } from './same-lines.ts';
import { sectionsOf } from './sections.ts';
import { tolerantMatch } from './tolerant.ts';
import type { Edit } from './types.ts';

/** The result of an edit, with the changes that it made and how its place was found. */
export type Edited = { ok: true; text: string; changes: readonly Change[]; how: MatchMethod };

/**
 * Applies one edit to a text. Line ends never decide a match, and new lines get the line ends of their surroundings.
 * Tolerance concerns only the place of the edit: a line that the edit replaces must match exactly, except for its
 * indentation, and lines that it keeps stay unchanged byte for byte.
 */
export function applyEdit(text: string, edit: Edit): Edited | Refusal {
  const match = matchOf(text, { ...edit, oldText: toLf(edit.oldText), newText: toLf(edit.newText) });
  if (!match.ok) return match;
  if (match.changes.some((change) => joinsEnds(text, change)))
    return refuse(
      'line-ends',
      'The edit would merge two line endings (CR, then LF) into one. Edit the lines around it too.',
    );
  return { ...match, text: applyChanges(text, match.changes) };
}

/** Returns whether a change would bring a CR directly before an LF. */
function joinsEnds(text: string, { start, end, text: written }: Change): boolean {
  if (text[end] === '\n' && written.endsWith('\r')) return true;
  return text[start - 1] === '\r' && (written[0] ?? text[end]) === '\n';
}

function matchOf(text: string, edit: Edit): Match | Refusal {
  const { oldText, newText } = edit;
  if (oldText.trim() === '')
    return refuse('empty', 'The old text is empty or blank. Give the lines to replace, or write the whole file.');
  if (oldText === newText)
    return refuse(
      'no-op',
      'The old and the new text are the same, apart from line endings. There is nothing to change.',
    );
  const lines = splitLines(text);
  const sections = edit.within?.length ? sectionsOf(lines, edit.within) : [];
  if ('ok' in sections) return sections;
  const isWithin = (line: number) => sections.length === 0 || sections.some(([from, to]) => from <= line && line < to);
  const fits = (offset: number, length: number) =>
    (!edit.wholeLines || startsLine(lines.lf, offset)) &&
    (!edit.atEnd || offset + length === lines.lf.length) &&
    (sections.length === 0 || isWithin(lineAt(lines, offset)));
  const exact = exactMatch(lines, edit, fits);
  if (exact) return exact;
  const stripped = endWithoutNewline(lines.lf, edit);
  if (stripped) {
    const atEnd = exactMatch(
      lines,
      stripped,
      (offset, length) => offset + length === lines.lf.length && fits(offset, length),
    );
    if (atEnd) return atEnd.ok ? { ...atEnd, how: 'whitespace' } : atEnd;
  }
  const isLong = newText.trim().length >= 4;
  const made = occurrences(
    withFinalNewline(lines.lf, newText),
    newText,
    maxPlaces,
    (offset) => isLong || isLine(lines.lf, offset, newText),
  );
  if (made.length > 0) {
    const at = made.map((offset) => lineAt(lines, offset) + 1);
    const message = `The file does not contain the old text, but it contains the new text at ${where(at)}. The edit seems to have been made already.`;
    return refuse('already-applied', message, at);
  }
  const [elsewhere] = sections.length > 0 || edit.atEnd ? occurrences(lines.lf, oldText, 1) : [];
  if (elsewhere !== undefined)
    return nearMiss(lines, lineAt(lines, elsewhere), 1, 'it is outside the part of the file that the patch names');
  if (edit.replaceAll)
    return refuse('not-found', 'The file does not contain the old text. replaceAll requires exact matches.');
  const fitsLines = (line: number, count: number) =>
    isWithin(line) && (!edit.atEnd || line + count === lineCount(lines));
  return tolerantMatch(lines, { oldText, newText, fitsLines, fitsAt: fits });
}

const startsLine = (lf: string, offset: number) => offset === 0 || lf[offset - 1] === '\n';

/**
 * Returns whether a non-blank text is a whole line at an offset. Short texts count only in that case, because they
 * could occur anywhere.
 */
const isLine = (lf: string, offset: number, part: string) =>
  part.trim() !== '' && part.endsWith('\n') && startsLine(lf, offset);

/** Returns the text with a final line end added if the part ends with one. */
const withFinalNewline = (lf: string, part: string) => (part.endsWith('\n') && !lf.endsWith('\n') ? `${lf}\n` : lf);

/**
 * Returns the edit without final line ends if it replaces the last lines of a file that has none, or else undefined.
 */
function endWithoutNewline(lf: string, edit: Edit): Edit | undefined {
  const { oldText, newText } = edit;
  if (lf.endsWith('\n') || !oldText.endsWith('\n') || (newText !== '' && !newText.endsWith('\n'))) return undefined;
  const part = oldText.slice(0, -1);
  if (!lf.endsWith(part) || !startsLine(lf, lf.length - part.length)) return undefined;
  return { ...edit, oldText: part, newText: newText.slice(0, -1), replaceAll: false, startLine: undefined };
}

/** Applies several edits, each to the result of those before. Refuses an edit that touches what another one wrote. */
export function applyEdits(text: string, edits: readonly Edit[]): { ok: true; text: string } | Refusal {
  let current = text;
  let written: Range[] = [];
  for (const [index, edit] of edits.entries()) {
    const result = applyEdit(current, edit);
    const which = `Edit ${index + 1} of ${edits.length}`;
    if (!result.ok) return edits.length === 1 ? result : { ...result, message: `${which}: ${result.message}` };
    const moved = afterChanges(written, result.changes);
    if (!moved)
      return refuse('overlap', `${which} changes text that an earlier edit wrote. Combine them into one edit.`);
    written = moved;
    current = result.text;
  }
  return { ok: true, text: current };
}

/** Offsets of a range of the text. */
interface Range {
  start: number;
  end: number;
}

/**
 * Returns the ranges written so far, including those of these changes, as offsets in the changed text. Returns
 * undefined if a change touches an earlier range.
 */
function afterChanges(written: readonly Range[], changes: readonly Change[]): Range[] | undefined {
  const ends = changes.map(({ end }) => end);
  const shifts = [0];
  for (const { start, end, text } of changes) shifts.push((shifts.at(-1) ?? 0) + text.length - (end - start));
  const moved = (offset: number) => offset + (shifts[countUpTo(ends, offset)] ?? 0);
  const all: Range[] = [];
  for (const { start, end } of written) {
    const next = changes[countUpTo(ends, start)];
    if (next && next.start < end) return undefined;
    all.push({ start: moved(start), end: moved(end) });
  }
  for (const [index, { start, text }] of changes.entries()) {
    const from = start + (shifts[index] ?? 0);
    all.push({ start: from, end: from + text.length });
  }
  return all;
}
