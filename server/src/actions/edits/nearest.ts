import { bare, type Lines, lineAt, lineCount, lineText } from './lines.ts';
import { folded } from './look-alikes.ts';

/** Characters of a piece that is looked for, and how many pieces of how many lines: 8 passes over the text at most. */
const pieceLength = 8;
const piecesPerLine = 3;
const linesTried = 2;
/** Places compared for each piece, and how much of them must be the same. */
const placesPerPiece = 8;
const [likeness, sureLikeness] = [0.6, 0.85];
const comparedLength = 300;
/** Lines; in a file this small every line is compared. */
const smallFile = 300;

/** The line (0-based) where an old text that has no line in the file seems to be meant; for a refusal's excerpt only. */
export function nearestLine(lines: Lines, old: readonly string[]): number | undefined {
  const longest = [...old.keys()].sort((a, b) => (old[b]?.length ?? 0) - (old[a]?.length ?? 0)).slice(0, linesTried);
  let best = { line: -1, score: likeness };
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
      const score = sameness(wanted, bare(lineText(lines, line)).slice(0, comparedLength));
      if (score > best.score) best = { line: Math.max(0, line - index), score };
    };
    for (const piece of pieces(wanted)) {
      if (best.score > sureLikeness) break;
      let at = lines.lf.indexOf(piece);
      for (let n = 0; at >= 0 && n < placesPerPiece; n++, at = lines.lf.indexOf(piece, at + piece.length)) {
        compare(lineAt(lines, at));
      }
    }
    if (best.line < 0 && count <= smallFile) for (let line = 0; line < count; line++) compare(line);
  }
  return best.line < 0 ? undefined : best.line;
}

function pieces(line: string): string[] {
  if (line.length < pieceLength) return [];
  const step = Math.max(1, Math.floor((line.length - pieceLength) / (piecesPerLine - 1)));
  const starts = Array.from({ length: piecesPerLine }, (_, k) => Math.min(k * step, line.length - pieceLength));
  return [...new Set(starts.map((start) => line.slice(start, start + pieceLength)))];
}

/** Of the pairs of neighbouring characters, the share that both have: 0 to 1. */
function sameness(one: string, other: string): number {
  const [a, b] = [folded(one).toLowerCase(), folded(other).toLowerCase()];
  const pairs = new Map<string, number>();
  for (let k = 0; k + 1 < a.length; k++) pairs.set(a.slice(k, k + 2), (pairs.get(a.slice(k, k + 2)) ?? 0) + 1);
  let both = 0;
  for (let k = 0; k + 1 < b.length; k++) {
    const left = pairs.get(b.slice(k, k + 2)) ?? 0;
    if (left > 0) {
      both++;
      pairs.set(b.slice(k, k + 2), left - 1);
    }
  }
  return (2 * both) / Math.max(1, a.length + b.length - 2);
}
