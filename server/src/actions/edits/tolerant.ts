import { bare, block, type Lines, lineAt, lineCount, lineText } from './lines.ts';
import { folded, isPlain, plain, squeezed } from './look-alikes.ts';
import { nearestLine } from './nearest.ts';
import { type Match, placed } from './placed.ts';
import { commonEnds, narrowed, occurrences, where } from './ranges.ts';
import { nearMiss, type Refusal, refuse } from './refusal.ts';
import { type Keyed, keyed, keyedBare, maxPlaces, runsOf } from './same-lines.ts';

/**
 * Requirements of a similar match: the share of non-blank old lines that match apart from indentation, and the number
 * of non-blank old lines.
 */
const [minSimilarShare, minSimilarLines] = [0.8, 4];
/** Maximum length of an old text that is searched by similarity, in lines. */
const maxSimilarityLines = 400;
/** Maximum number of places of a line that are counted. A more common line does not help to find the place. */
const maxCommonPlaces = 50;
/** Maximum number of places that are compared line by line. */
const maxRankedPlaces = 20;

/** An edit whose old text has no exact match. Its texts have `\n` ends. */
export interface Sought {
  readonly oldText: string;
  readonly newText: string;
  /** Returns whether the old text may be at `count` whole lines from a line (0-based) on. */
  readonly fitsLines: (line: number, count: number) => boolean;
  /** Returns whether the old text may be at an offset. */
  readonly fitsAt: (offset: number, length: number) => boolean;
}

/** Finds the place of an old text without an exact match: ignoring whitespace, then look-alikes, then by similarity. */
export function tolerantMatch(lines: Lines, sought: Sought): Match | Refusal {
  const old = block(sought.oldText);
  const keys = keyedBare(lines, old);
  return (
    byWhitespace(lines, sought, old, keys) ?? byLookAlike(lines, sought, old) ?? bySimilarity(lines, sought, old, keys)
  );
}

function byWhitespace(lines: Lines, sought: Sought, old: readonly string[], keys: Keyed): Match | Refusal | undefined {
  const starts = runsOf(keys, (start) => sought.fitsLines(start, old.length));
  if (starts.length > maxPlaces) return ambiguous(starts, 'apart from whitespace');
  const indented = starts.filter((start) =>
    old.every((line, index) => line.trimEnd() === lineText(lines, start + index).trimEnd()),
  );
  const found = indented.length > 0 ? indented : starts;
  if (found.length > 1) return ambiguous(found, 'apart from whitespace');
  const [start] = found;
  if (start === undefined) return undefined;
  if (sought.oldText.replace(/\s/g, '') === sought.newText.replace(/\s/g, ''))
    return nearMiss(lines, start, old.length, 'a change of whitespace alone requires an exact match');
  return placed(lines, start, sought.oldText, sought.newText, 'whitespace');
}

function byLookAlike(lines: Lines, sought: Sought, old: readonly string[]): Match | Refusal | undefined {
  const { oldText, newText } = sought;
  if (isPlain(lines.lf) && isPlain(oldText)) return undefined;
  const how = 'apart from look-alike characters';
  const [text, part] = [plain(lines.lf), plain(oldText)];
  const found = occurrences(text, part, maxPlaces + 1, (offset) => sought.fitsAt(offset, part.length));
  const [offset] = found;
  if (offset !== undefined) {
    const at = found.map((each) => lineAt(lines, each));
    if (found.length > 1) return ambiguous(at, how);
    const [line, wanted] = [lineAt(lines, offset), plain(newText)];
    const inside = wanted.includes(part) ? Math.max(0, offset - (wanted.length - part.length)) : text.length;
    const isAlreadyThere = text.slice(inside, offset + wanted.length).includes(wanted);
    if (isAlreadyThere)
      return refuse('already-applied', `The new text is already in the file at line ${line + 1}, ${how}.`, [line + 1]);
    const { head, tail } = commonEnds(oldText, newText);
    const isKnown = lines.lf.startsWith(oldText.slice(head, oldText.length - tail), offset + head);
    if (!isKnown)
      return nearMiss(lines, line, old.length, 'it has look-alike characters where the edit makes its change');
    const change = narrowed(lines, offset, oldText, newText);
    if (change) return { ok: true, changes: [change], how: 'look-alike' };
    return nearMiss(lines, line, old.length, 'its line endings require an exact match');
  }
  const foldedText = folded(lines.lf);
  const texts = foldedText.split('\n');
  const keys = keyed(
    lineCount(lines),
    (line) => bare(texts[line] ?? ''),
    old.map((line) => bare(folded(line))),
  );
  const starts = runsOf(keys, (start) => sought.fitsLines(start, old.length));
  if (starts.length > 1) return ambiguous(starts, how);
  return starts[0] === undefined ? undefined : placed(lines, starts[0], oldText, newText, 'look-alike');
}

/**
 * Finds a place where at least four fifths of the lines match and the others are the same except for spacing, quotes
 * or a comma at the end. Lines with other words never match: two functions may differ only in their names.
 */
function bySimilarity(lines: Lines, sought: Sought, old: readonly string[], { have, want }: Keyed): Match | Refusal {
  const { oldText, newText } = sought;
  const known = old.filter((line) => bare(line) !== '').length;
  const ranked = old.length <= maxSimilarityLines ? rankedStarts(have, want, old) : [];
  const inPlace = (start: number) => old.filter((line, k) => bare(line) !== '' && have[start + k] === want[k]).length;
  const close = ranked.filter(
    (start) => start + old.length <= have.length && inPlace(start) >= known * minSimilarShare,
  );
  const alike = close.filter((start) =>
    old.every((line, k) => have[start + k] === want[k] || squeezed(line) === squeezed(lineText(lines, start + k))),
  );
  const [start] = alike;
  if (start !== undefined && sought.fitsLines(start, old.length)) {
    if (alike.length > 1) return ambiguous(alike, 'with small differences');
    if (known >= minSimilarLines && close.length === 1) return placed(lines, start, oldText, newText, 'similar');
    return nearMiss(lines, start, old.length, 'too little of the old text matches');
  }
  const nearest = ranked[0] ?? nearestLine(lines, old);
  if (nearest !== undefined) return nearMiss(lines, nearest, old.length, 'too little of the old text matches');
  return refuse('not-found', 'The file contains neither the old text nor anything similar. Read the file again.');
}

/** Returns the start lines that most of the less common old lines agree on, best first. */
function rankedStarts(have: Int32Array, want: Int32Array, old: readonly string[]): number[] {
  const places: number[][] = Array.from(want, () => []);
  for (let line = 0; line < have.length; line++) {
    const found = places[have[line] ?? -1];
    if (found && found.length <= maxCommonPlaces) found.push(line);
  }
  const votes = new Map<number, number>();
  for (const [index, line] of old.entries()) {
    const found = places[want[index] ?? -1] ?? [];
    if (!/[\p{L}\p{N}]/u.test(line) || found.length > maxCommonPlaces) continue;
    for (const place of found) {
      if (place >= index) votes.set(place - index, (votes.get(place - index) ?? 0) + 1);
    }
  }
  let maxVotes = 0;
  for (const count of votes.values()) maxVotes = Math.max(maxVotes, count);
  const best = [...votes].filter(([, count]) => count * 2 >= maxVotes).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  return best.slice(0, maxRankedPlaces).map(([start]) => start);
}

function ambiguous(starts: readonly number[], how: string): Refusal {
  const at = starts.map((start) => start + 1);
  const times = at.length > maxPlaces ? `more than ${maxPlaces} times` : `${at.length} times`;
  return refuse(
    'ambiguous',
    `The old text has no exact match in the file; ${how}, it occurs ${times}, at ${where(at)}. Give the exact text of one place.`,
    at,
  );
}
