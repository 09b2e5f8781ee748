import { PlainText } from './run-output.ts';

/*
 * Text of tools, files and web pages is shown as it is, in the two senses: never as markup, and
 * never so that it looks like something else than it is.
 */

/** Controls, what turns the reading direction or has no width, halves of signs; not the joiners that scripts and emoji need. */
const unseen = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** Those as well, and spaces that are not the usual one. */
const unseenStrictly = /(?![\n\t ])[\p{Cc}\p{Cf}\p{Z}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

const named = (sign: string) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`;

/** The text with every sign that cannot be seen written out, like `\u{202e}`. */
export function shown(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(unseen, named);
}

/** The same for what a person decides on: a command, an address, a path. */
export function shownStrictly(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(unseenStrictly, named);
}

/** On one line, for a label of at most `chars` characters. */
export function oneLine(text: string, chars: number): string {
  const line = shownStrictly(text.slice(0, 4 * chars))
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > chars ? `${[...line.slice(0, chars)].slice(0, -1).join('')}…` : line;
}

/** Output of a program, without what only a terminal understands. */
export function printed(text: string): string {
  return shown(new PlainText().take(text));
}
