/** Characters of a line that waits for its end, before it is let through in pieces. */
const heldChars = 20_000;
/**
 * A line that does not end is shown as far as it goes when nothing came for so long, milliseconds: it may be a question.
 * Where something comes all the time, after the longer one.
 */
const quietMs = 300;
const longestMs = 1_000;

/**
 * Lets whole lines through, so that no credential is cut in two. What came of a line before a pause stays in view,
 * and so do the lines of a key whose end has not come: the rest is looked at together with it.
 */
export class SecretStream implements Disposable {
  readonly #hide: (text: string) => string;
  readonly #out: (text: string) => void;
  #held = '';
  /** What of the held text was handed on, as it was. */
  #shown = '';
  #timer: NodeJS.Timeout | undefined;
  /** When the last of it was handed on, or there was nothing. */
  #emptyAt = performance.now();

  constructor(hide: (text: string) => string, out: (text: string) => void) {
    this.#hide = hide;
    this.#out = out;
  }

  push(piece: string): void {
    this.#held += piece;
    const end = this.#held.lastIndexOf('\n') + 1;
    const begin = this.#held.lastIndexOf('-----BEGIN', end);
    const open = begin >= 0 && !/-----END [^\n]*-----/.test(this.#held.slice(begin, end));
    if (open) this.#show(end);
    else this.#release(end);
    if (this.#held.length > heldChars) this.#release(this.#place());
    clearTimeout(this.#timer);
    if (this.#held.length === this.#shown.length) this.#emptyAt = performance.now();
    else {
      const left = this.#emptyAt + longestMs - performance.now();
      this.#timer = setTimeout(() => this.#showAll(), Math.max(0, Math.min(quietMs, left)));
    }
  }

  /** Hands on the rest. */
  end(): void {
    clearTimeout(this.#timer);
    this.#release(this.#held.length);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  /** Where a line without an end can be cut so that no credential is. */
  #place(): number {
    const whole = this.#hide(this.#held);
    let end = this.#held.length - heldChars / 4;
    for (let tries = 0; tries < 20; tries++, end -= 211)
      if (this.#hide(this.#held.slice(0, end)) + this.#hide(this.#held.slice(end)) === whole) break;
    return end;
  }

  /** Hands on what of the beginning was not, and forgets it. */
  #release(end: number): void {
    if (end === 0) return;
    const text = this.#hide(this.#held.slice(0, end));
    const before = this.#shown;
    this.#emit(text);
    this.#shown = before.startsWith(text) ? before.slice(text.length) : '';
    this.#held = this.#held.slice(end);
  }

  #showAll(): void {
    this.#emptyAt = performance.now();
    this.#show(this.#held.length);
  }

  #show(end: number): void {
    this.#emit(this.#hide(this.#held.slice(0, end)));
  }

  #emit(text: string): void {
    // What was shown before the rest of a credential came cannot be taken back.
    let same = 0;
    while (same < this.#shown.length && this.#shown[same] === text[same]) same++;
    if (text.length > same) this.#out(text.slice(same));
    if (text.length >= this.#shown.length) this.#shown = text;
  }
}
