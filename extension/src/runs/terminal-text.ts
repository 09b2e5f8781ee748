// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences; the first group matches colors.
const escapes = /(\x1b\[[0-9;:]*m)|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: an incomplete escape sequence at the end.
const incompleteEscape = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all but backspace, tab, line endings and escape.
const controls = /[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]/g;
/** Maximum length of an escape sequence, in UTF-16 code units. Longer text is not treated as one. */
const maxEscapeChars = 2_000;

/**
 * Makes program output safe for a terminal. Colors are kept. All other control sequences (title, clipboard, cursor)
 * are removed, even if they arrive in several chunks.
 */
export class TerminalText {
  #pending = '';

  /** Adds output. Returns the text that can be written now. */
  take(chunk: string): string {
    const text = this.#pending + chunk;
    const cut = incompleteEscape.exec(text)?.index ?? text.length;
    const end = text.length - cut > maxEscapeChars ? text.length : cut;
    this.#pending = text.slice(end);
    const clean = text.slice(0, end).replace(escapes, (_, colour?: string) => colour ?? '');
    return clean.replace(controls, '').replace(/\r?\n/g, '\r\n');
  }
}
