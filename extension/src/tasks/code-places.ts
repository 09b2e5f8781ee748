/*
 * What stands where in a piece of code, by its lines and their indentation: for languages of which the
 * editor knows no symbols.
 */

/** Lines, 0-based and inclusive. */
export interface Block {
  readonly from: number;
  readonly to: number;
}

export interface FunctionPlace extends Block {
  readonly name: string;
}

/** The head of a function, method or class; its name is the first group that took part. */
const heads = [
  /^\s*(?:async\s+)?def\s+(?:self\.)?([\w$]+[?!=]?)/,
  /^\s*func\s+(?:\([^)]*\)\s*)?(\w+)/,
  /^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?function\s*\*?\s*([\w$]+)/,
  /^\s*(?:export\s+)?(?:const|let|var)\s+([\w$]+)\s*(?::[^=]+)?=\s*(?:async\s*)?(?:function\b|\(|[\w$]+\s*=>)/,
  /^\s+(?:(?:public|private|protected|static|async|override|get|set)\s+)*([\w$]+)\s*\([^;]*\)\s*(?::[^{;]+)?\{\s*\}?\s*$/,
  /^\s*(?:pub(?:\([^)]*\))?\s+)?(?:async\s+)?fn\s+(\w+)/,
];
/** What looks like a call with a block behind it. */
const notNames = new Set(['if', 'for', 'while', 'switch', 'catch', 'with', 'return', 'function']);
const comment = /^\s*(?:#|\/\/|\/\*|\*|--|;)/;
/** A line that does nothing yet, or only closes what was opened. */
const placeholder =
  /^(?:pass|\.\.\.|raise NotImplementedError.*|throw new Error\(.*|panic\(.*|todo!\(\)|unimplemented!\(\)|end|[})\];]+)$/;
const todo = /\b(?:TODO|FIXME)\b/;

/** The innermost function around a line; null where there is none. */
export function functionAt(lines: readonly string[], line: number): FunctionPlace | null {
  for (let from = line; from >= 0; from--) {
    const text = lines[from] ?? '';
    const name = heads.map((head) => head.exec(text)?.[1]).find((found) => found !== undefined);
    if (name === undefined || notNames.has(name)) continue;
    const to = endOf(lines, from);
    if (to >= line) return { from, to, name };
  }
  return null;
}

/** The last line of the block that begins here: what follows at the same margin closes it or is no part of it. */
function endOf(lines: readonly string[], from: number): number {
  const margin = indentOf(lines[from] ?? '').length;
  let to = from;
  for (let at = from + 1; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (line.trim() === '') continue;
    const indent = indentOf(line).length;
    const closes = indent === margin && /^\s*(?:[)\]}]|end\b)/.test(line);
    if (indent <= margin && !closes) break;
    to = at;
    if (closes && !/[{(:]\s*$/.test(line)) break;
  }
  return to;
}

/** Whether a function says only that it is still to be written. */
export function isEmptyFunction(all: readonly string[], { from, to }: Block): boolean {
  const text = all.slice(from, to + 1).join('\n');
  const body = text
    .replaceAll(/"""[\s\S]*?"""|'''[\s\S]*?'''/g, '')
    .replaceAll(/\/\*[\s\S]*?\*\/|(?:\/\/|#)[^\n]*/g, '')
    .replace(/^[^\n]*(?:\n|$)/, (head) => /[{:]\s*([^{}:]*?)[\s}]*$/.exec(head.trim())?.[1] ?? '');
  const lines = body.split('\n').map((line) => line.trim());
  return lines.every((line) => line === '' || placeholder.test(line));
}

/** The comment around a line that says what is to be done; null where there is none. */
export function todoAt(lines: readonly string[], line: number): Block | null {
  if (!comment.test(lines[line] ?? '')) return null;
  let from = line;
  let to = line;
  while (from > 0 && comment.test(lines[from - 1] ?? '')) from--;
  while (to + 1 < lines.length && comment.test(lines[to + 1] ?? '')) to++;
  // Above the word may stand a comment about something else.
  const first = lines.slice(from, line + 1).findLastIndex((text) => todo.test(text));
  if (first < 0) return null;
  const next = lines.slice(line + 1, to + 1).findIndex((text) => todo.test(text));
  return { from: from + first, to: next < 0 ? to : line + next };
}

export function indentOf(line: string): string {
  return /^[ \t]*/.exec(line)?.[0] ?? '';
}

/** Code as it was handed over, with the margin of the place where it goes. */
export function indented(code: string, margin: string): string {
  const lines = unfenced(code)
    .replaceAll('\r\n', '\n')
    .replace(/^\n+|\s+$/g, '')
    .split('\n');
  const margins = lines.filter((line) => line.trim() !== '').map(indentOf);
  const own = margins.reduce((common, next) => {
    let length = 0;
    while (length < common.length && common[length] === next[length]) length += 1;
    return common.slice(0, length);
  }, margins[0] ?? '');
  return lines.map((line) => (line.trim() === '' ? '' : margin + line.slice(own.length))).join('\n');
}

/** Without a Markdown fence around the whole. */
function unfenced(code: string): string {
  return /^\s*(`{3,})[^\n`]*\n([\s\S]*?)\n\1\s*$/.exec(code)?.[2] ?? code;
}
