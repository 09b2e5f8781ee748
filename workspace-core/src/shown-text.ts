import { controls, withoutEscapes } from '@devlm/protocol/terminal-text.ts';

/** Returns what a terminal would show of a text: no colors or control characters, and only the last state of each line. */
export function shownText(text: string): string {
  return (
    withoutEscapes(text)
      // Programs that translate line ends twice write several carriage returns. The look-behind keeps the time linear.
      .replace(/(?<!\r)\r+(?=\n|$)/g, '')
      .split('\n')
      .map((line) => line.slice(line.lastIndexOf('\r') + 1))
      .join('\n')
      .replace(controls, '')
  );
}
