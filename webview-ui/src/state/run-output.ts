import type { OutputStream } from '@devlm/protocol/execution.ts';

/** Longest piece, in UTF-16 code units: what grows at the end is laid out anew as often as it grows. */
const pieceChars = 4_000;
/** What is kept of a long output: so much of its beginning and of its end, in UTF-16 code units. */
const headChars = 20_000;
const tailChars = 60_000;
/** Most pieces, however short: a program may change between its two outputs with every letter. */
const mostPieces = 400;

/** A stretch of one of the two outputs. What is full never changes. */
export interface Piece {
  readonly key: number;
  readonly stream: OutputStream;
  readonly text: string;
}

/** Output as it is shown: its beginning and its end, and how much was left out between them. */
export interface Output {
  readonly head: readonly Piece[];
  readonly tail: readonly Piece[];
  readonly skipped: number;
  readonly chars: number;
}

export const noOutput: Output = { head: [], tail: [], skipped: 0, chars: 0 };

const size = (pieces: readonly Piece[]) => pieces.reduce((sum, { text }) => sum + text.length, 0);

/** The output with more at its end. */
export function appended(output: Output, stream: OutputStream, text: string): Output {
  if (text === '') return output;
  let { skipped } = output;
  const head = [...output.head];
  const tail = [...output.tail];
  const chars = output.chars + text.length;
  const room = output.tail.length > 0 || head.length >= mostPieces / 4 ? 0 : Math.max(0, headChars - size(head));
  add(head, stream, text.slice(0, room));
  add(tail, stream, text.slice(room), head.at(-1)?.key);
  let over = size(tail) - tailChars;
  while (tail.length > 0 && (over > 0 || tail.length > mostPieces)) {
    const first = tail[0];
    if (!first || (over < first.text.length && tail.length <= mostPieces)) break;
    tail.shift();
    over -= first.text.length;
    skipped += first.text.length;
  }
  return { head, tail, skipped, chars };
}

function add(pieces: Piece[], stream: OutputStream, text: string, after = -1): void {
  let rest = text;
  const last = pieces.at(-1);
  if (last?.stream === stream && last.text.length < pieceChars) {
    const more = rest.slice(0, pieceChars - last.text.length);
    pieces[pieces.length - 1] = { ...last, text: last.text + more };
    rest = rest.slice(more.length);
  }
  while (rest !== '') {
    const key = (pieces.at(-1)?.key ?? after) + 1;
    pieces.push({ key, stream, text: rest.slice(0, pieceChars) });
    rest = rest.slice(pieceChars);
  }
}

/** All that is kept as one text, with `gap` where something was left out. */
export function outputText({ head, tail, skipped }: Output, gap: (chars: number) => string): string {
  const text = (pieces: readonly Piece[]) => pieces.map((piece) => piece.text).join('');
  return skipped === 0 ? text(head) + text(tail) : `${text(head)}\n${gap(skipped)}\n${text(tail)}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the beginning of an escape sequence at the very end.
const unfinished = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a browser draws boxes for them.
const controls = /[\x00-\x08\x0b-\x1f\x7f]/g;
/** An escape sequence that does not end within so much text is none. */
const longestEscape = 2_000;

/**
 * Takes out of one output what only a terminal understands: colours and other escape sequences, also
 * those that arrive in two pieces, and control characters but tab and line feed. A line that was
 * written over (carriage return) becomes two.
 */
export class PlainText {
  #held = '';

  /** The text that can be shown now. */
  take(piece: string): string {
    const text = this.#held + piece;
    const cut = unfinished.exec(text)?.index ?? (text.endsWith('\r') ? text.length - 1 : text.length);
    const end = text.length - cut > longestEscape ? text.length : cut;
    this.#held = text.slice(end);
    return plain(text.slice(0, end));
  }
}

function plain(text: string): string {
  return text.replace(escapes, '').replace(/\r\n?/g, '\n').replace(controls, '');
}
