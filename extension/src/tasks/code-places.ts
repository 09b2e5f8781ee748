/* Finds functions and comments in code by its lines and their indentation, for languages without a symbol provider. */

/** A range of lines, 0-based and inclusive. */
export interface LineRange {
  readonly from: number;
  readonly to: number;
}

/** A function and its lines. */
export interface FunctionPlace extends LineRange {
  readonly name: string;
}

/** Patterns of the first line of a function, method or class. The first matching group is its name. */
const headPatterns = [
  /^\s*(?:async\s+)?def\s+(?:self\.)?([\w$]+[?!=]?)/,
  /^\s*func\s+(?:\([^)]*\)\s*)?(\w+)/,
  /^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?function\s*\*?\s*([\w$]+)/,
  /^\s*(?:export\s+)?(?:const|let|var)\s+([\w$]+)\s*(?::[^=]+)?=\s*(?:async\s*)?(?:function\b|\(|[\w$]+\s*=>)/,
  /^\s+(?:(?:public|private|protected|static|async|override|get|set)\s+)*([\w$]+)\s*\([^;]*\)\s*(?::[^{;]+)?\{\s*\}?\s*$/,
  /^\s*(?:pub(?:\([^)]*\))?\s+)?(?:async\s+)?fn\s+(\w+)/,
];
/** Keywords that look like the name of a function with a body. */
const keywords = new Set(['if', 'for', 'while', 'switch', 'catch', 'with', 'return', 'function']);
const comment = /^\s*(?:#|\/\/|\/\*|\*|--|;)/;
/** A line without effect, or one that only closes a block. */
const placeholder =
  /^(?:pass|\.\.\.|raise NotImplementedError.*|throw new Error\(.*|panic\(.*|todo!\(\)|unimplemented!\(\)|end|[})\];]+)$/;
const todo = /\b(?:TODO|FIXME)\b/;

/** Returns the innermost function around a line, or null. */
export function functionAt(lines: readonly string[], line: number): FunctionPlace | null {
  for (let from = line; from >= 0; from--) {
    const text = lines[from] ?? '';
    const name = headPatterns.map((head) => head.exec(text)?.[1]).find((found) => found !== undefined);
    if (name === undefined || keywords.has(name)) continue;
    const to = endOf(lines, from);
    if (to >= line) return { from, to, name };
  }
  return null;
}

/**
 * Returns the last line of the block that begins at a line. A later line at the same indentation closes it or is
 * outside.
 */
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

/** Returns whether a function has no implementation yet. */
export function isEmptyFunction(all: readonly string[], { from, to }: LineRange): boolean {
  const text = all.slice(from, to + 1).join('\n');
  const body = text
    .replaceAll(/"""[\s\S]*?"""|'''[\s\S]*?'''/g, '')
    .replaceAll(/\/\*[\s\S]*?\*\/|(?:\/\/|#)[^\n]*/g, '')
    .replace(/^[^\n]*(?:\n|$)/, (head) => /[{:]\s*([^{}:]*?)[\s}]*$/.exec(head.trim())?.[1] ?? '');
  const lines = body.split('\n').map((line) => line.trim());
  return lines.every((line) => line === '' || placeholder.test(line));
}

/** Returns the TODO comment around a line, or null. */
export function todoAt(lines: readonly string[], line: number): LineRange | null {
  if (!comment.test(lines[line] ?? '')) return null;
  let from = line;
  let to = line;
  while (from > 0 && comment.test(lines[from - 1] ?? '')) from--;
  while (to + 1 < lines.length && comment.test(lines[to + 1] ?? '')) to++;
  // The comment may begin with text that is not about the TODO.
  const first = lines.slice(from, line + 1).findLastIndex((text) => todo.test(text));
  if (first < 0) return null;
  const next = lines.slice(line + 1, to + 1).findIndex((text) => todo.test(text));
  return { from: from + first, to: next < 0 ? to : line + next };
}

/** Returns the indentation of a line. */
export function indentOf(line: string): string {
  return /^[ \t]*/.exec(line)?.[0] ?? '';
}

/** Returns the code with the indentation of its destination. */
export function indented(code: string, margin: string): string {
  const lines = unfenced(code)
    .replaceAll('\r\n', '\n')
    .replace(/^\n+|\s+$/g, '')
    .split('\n');
  const common = commonIndent(lines).length;
  return lines.map((line) => (line.trim() === '' ? '' : margin + line.slice(common))).join('\n');
}

/** Returns the indentation that all lines share, ignoring blank lines. */
export function commonIndent(lines: readonly string[]): string {
  const margins = lines.filter((line) => line.trim() !== '').map(indentOf);
  return margins.reduce((common, next) => {
    let length = 0;
    while (length < common.length && common[length] === next[length]) length += 1;
    return common.slice(0, length);
  }, margins[0] ?? '');
}

/** Removes a Markdown fence around the whole code. */
function unfenced(code: string): string {
  return /^\s*(`{3,})[^\n`]*\n([\s\S]*?)\n\1\s*$/.exec(code)?.[2] ?? code;
}
