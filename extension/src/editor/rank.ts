/**
 * Returns the paths that match a query, best first. A path matches if it contains all words of the query in any
 * order, or else the letters of each word in order. Matches in the file name rank above those in folders, matches at
 * the start of a word above those inside, and short paths above long ones.
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
    const wordScore = scoreWord(path, text, nameAt, word);
    if (wordScore === 0) return 0;
    score += wordScore;
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

/**
 * Returns whether a word starts at an offset: at the first letter, after a separator, or at an uppercase letter that
 * follows a lowercase one.
 */
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
