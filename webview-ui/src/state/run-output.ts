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

const size = (pieces: readonly Piece[]) => pieces.reduce((sum, { text }) => sum + text.length, 0);

/** Returns the output with text appended. */
export function appended(output: Output, stream: OutputStream, text: string): Output {
  if (text === '') return output;
  let { skipped } = output;
  const head = [...output.head];
  const tail = [...output.tail];
  const chars = output.chars + text.length;
  const headRoom = output.tail.length > 0 || head.length >= maxPieces / 4 ? 0 : Math.max(0, maxHeadChars - size(head));
  add(head, stream, text.slice(0, headRoom));
  add(tail, stream, text.slice(headRoom), head.at(-1)?.key);
  let surplus = size(tail) - maxTailChars;
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

// biome-ignore lint/suspicious/noControlCharactersInRegex: matches the characters to remove.
const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: an incomplete escape sequence at the end.
const incompleteEscape = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a browser renders these as boxes.
const controls = /[\x00-\x08\x0b-\x1f\x7f]/g;
/** Maximum length of an escape sequence, in UTF-16 code units. Longer text is not treated as one. */
const maxEscapeChars = 2_000;

/**
 * Removes terminal control from an output: colors and other escape sequences, even if they are split over two chunks,
 * and control characters except tab and line feed. A line that was overwritten (carriage return) becomes two lines.
 */
export class PlainText {
  #pending = '';

  /** Adds output. Returns the text that can be shown now. */
  take(chunk: string): string {
    const text = this.#pending + chunk;
    const cut = incompleteEscape.exec(text)?.index ?? (text.endsWith('\r') ? text.length - 1 : text.length);
    const end = text.length - cut > maxEscapeChars ? text.length : cut;
    this.#pending = text.slice(end);
    return toPlainText(text.slice(0, end));
  }
}

function toPlainText(text: string): string {
  return text.replace(escapes, '').replace(/\r\n?/g, '\n').replace(controls, '');
}
