// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences; the first group is colours.
const escapes = /(\x1b\[[0-9;:]*m)|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the beginning of an escape sequence at the very end.
const unfinished = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all but backspace, tab, line ends and escape.
const controls = /[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]/g;
/** An escape sequence that does not end within so much text is none. */
const longestEscape = 2_000;

/**
 * Makes what a program prints fit for a terminal that is not its own: colours stay, all else that
 * would steer the terminal (its title, the clipboard, the cursor) goes, also when it comes in pieces.
 */
export class TerminalText {
  #held = '';

  /** The text that can be written now. */
  take(piece: string): string {
    const text = this.#held + piece;
    const cut = unfinished.exec(text)?.index ?? text.length;
    const end = text.length - cut > longestEscape ? text.length : cut;
    this.#held = text.slice(end);
    const clean = text.slice(0, end).replace(escapes, (_, colour?: string) => colour ?? '');
    return clean.replace(controls, '').replace(/\r?\n/g, '\r\n');
  }
}
