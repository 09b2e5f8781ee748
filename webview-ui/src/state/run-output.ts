import type { OutputStream } from '@devlm/protocol/execution.ts';

/** Maximum length of a piece, in UTF-16 code units. A growing piece is laid out again at each append. */
const maxPieceChars = 4_000;
/** Maximum kept length of the beginning of an output, in UTF-16 code units. */
const maxHeadChars = 20_000;
/** Maximum kept length of the end of an output, in UTF-16 code units. */
const maxTailChars = 60_000;
/** Maximum number of pieces: a program may switch between its two outputs at every character. */
const maxPieces = 400;

/** A part of one of the two outputs. A full piece never changes. */
export interface Piece {
  readonly key: number;
  readonly stream: OutputStream;
  readonly text: string;
}

/** The output as it is shown: its beginning, its end, and the length of what is omitted between them. */
export interface Output {
  readonly head: readonly Piece[];
  readonly tail: readonly Piece[];
  readonly skipped: number;
  readonly chars: number;
}

/** An empty output. */
export const noOutput: Output = { head: [], tail: [], skipped: 0, chars: 0 };

const totalChars = (pieces: readonly Piece[]) => pieces.reduce((sum, { text }) => sum + text.length, 0);

/** Returns the output with text appended. */
export function appended(output: Output, stream: OutputStream, text: string): Output {
  if (text === '') return output;
  let { skipped } = output;
  const head = [...output.head];
  const tail = [...output.tail];
  const chars = output.chars + text.length;
  const headRoom =
    output.tail.length > 0 || head.length >= maxPieces / 4 ? 0 : Math.max(0, maxHeadChars - totalChars(head));
  add(head, stream, text.slice(0, headRoom));
  add(tail, stream, text.slice(headRoom), head.at(-1)?.key);
  let surplus = totalChars(tail) - maxTailChars;
  while (tail.length > 0 && (surplus > 0 || tail.length > maxPieces)) {
    const first = tail[0];
    if (!first || (surplus < first.text.length && tail.length <= maxPieces)) break;
    tail.shift();
    surplus -= first.text.length;
    skipped += first.text.length;
  }
  return { head, tail, skipped, chars };
}

function add(pieces: Piece[], stream: OutputStream, text: string, after = -1): void {
  let rest = text;
  const last = pieces.at(-1);
  if (last?.stream === stream && last.text.length < maxPieceChars) {
    const more = rest.slice(0, maxPieceChars - last.text.length);
    pieces[pieces.length - 1] = { ...last, text: last.text + more };
    rest = rest.slice(more.length);
  }
  while (rest !== '') {
    const key = (pieces.at(-1)?.key ?? after) + 1;
    pieces.push({ key, stream, text: rest.slice(0, maxPieceChars) });
    rest = rest.slice(maxPieceChars);
  }
}

/** Returns the kept output as a text, with `gap` in place of the omitted part. */
export function outputText({ head, tail, skipped }: Output, gap: (chars: number) => string): string {
  const text = (pieces: readonly Piece[]) => pieces.map((piece) => piece.text).join('');
  return skipped === 0 ? text(head) + text(tail) : `${text(head)}\n${gap(skipped)}\n${text(tail)}`;
}
