import { PlainText } from '@devlm/protocol/terminal-text.ts';

/*
 * Displays text of tools, files and web pages as it is: never as markup, and never so that it looks like something
 * else.
 */

/**
 * Control characters, bidirectional and zero-width characters, and unpaired surrogates, except the joiners that
 * scripts and emoji need.
 */
const invisible = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** The same characters, all other invisible ones, and unusual spaces. */
const invisibleStrictly = /(?![\n\t ])[\p{Cc}\p{Cf}\p{Z}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

const escaped = (char: string) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;

/** Returns the text with invisible characters written out, such as `\u{202e}`. */
export function shown(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(invisible, escaped);
}

/**
 * Returns the text as `shown` does, but more strictly, for what the user decides about: a command, an address, a
 * path.
 */
export function shownStrictly(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(invisibleStrictly, escaped);
}

/** Returns the text on one line of at most `chars` UTF-16 code units, for a label. */
export function oneLine(text: string, chars: number): string {
  const line = shownStrictly(text.slice(0, 4 * chars))
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > chars ? `${[...line.slice(0, chars)].slice(0, -1).join('')}…` : line;
}

/** Returns the output of a program without terminal control sequences. */
export function printed(text: string): string {
  return shown(new PlainText().take(text));
}
