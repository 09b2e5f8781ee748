import type { CommandChunk } from '@devlm/protocol/commands.ts';

/** What is kept of an output, in UTF-16 code units. */
export interface Bounds {
  readonly head: number;
  readonly tail: number;
}

/** The beginning and the end of what a command prints, however much that is. */
export class KeptOutput {
  readonly #bounds: Bounds;
  readonly #head: CommandChunk[] = [];
  readonly #tail: CommandChunk[] = [];
  #tailChars = 0;
  #next = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Where the output goes on: the code units that there have been so far. */
  get next(): number {
    return this.#next;
  }

  add(stream: CommandChunk['stream'], text: string): void {
    const room = this.#bounds.head - this.#next;
    const first = room > 0 ? whole(text, room) : '';
    if (first !== '') this.#push(this.#head, stream, first);
    const rest = text.slice(first.length);
    if (rest === '') return;
    this.#push(this.#tail, stream, rest);
    this.#tailChars += rest.length;
    this.#trim();
  }

  /** What is kept of the output from `after` on. */
  since(after: number): CommandChunk[] {
    return [...this.#head, ...this.#tail].flatMap(({ at, stream, text }) => {
      if (at + text.length <= after) return [];
      return [at >= after ? { at, stream, text } : { at: after, stream, text: text.slice(after - at) }];
    });
  }

  #push(chunks: CommandChunk[], stream: CommandChunk['stream'], text: string): void {
    const last = chunks.at(-1);
    // Small writes become one piece; a large piece is left alone, or growing it would be quadratic.
    if (last?.stream === stream && last.at + last.text.length === this.#next && last.text.length < pieceChars)
      chunks[chunks.length - 1] = { ...last, text: last.text + text };
    else chunks.push({ at: this.#next, stream, text });
    this.#next += text.length;
  }

  #trim(): void {
    for (;;) {
      const [first] = this.#tail;
      const extra = this.#tailChars - this.#bounds.tail;
      if (!first || extra <= 0) return;
      const gone = Math.min(first.text.length, extra);
      // Not half a character: the second half goes as well.
      const cut = gone + (isLow(first.text.charCodeAt(gone)) ? 1 : 0);
      if (cut >= first.text.length) this.#tail.shift();
      else this.#tail[0] = { ...first, at: first.at + cut, text: first.text.slice(cut) };
      this.#tailChars -= cut;
    }
  }
}

const pieceChars = 4_096;

const isLow = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff;

/** As many of the first code units as there is room for, without half a character at the end. */
function whole(text: string, chars: number): string {
  return text.slice(0, isLow(text.charCodeAt(chars)) ? chars - 1 : chars);
}
