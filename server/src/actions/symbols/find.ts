import type { SourceSymbol, SymbolKind } from './source-symbols.ts';

/** A definition in a file. */
export interface FoundSymbol extends SourceSymbol {
  readonly path: string;
}

/** A search for definitions. */
export interface SymbolQuery {
  readonly query: string;
  readonly kind?: SymbolKind | undefined;
  /** A file, or a folder with everything in it. */
  readonly path?: string | undefined;
}

/**
 * Returns the matching definitions, best first: exact names, then prefixes, substrings, and names that contain the
 * letters in order.
 */
export function findSymbols<T extends FoundSymbol>(symbols: Iterable<T>, search: SymbolQuery, limit: number): T[] {
  const found: { symbol: T; score: number }[] = [];
  const folder = search.path?.replace(/^\.\/|\/+$/g, '');
  for (const symbol of symbols) {
    if (search.kind && symbol.kind !== search.kind) continue;
    if (folder && folder !== '.' && symbol.path !== folder && !symbol.path.startsWith(`${folder}/`)) continue;
    const score = scoreOf(symbol.name, search.query);
    if (score > 0) found.push({ symbol, score });
  }
  found.sort(
    (a, b) =>
      b.score - a.score ||
      a.symbol.name.length - b.symbol.name.length ||
      (a.symbol.path < b.symbol.path ? -1 : a.symbol.path > b.symbol.path ? 1 : a.symbol.line - b.symbol.line),
  );
  return found.slice(0, limit).map(({ symbol }) => symbol);
}

function scoreOf(name: string, query: string): number {
  if (name === query) return 100;
  const text = name.toLowerCase();
  // Compared without case here and without separators below: `read_file`, `readFile` and `read file` are equivalent.
  const wanted = query.toLowerCase();
  if (text === wanted) return 90;
  const plain = text.replaceAll(/[^\p{L}\p{N}]/gu, '');
  const words = wanted.replaceAll(/[^\p{L}\p{N}]/gu, '');
  if (words === '') return 0;
  if (plain === words) return 80;
  if (plain.startsWith(words)) return 70;
  if (plain.includes(words)) return 50;
  return words.length > 2 && hasLetters(plain, words) ? 20 : 0;
}

/**
 * Returns whether the letters occur in order and close together. Without that limit, almost any long name would match.
 */
function hasLetters(text: string, letters: string): boolean {
  let at = text.indexOf(letters[0] ?? '');
  const first = at;
  for (const letter of letters.slice(1)) {
    if (at < 0) return false;
    at = text.indexOf(letter, at + 1);
  }
  return at >= 0 && at - first < letters.length * 3;
}
