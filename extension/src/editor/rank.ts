/**
 * Paths that match a query, best first. All of the query's words must occur, in any order;
 * failing that, its letters in this order. A match in the file's name counts more than one in
 * its folders, one at the start of a word more than one inside, and a short path more than a long one.
 */
export function rankPaths(paths: readonly string[], query: string, limit: number): string[] {
  const words = query.toLowerCase().replaceAll('\\', '/').split(/\s+/).filter(Boolean);
  if (words.length === 0) return paths.slice(0, limit);
  return paths
    .map((path) => ({ path, score: scoreOf(path, words) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.path.length - b.path.length || (a.path < b.path ? -1 : 1))
    .slice(0, limit)
    .map(({ path }) => path);
}

function scoreOf(path: string, words: readonly string[]): number {
  const text = path.toLowerCase();
  const nameAt = text.lastIndexOf('/') + 1;
  let score = 0;
  for (const word of words) {
    const one = scoreWord(path, text, nameAt, word);
    if (one === 0) return 0;
    score += one;
  }
  return score;
}

function scoreWord(path: string, text: string, nameAt: number, word: string): number {
  const name = text.slice(nameAt);
  if (name === word) return 100;
  if (name.startsWith(word)) return 80;
  const inName = name.indexOf(word);
  if (inName > 0) return startsWord(path, nameAt + inName) ? 60 : 50;
  const inPath = text.indexOf(word);
  if (inPath >= 0) return startsWord(path, inPath) ? 40 : 30;
  if (hasLetters(name, word)) return 20;
  return hasLetters(text, word) ? 10 : 0;
}

/** The first letter, one behind a separator, or a capital behind a small one. */
function startsWord(path: string, at: number): boolean {
  const before = path[at - 1] ?? '/';
  return /[^a-z0-9]/i.test(before) || (/[a-z0-9]/.test(before) && /[A-Z]/.test(path[at] ?? ''));
}

function hasLetters(text: string, letters: string): boolean {
  let at = 0;
  for (const letter of letters) {
    at = text.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}
