import { host } from './host.ts';
import { format, inspect } from './util.ts';

/* The global `console`. */

const counts = new Map<string, number>();
const times = new Map<string, number>();
let indent = '';

function print(fd: number, args: unknown[]): void {
  const text = format(...args);
  const whole = `${indent === '' ? text : indent + text.replaceAll('\n', `\n${indent}`)}\n`;
  if (!whole.includes('\0')) host.write(fd, whole);
  else for (const piece of whole.split(/(\0)/)) host.write(fd, piece === '\0' ? new Uint8Array(1).buffer : piece);
}
const out = (...args: unknown[]): void => print(1, args);
const err = (...args: unknown[]): void => print(2, args);

export const console = {
  log: out,
  info: out,
  debug: out,
  warn: err,
  error: err,
  trace: (...args: unknown[]) => err(`Trace: ${format(...args)}\n${(new Error().stack ?? '').trimEnd()}`),
  dir: (value: unknown, options?: { depth?: number }) => out(inspect(value, options)),
  assert: (holds: unknown, ...args: unknown[]) => {
    if (!holds) err(args.length > 0 ? `Assertion failed: ${format(...args)}` : 'Assertion failed');
  },
  count(label = 'default') {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    out(`${label}: ${counts.get(label)}`);
  },
  countReset: (label = 'default') => void counts.delete(label),
  group(...args: unknown[]) {
    if (args.length > 0) out(...args);
    indent += '  ';
  },
  groupEnd() {
    indent = indent.slice(2);
  },
  time: (label = 'default') => void times.set(label, host.now()),
  timeLog: (label = 'default', ...args: unknown[]) =>
    out(`${label}: ${(host.now() - (times.get(label) ?? 0)).toFixed(3)}ms`, ...args),
  timeEnd(label = 'default') {
    out(`${label}: ${(host.now() - (times.get(label) ?? 0)).toFixed(3)}ms`);
    times.delete(label);
  },
  table(rows: unknown) {
    if (typeof rows !== 'object' || rows === null) return out(rows);
    const list = Object.entries(rows).map(
      ([key, row]) => [key, typeof row === 'object' && row !== null ? (row as object) : { Values: row }] as const,
    );
    const columns = ['(index)', ...new Set(list.flatMap(([, row]) => Object.keys(row)))];
    const cells = list.map(([key, row]) => [
      key,
      ...columns
        .slice(1)
        .map((name) => (name in row ? inspect((row as Record<string, unknown>)[name], { depth: 0 }) : '')),
    ]);
    const widths = columns.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0)) + 2);
    const line = (row: readonly string[]) => `│${row.map((cell, i) => ` ${cell}`.padEnd(widths[i] ?? 0)).join('│')}│`;
    const rule = (left: string, middle: string, right: string) =>
      left + widths.map((width) => '─'.repeat(width)).join(middle) + right;
    out([rule('┌', '┬', '┐'), line(columns), rule('├', '┼', '┤'), ...cells.map(line), rule('└', '┴', '┘')].join('\n'));
  },
  groupCollapsed: (...args: unknown[]) => console.group(...args),
};
export default console;
