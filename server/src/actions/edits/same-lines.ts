import { bare, bareText, type Lines, lineCount, signature, signatureCount } from './lines.ts';

/** Maximum number of places that a refusal names. Beyond it, a message only says that there are more. */
export const maxPlaces = 100;

/** Lines as numbers that are equal if their keys are. -1 stands for a line with a key other than the wanted ones. */
export interface Keyed {
  readonly have: Int32Array;
  readonly want: Int32Array;
}

/** Numbers `count` lines and the wanted ones by their keys. This is the one pass that the tolerant stages share. */
export function keyed(count: number, keyAt: (line: number) => string | undefined, wanted: readonly string[]): Keyed {
  const numbers = new Map<string, number>();
  for (const key of wanted) if (!numbers.has(key)) numbers.set(key, numbers.size);
  const have = new Int32Array(count);
  for (let line = 0; line < count; line++) {
    const key = keyAt(line);
    have[line] = key === undefined ? -1 : (numbers.get(key) ?? -1);
  }
  return { have, want: Int32Array.from(wanted, (key) => numbers.get(key) ?? -1) };
}

/**
 * Numbers the lines of a file and the old lines, ignoring spaces and tabs around them. Most lines are distinguished by
 * their length and three characters, without being copied.
 */
export function keyedBare(lines: Lines, old: readonly string[]): Keyed {
  const wanted = old.map(bare);
  const signatures = new Uint8Array(signatureCount);
  for (const line of wanted) signatures[signature(line, 0, line.length)] = 1;
  return keyed(lineCount(lines), (line) => bareText(lines, line, signatures), wanted);
}

/** Returns where all wanted lines occur in a row, at most `max` places. Knuth-Morris-Pratt, thus in linear time. */
export function runsOf({ have, want }: Keyed, fits: (start: number) => boolean, max = maxPlaces + 1): number[] {
  const found: number[] = [];
  if (want.length === 0) return found;
  const back = new Int32Array(want.length);
  const step = (matched: number, key: number | undefined) => {
    let at = matched;
    while (at > 0 && (at === want.length || want[at] !== key)) at = back[at - 1] ?? 0;
    return want[at] === key ? at + 1 : at;
  };
  for (let k = 1; k < want.length; k++) back[k] = step(back[k - 1] ?? 0, want[k]);
  for (let line = 0, matched = 0; line < have.length && found.length < max; line++) {
    matched = step(matched, have[line]);
    const start = line + 1 - want.length;
    if (matched === want.length && fits(start)) found.push(start);
  }
  return found;
}
