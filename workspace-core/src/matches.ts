import type { EditorAnswerOf } from '@devlm/protocol/editor.ts';

type Match = EditorAnswerOf<'search'>['matches'][number];

/** Maximum length of the text of a match, in UTF-16 code units. */
export const maxLineChars = 2_000;

/** The matching lines of a search, up to a limit. */
export class Matches {
  readonly #limit: number;
  readonly #found: Match[] = [];
  #full = false;
  #incomplete = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether there are more matches than the limit. */
  get isFull(): boolean {
    return this.#full;
  }

  get isEmpty(): boolean {
    return this.#found.length === 0;
  }

  /** Adds a match. Returns whether the limit allows more. */
  add(match: Match): boolean {
    if (this.#found.length >= this.#limit) this.#full = true;
    else this.#found.push(match);
    return !this.#full;
  }

  /** Notes that not everything was searched. */
  markIncomplete(): void {
    this.#incomplete = true;
  }

  /** Returns the matches, sorted by path and line. */
  answer(): EditorAnswerOf<'search'> {
    const order = (a: Match, b: Match) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1);
    return { matches: this.#found.toSorted(order), truncated: this.#full || this.#incomplete };
  }
}
