/* Removes terminal control from the output of programs. The extension and the chat page share these rules. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences; the first group matches colors.
const escapes = /(\x1b\[[0-9;:]*m)|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: an incomplete escape sequence at the end.
const incompleteEscape = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?$/;
/** Control characters except tab and line feed. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are matched.
export const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all but backspace, tab, line endings and escape.
const controlsOfTerminal = /[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]/g;
/** Maximum length of an escape sequence, in UTF-16 code units. Longer text is not treated as one. */
const maxEscapeChars = 2_000;

/** Removes colors and all other escape sequences from a complete output. */
export function withoutEscapes(text: string): string {
  return text.replace(escapes, '');
}

/** Output that arrives in chunks, cut so that no chunk ends within an escape sequence or before a split line ending. */
class EscapeChunks {
  #pending = '';

  /** Adds output. Returns the text that can be cleaned now. */
  take(chunk: string): string {
    const text = this.#pending + chunk;
    const cut = incompleteEscape.exec(text)?.index ?? (text.endsWith('\r') ? text.length - 1 : text.length);
    const end = text.length - cut > maxEscapeChars ? text.length : cut;
    this.#pending = text.slice(end);
    return text.slice(0, end);
  }
}

/**
 * Converts program output to plain text. Removes colors and other escape sequences, even if they are split across two
 * chunks, and control characters except tab and line feed. A line that was overwritten (carriage return) becomes two
 * lines.
 */
export class PlainText {
  readonly #chunks = new EscapeChunks();

  /** Adds output. Returns the text that can be shown now. */
  take(chunk: string): string {
    return this.#chunks.take(chunk).replace(escapes, '').replace(/\r\n?/g, '\n').replace(controls, '');
  }
}

/**
 * Makes program output safe for a terminal. Colors are kept. All other escape sequences (title, clipboard, cursor) are
 * removed, even if they are split across two chunks.
 */
export class TerminalText {
  readonly #chunks = new EscapeChunks();

  /** Adds output. Returns the text that can be written now. */
  take(chunk: string): string {
    const clean = this.#chunks.take(chunk).replace(escapes, (_, color?: string) => color ?? '');
    return clean.replace(controlsOfTerminal, '').replace(/\r?\n/g, '\r\n');
  }
}
