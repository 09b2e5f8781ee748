import { inspect } from './util.ts';

/* Messages of failed comparisons, as in Node. */

/** Maximum length of two values in one line, in characters. */
const maxShortLength = 12;
/** Maximum length of two strings whose first difference is marked, in characters. */
const maxPointedLength = 80;
/** Maximum number of pairs of lines that are compared for a common sequence. */
const maxPairs = 1_000_000;
/** Number of equal lines that are shown before and after a difference. */
const contextLines = 5;

const heads: Readonly<Record<string, string>> = {
  strictEqual: 'Expected values to be strictly equal:',
  deepStrictEqual: 'Expected values to be strictly deep-equal:',
  notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  deepEqual: 'Expected values to be loosely deep-equal:',
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
};

const show = (value: unknown): string =>
  inspect(value, {
    ...{ compact: false, customInspect: false, depth: 1000, maxArrayLength: Infinity, showHidden: false },
    ...{ showProxy: false, sorted: true, getters: true, breakLength: Infinity },
  });

/** Returns the message of a comparison that failed, by the name of its function. */
export function messageOf(operator: string, actual: unknown, expected: unknown): string {
  const head = heads[operator] ?? '';
  const [a, b] = [show(actual), show(expected)];
  if (operator === 'deepEqual') return `${head}\n\n${a}\n\nshould loosely deep-equal\n\n${b}`;
  if (operator.startsWith('not')) return b.includes('\n') ? `${head}\n\n${b}\n` : `${head} ${b}`;
  if (operator === 'strictEqual' && a === b && typeof actual === 'object') {
    return `Values have same structure but are not reference-equal:\n\n${a}\n`;
  }
  const isSimple = !a.includes('\n') && !b.includes('\n') && !(isObject(actual) && isObject(expected));
  const quotes = (typeof actual === 'string' ? 2 : 0) + (typeof expected === 'string' ? 2 : 0);
  const areZeros = actual === 0 && expected === 0;
  if (isSimple && !areZeros && a.length + b.length - quotes <= maxShortLength) return `${head}\n\n${a} !== ${b}\n`;
  const [difference, isShortened] = isSimple ? [stacked(a, b, quotes === 4), false] : lineDifference(a, b);
  return `${head}\n+ actual - expected${isShortened ? '\n... Skipped lines' : ''}\n\n${difference}\n`;
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

function stacked(a: string, b: string, arePointedAt: boolean): string {
  const at = Array.from(a).findIndex((letter, i) => letter !== b[i]);
  const pointer = arePointedAt && at >= 3 && a.length + b.length <= maxPointedLength ? `\n${' '.repeat(at + 2)}^` : '';
  return `+ ${a}\n- ${b}${pointer}`;
}

/** Returns the lines of both texts with a sign before each, and whether long equal parts were left out. */
function lineDifference(a: string, b: string): [text: string, isShortened: boolean] {
  const signed = diff(a.split('\n'), b.split('\n'));
  const shown = signed.map((_, i) => {
    const around = signed.slice(Math.max(0, i - contextLines), i + contextLines + 1);
    return i < contextLines || around.some((line) => !line.startsWith(' '));
  });
  const lines = signed.flatMap((line, i) => (shown[i] ? [line] : shown[i - 1] ? ['...'] : []));
  return [lines.join('\n'), shown.includes(false)];
}

/** Returns the lines of both lists in order, after `+` for the first alone, `-` for the second alone, or a space. */
function diff(a: readonly string[], b: readonly string[]): string[] {
  // Inspected lines that end a list lack the comma, which is not shown as a difference.
  const same = (x: string | undefined, y: string | undefined) => x === y || `${x},` === y || x === `${y},`;
  if (a.length * b.length > maxPairs) return [...a.map((line) => `+ ${line}`), ...b.map((line) => `- ${line}`)];
  // common[i][j] is the length of the longest common sequence of the lines from i and from j on.
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const length = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    const row = common[i];
    if (!row) continue;
    for (let j = b.length - 1; j >= 0; j--) {
      row[j] = same(a[i], b[j]) ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1));
    }
  }
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && same(a[i], b[j])) {
      lines.push(`  ${a[i]?.endsWith(',') ? a[i] : b[j]}`);
      i++;
      j++;
    } else if (i < a.length && (j >= b.length || length(i + 1, j) >= length(i, j + 1))) lines.push(`+ ${a[i++]}`);
    else lines.push(`- ${b[j++]}`);
  }
  return lines;
}
