/*
 * How texts become words, for both stores alike: neither store's own splitting is used, so that
 * a search finds the same in both and in every language.
 */

/** Only so much of one text is searched, in UTF-16 code units. PostgreSQL holds at most 1 MB of words a row. */
const searchedChars = 100_000;
/** Longer words are cut, in texts and in queries alike. */
const wordChars = 64;
/** Words of a query that count. */
const queryWords = 16;
/** Length of a snippet around the match, in UTF-16 code units. */
const snippetChars = 120;

const word = /[\p{L}\p{N}\p{M}]+|\p{Extended_Pictographic}/gu;
/** Scripts that put no spaces between words. */
const unspaced =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]+|[^\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]+/gu;
const startsUnspaced =
  /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is ASCII's range.
const ascii = /^[\x00-\x7f]*$/;
const accents = /[\u0300-\u036f]/g;

/** Case, accents, width and ligatures do not count. */
function fold(text: string): string {
  const lower = text.toLowerCase();
  if (ascii.test(lower)) return lower;
  return lower.toWellFormed().normalize('NFKD').toLowerCase().replace(accents, '').normalize('NFKC');
}

/** Text of scripts without spaces becomes overlapping pairs of characters; the last one stands alone. */
function pairs(run: string): string[] {
  const characters = [...run];
  return characters.map((character, i) => character + (characters[i + 1] ?? ''));
}

/** What a store keeps of a text: no U+0000, and no more than is searched. */
export function searchable(text: string): string {
  return text.slice(0, searchedChars).toWellFormed().replaceAll('\0', ' ');
}

/** The distinct words of a text, folded. */
export function wordsOf(text: string): string[] {
  const words = new Set<string>();
  for (const [found] of fold(text).matchAll(word)) {
    for (const run of runsOf(found)) {
      if (startsUnspaced.test(run)) for (const pair of pairs(run)) words.add(pair);
      else words.add(cutWord(run));
    }
  }
  return [...words];
}

/** Where one word of a text is in two kinds of scripts, it is several. */
function runsOf(found: string): readonly string[] {
  return ascii.test(found) ? [found] : (found.match(unspaced) ?? []);
}

function cutWord(run: string): string {
  return run.length > wordChars ? run.slice(0, wordChars).toWellFormed() : run;
}

/**
 * A query as groups of word beginnings. A text matches a group when it holds all of its words; a
 * conversation matches when each group matches one of its texts. No group at all means that the
 * query holds nothing that can be found.
 */
export function queryGroups(query: string): string[][] {
  const groups: string[][] = [];
  for (const [found] of fold(query).matchAll(word)) {
    for (const run of runsOf(found)) {
      if (groups.length === queryWords) return groups;
      if (!startsUnspaced.test(run)) groups.push([cutWord(run)]);
      else groups.push([...run].length === 1 ? [run] : pairs(run).slice(0, -1));
    }
  }
  return groups;
}

/** The part of the text around the first word that the query matches, on one line. */
export function snippetOf(text: string, groups: readonly (readonly string[])[]): string {
  const beginnings = groups.flatMap((group) => group.slice(0, 1));
  let at = 0;
  search: for (const match of text.matchAll(word)) {
    for (const candidate of wordsOf(match[0])) {
      if (!beginnings.some((beginning) => candidate.startsWith(beginning))) continue;
      at = match.index + Math.max(0, match[0].toLowerCase().indexOf(candidate));
      break search;
    }
  }
  const from = at <= snippetChars / 3 ? 0 : nextBreak(text, at - Math.floor(snippetChars / 3), at);
  const to = Math.min(text.length, from + snippetChars);
  const cut = text.slice(from, to).toWellFormed().replace(/\s+/g, ' ').trim();
  return `${from > 0 ? '…' : ''}${cut}${to < text.length ? '…' : ''}`;
}

/** The first place after a space in the range, so that a snippet does not begin inside a word. */
function nextBreak(text: string, from: number, limit: number): number {
  const space = text.slice(from, limit).search(/\s/);
  return space < 0 ? from : from + space + 1;
}
