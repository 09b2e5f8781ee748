import { estimateChars } from '@devlm/protocol/token-estimate.ts';
import type { SourceSymbol } from './source-symbols.ts';

/** A definition with its file and its importance. */
export interface RankedSymbol extends SourceSymbol {
  readonly path: string;
  readonly rank: number;
}

/** Maximum length of a line of the map, in characters. */
const maxLineChars = 120;
/** Maximum number of definitions per file, so that one file does not fill the map. */
const maxPerFile = 12;

/**
 * Returns a map of the most important definitions of a project, grouped by file, of at most `tokens` tokens (an
 * estimate). The same definitions give the same text. Empty if there are no definitions.
 */
export function repositoryMap(ranked: readonly RankedSymbol[], tokens: number): string {
  let remainingChars = estimateChars(tokens);
  const files = new Map<string, RankedSymbol[]>();
  const best = [...ranked].sort(
    (a, b) => b.rank - a.rank || (a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line),
  );
  for (const symbol of best) {
    const chosen = files.get(symbol.path);
    if (chosen && chosen.length >= maxPerFile) continue;
    const cost = lineOf(symbol).length + 1 + (chosen ? 0 : symbol.path.length + 2);
    if (cost > remainingChars) break;
    remainingChars -= cost;
    if (chosen) chosen.push(symbol);
    else files.set(symbol.path, [symbol]);
  }
  return [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, symbols]) => [`${path}:`, ...symbols.sort((a, b) => a.line - b.line).map(lineOf)].join('\n'))
    .join('\n');
}

function lineOf({ line, signature }: RankedSymbol): string {
  return `${String(line).padStart(5)} ${signature}`.slice(0, maxLineChars).toWellFormed();
}
