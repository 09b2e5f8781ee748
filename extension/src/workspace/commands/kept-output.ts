import type { CommandChunk } from '@devlm/protocol/commands.ts';

/** Lengths of the kept beginning and end of an output, in UTF-16 code units. */
export interface Bounds {
  readonly head: number;
  readonly tail: number;
}

/** The beginning and the end of a command's output, in bounded memory. */
export class KeptOutput {
  readonly #bounds: Bounds;
  readonly #head: CommandChunk[] = [];
  readonly #tail: CommandChunk[] = [];
  #tailChars = 0;
  #next = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Position of the next output: the number of code units so far. */
  get next(): number {
    return this.#next;
  }

  /** Adds output of a stream, dropping the oldest part of the tail if it is full. */
  add(stream: CommandChunk['stream'], text: string): void {
    const headRoom = this.#bounds.head - this.#next;
    const first = headRoom > 0 ? prefix(text, headRoom) : '';
    if (first !== '') this.#push(this.#head, stream, first);
    const rest = text.slice(first.length);
    if (rest === '') return;
    this.#push(this.#tail, stream, rest);
    this.#tailChars += rest.length;
    this.#trim();
  }

  /** Returns the kept output from position `after` on. */
  since(after: number): CommandChunk[] {
    return [...this.#head, ...this.#tail].flatMap(({ at, stream, text }) => {
      if (at + text.length <= after) return [];
      return [at >= after ? { at, stream, text } : { at: after, stream, text: text.slice(after - at) }];
    });
  }

  #push(chunks: CommandChunk[], stream: CommandChunk['stream'], text: string): void {
    const last = chunks.at(-1);
    // Merge small writes into one chunk. Large chunks are left alone, because growing them would be quadratic.
    if (last?.stream === stream && last.at + last.text.length === this.#next && last.text.length < maxMergedChars)
      chunks[chunks.length - 1] = { ...last, text: last.text + text };
    else chunks.push({ at: this.#next, stream, text });
    this.#next += text.length;
  }

  #trim(): void {
    for (;;) {
      const [first] = this.#tail;
      const extra = this.#tailChars - this.#bounds.tail;
      if (!first || extra <= 0) return;
      const surplus = Math.min(first.text.length, extra);
      // Do not split a surrogate pair: drop its second half too.
      const cut = surplus + (isLowSurrogate(first.text.charCodeAt(surplus)) ? 1 : 0);
      if (cut >= first.text.length) this.#tail.shift();
      else this.#tail[0] = { ...first, at: first.at + cut, text: first.text.slice(cut) };
      this.#tailChars -= cut;
    }
  }
}

/** Length up to which a chunk grows by further writes, in UTF-16 code units. */
const maxMergedChars = 4_096;

const isLowSurrogate = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff;

/** Returns the first code units of the text, at most `chars`, without half a surrogate pair at the end. */
function prefix(text: string, chars: number): string {
  return text.slice(0, isLowSurrogate(text.charCodeAt(chars)) ? chars - 1 : chars);
}
