import type { SourceSymbol } from './source-symbols.ts';

/** A definition with the file that it is in, and how much it matters. */
export interface RankedSymbol extends SourceSymbol {
  readonly path: string;
  readonly rank: number;
}

/** Characters to a token of a map, measured low: paths and names are split often. */
const charsPerToken = 3.2;
const lineChars = 120;
/** Of one file, so that one does not fill the map. */
const mostPerFile = 12;

/**
 * The most important definitions of a project, by file, in at most so many tokens (an estimate). The same
 * definitions give the same text. Empty where there are none.
 */
export function repositoryMap(ranked: readonly RankedSymbol[], tokens: number): string {
  let left = Math.floor(tokens * charsPerToken);
  const files = new Map<string, RankedSymbol[]>();
  const best = [...ranked].sort(
    (a, b) => b.rank - a.rank || (a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line),
  );
  for (const symbol of best) {
    const chosen = files.get(symbol.path);
    if (chosen && chosen.length >= mostPerFile) continue;
    const cost = lineOf(symbol).length + 1 + (chosen ? 0 : symbol.path.length + 2);
    if (cost > left) break;
    left -= cost;
    if (chosen) chosen.push(symbol);
    else files.set(symbol.path, [symbol]);
  }
  return [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, symbols]) => [`${path}:`, ...symbols.sort((a, b) => a.line - b.line).map(lineOf)].join('\n'))
    .join('\n');
}

function lineOf({ line, signature }: RankedSymbol): string {
  return `${String(line).padStart(5)} ${signature}`.slice(0, lineChars).toWellFormed();
}
