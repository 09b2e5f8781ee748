import { bare, type Lines, lineAt, lineCount, lineText } from './lines.ts';
import { folded } from './look-alikes.ts';

/** Length of a piece that is searched, in characters. */
const pieceLength = 8;
/**
 * Number of pieces that are searched per line. Together with a search for each whole line, `linesTried` lines cause at
 * most 8 passes over the text.
 */
const piecesPerLine = 3;
/** Number of old lines, longest first, whose place is searched. */
const linesTried = 2;
/** Maximum number of places compared for each piece. */
const placesPerPiece = 8;
/** Minimum similarity of a candidate, and the similarity above which the search ends, both from 0 to 1. */
const [minSimilarity, sureSimilarity] = [0.6, 0.85];
/** Number of characters of a line that are compared. */
const comparedLength = 300;
/** Maximum number of lines of a file in which every line is compared. */
const smallFileLines = 300;

/** Returns the line (0-based) that an old text without a match seems to mean. Only for the excerpt of a refusal. */
export function nearestLine(lines: Lines, old: readonly string[]): number | undefined {
  const longest = [...old.keys()].sort((a, b) => (old[b]?.length ?? 0) - (old[a]?.length ?? 0)).slice(0, linesTried);
  let best = { line: -1, score: minSimilarity };
  const count = lineCount(lines);
  for (const index of longest) {
    const wanted = bare(old[index] ?? '').slice(0, comparedLength);
    if (wanted === '' || best.line >= 0) continue;
    const whole = lines.lf.indexOf(wanted);
    if (whole >= 0) return Math.max(0, lineAt(lines, whole) - index);
    const seen = new Set<number>();
    const compare = (line: number) => {
      if (seen.has(line)) return;
      seen.add(line);
      const score = similarity(wanted, bare(lineText(lines, line)).slice(0, comparedLength));
      if (score > best.score) best = { line: Math.max(0, line - index), score };
    };
    for (const piece of pieces(wanted)) {
      if (best.score > sureSimilarity) break;
      let at = lines.lf.indexOf(piece);
      for (let n = 0; at >= 0 && n < placesPerPiece; n++, at = lines.lf.indexOf(piece, at + piece.length)) {
        compare(lineAt(lines, at));
      }
    }
    if (best.line < 0 && count <= smallFileLines) for (let line = 0; line < count; line++) compare(line);
  }
  return best.line < 0 ? undefined : best.line;
}

function pieces(line: string): string[] {
  if (line.length < pieceLength) return [];
  const step = Math.max(1, Math.floor((line.length - pieceLength) / (piecesPerLine - 1)));
  const starts = Array.from({ length: piecesPerLine }, (_, k) => Math.min(k * step, line.length - pieceLength));
  return [...new Set(starts.map((start) => line.slice(start, start + pieceLength)))];
}

/** Returns the share of pairs of neighboring characters that two texts have in common, from 0 to 1. */
function similarity(first: string, second: string): number {
  const [a, b] = [folded(first).toLowerCase(), folded(second).toLowerCase()];
  const pairs = new Map<string, number>();
  for (let k = 0; k + 1 < a.length; k++) pairs.set(a.slice(k, k + 2), (pairs.get(a.slice(k, k + 2)) ?? 0) + 1);
  let shared = 0;
  for (let k = 0; k + 1 < b.length; k++) {
    const remaining = pairs.get(b.slice(k, k + 2)) ?? 0;
    if (remaining > 0) {
      shared++;
      pairs.set(b.slice(k, k + 2), remaining - 1);
    }
  }
  return (2 * shared) / Math.max(1, a.length + b.length - 2);
}
