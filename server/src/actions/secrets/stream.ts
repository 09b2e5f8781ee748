/** Maximum length of an unfinished line that is held back until its end, in characters. */
const maxHeldChars = 20_000;
/**
 * Pause in the input after which the available part of an unfinished line is shown, in milliseconds. The line may be a
 * prompt that waits for input.
 */
const quietMs = 300;
/** Maximum time that text is held back while input keeps arriving, in milliseconds. */
const maxHoldMs = 1_000;

/**
 * A filter that hides credentials in streamed text. It passes on whole lines, so that no credential is cut in two.
 * The part of a line that was shown during a pause stays in the buffer, and so do the lines of a key without its end
 * marker: they are searched again together with what follows.
 */
export class SecretStream implements Disposable {
  readonly #hide: (text: string) => string;
  readonly #out: (text: string) => void;
  #held = '';
  /** The prefix of the held text that was already passed on, with credentials hidden. */
  #shown = '';
  #timer: NodeJS.Timeout | undefined;
  /** Time at which the buffer was last empty or completely passed on. */
  #emptyAt = performance.now();

  /**
   * @param hide returns a text with its credentials hidden
   * @param out receives the text that can be shown
   */
  constructor(hide: (text: string) => string, out: (text: string) => void) {
    this.#hide = hide;
    this.#out = out;
  }

  /** Adds a piece of the input. */
  push(piece: string): void {
    this.#held += piece;
    const end = this.#held.lastIndexOf('\n') + 1;
    const begin = this.#held.lastIndexOf('-----BEGIN', end);
    const open = begin >= 0 && !/-----END [^\n]*-----/.test(this.#held.slice(begin, end));
    if (open) this.#show(end);
    else this.#release(end);
    if (this.#held.length > maxHeldChars) this.#release(this.#cutPosition());
    clearTimeout(this.#timer);
    if (this.#held.length === this.#shown.length) this.#emptyAt = performance.now();
    else {
      const remainingMs = this.#emptyAt + maxHoldMs - performance.now();
      this.#timer = setTimeout(() => this.#showAll(), Math.max(0, Math.min(quietMs, remainingMs)));
    }
  }

  /** Passes on everything that is still held back. */
  end(): void {
    clearTimeout(this.#timer);
    this.#release(this.#held.length);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  /** Returns a position at which an unfinished line can be cut without cutting a credential. */
  #cutPosition(): number {
    const expected = this.#hide(this.#held);
    let end = this.#held.length - maxHeldChars / 4;
    for (let tries = 0; tries < 20; tries++, end -= 211)
      if (this.#hide(this.#held.slice(0, end)) + this.#hide(this.#held.slice(end)) === expected) break;
    return end;
  }

  /** Passes on the text up to `end`, except for what was already shown, and removes it from the buffer. */
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
    // Text that was shown before the rest of a credential arrived cannot be taken back.
    let same = 0;
    while (same < this.#shown.length && this.#shown[same] === text[same]) same++;
    if (text.length > same) this.#out(text.slice(same));
    if (text.length >= this.#shown.length) this.#shown = text;
  }
}
