/*
 * Splitting of texts into words, the same for both stores. The stores' own tokenizers are not used, so that a search
 * finds the same in both stores and in every language.
 */

/** Maximum length of the searched part of a text, in UTF-16 code units. PostgreSQL holds at most 1 MB of words per row. */
const maxTextChars = 100_000;
/** Maximum length of a word, in UTF-16 code units. Longer words are cut, in texts and in queries alike. */
const maxWordChars = 64;
/** Maximum number of words of a query. Further words are ignored. */
const maxQueryWords = 16;
/** Length of a snippet around the match, in UTF-16 code units. */
const snippetChars = 120;

const word = /[\p{L}\p{N}\p{M}]+|\p{Extended_Pictographic}/gu;
/** Matches text in scripts without spaces between words, or text in other scripts. */
const unspaced =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]+|[^\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]+/gu;
const startsUnspaced =
  /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is the range of ASCII.
const ascii = /^[\x00-\x7f]*$/;
const accents = /[\u0300-\u036f]/g;

/** Returns the text without differences in case, accents, width and ligatures. */
function fold(text: string): string {
  const lower = text.toLowerCase();
  if (ascii.test(lower)) return lower;
  return lower.toWellFormed().normalize('NFKD').toLowerCase().replace(accents, '').normalize('NFKC');
}

/** Returns the overlapping pairs of characters of a text without spaces. The last character stands alone. */
function bigrams(run: string): string[] {
  const characters = [...run];
  return characters.map((character, i) => character + (characters[i + 1] ?? ''));
}

/** Returns the part of a text that is stored for search, without U+0000. */
export function searchable(text: string): string {
  return text.slice(0, maxTextChars).toWellFormed().replaceAll('\0', ' ');
}

/** Returns the distinct words of a text, folded. */
export function wordsOf(text: string): string[] {
  const words = new Set<string>();
  for (const [match] of fold(text).matchAll(word)) {
    for (const run of splitScripts(match)) {
      if (startsUnspaced.test(run)) for (const pair of bigrams(run)) words.add(pair);
      else words.add(cutWord(run));
    }
  }
  return [...words];
}

/** Splits a word at changes between scripts with and without spaces. */
function splitScripts(match: string): readonly string[] {
  return ascii.test(match) ? [match] : (match.match(unspaced) ?? []);
}

function cutWord(run: string): string {
  return run.length > maxWordChars ? run.slice(0, maxWordChars).toWellFormed() : run;
}

/**
 * Returns a query as groups of word prefixes. A text matches a group if it contains all of its words; a conversation
 * matches if each group matches one of its texts. An empty list means that the query contains nothing to search for.
 */
export function queryGroups(query: string): string[][] {
  const groups: string[][] = [];
  for (const [match] of fold(query).matchAll(word)) {
    for (const run of splitScripts(match)) {
      if (groups.length === maxQueryWords) return groups;
      if (!startsUnspaced.test(run)) groups.push([cutWord(run)]);
      else groups.push([...run].length === 1 ? [run] : bigrams(run).slice(0, -1));
    }
  }
  return groups;
}

/** Returns the part of the text around the first word that the query matches, on one line. */
export function snippetOf(text: string, groups: readonly (readonly string[])[]): string {
  const prefixes = groups.flatMap((group) => group.slice(0, 1));
  let at = 0;
  search: for (const match of text.matchAll(word)) {
    for (const candidate of wordsOf(match[0])) {
      if (!prefixes.some((prefix) => candidate.startsWith(prefix))) continue;
      at = match.index + Math.max(0, match[0].toLowerCase().indexOf(candidate));
      break search;
    }
  }
  const from = at <= snippetChars / 3 ? 0 : nextBreak(text, at - Math.floor(snippetChars / 3), at);
  const to = Math.min(text.length, from + snippetChars);
  const cut = text.slice(from, to).toWellFormed().replace(/\s+/g, ' ').trim();
  return `${from > 0 ? '…' : ''}${cut}${to < text.length ? '…' : ''}`;
}

/** Returns the first position after a space in the range, so that a snippet does not start inside a word. */
function nextBreak(text: string, from: number, limit: number): number {
  const space = text.slice(from, limit).search(/\s/);
  return space < 0 ? from : from + space + 1;
}
