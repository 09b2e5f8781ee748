/** Indexes of two equal lines, one in each text. */
type Pair = [number, number];

/** Maximum product of line counts that is aligned by a full table (4 MB, a few milliseconds). */
const maxTableCells = 1_000_000;

/**
 * Returns pairs of equal lines of two texts, in order: a longest common subsequence if the texts are small, otherwise
 * one over the lines that are unique in each text. Ranges that stay too large after that are left unpaired.
 */
export function commonLines(a: readonly string[], b: readonly string[], bound = maxTableCells): Pair[] {
  const pairs: Pair[] = [];
  align(a, b, [0, a.length], [0, b.length], bound, pairs);
  return pairs;
}

type Range = readonly [number, number];

function align(
  a: readonly string[],
  b: readonly string[],
  [a0, a1]: Range,
  [b0, b1]: Range,
  bound: number,
  out: Pair[],
) {
  let [from, to, otherFrom, otherTo] = [a0, a1, b0, b1];
  while (from < to && otherFrom < otherTo && a[from] === b[otherFrom]) out.push([from++, otherFrom++]);
  while (to > from && otherTo > otherFrom && a[to - 1] === b[otherTo - 1]) [to, otherTo] = [to - 1, otherTo - 1];
  const product = (to - from) * (otherTo - otherFrom);
  if (product > bound) {
    const anchors = uniquePairs(a, b, [from, to], [otherFrom, otherTo]);
    let [i, j] = [from, otherFrom];
    // Without an anchor the range could not be split further: it stays unpaired.
    for (const [x, y] of anchors.length > 0 ? [...anchors, [to, otherTo] as const] : []) {
      align(a, b, [i, x], [j, y], bound, out);
      if (x < to) out.push([x, y]);
      [i, j] = [x + 1, y + 1];
    }
  } else if (product > 0) table(a, b, [from, to], [otherFrom, otherTo], out);
  for (let k = 0; k < a1 - to; k++) out.push([to + k, otherTo + k]);
}

function table(a: readonly string[], b: readonly string[], [a0, a1]: Range, [b0, b1]: Range, out: Pair[]) {
  const width = b1 - b0 + 1;
  const best = new Uint32Array((a1 - a0 + 1) * width);
  const at = (i: number, j: number) => best[(i - a0) * width + j - b0] ?? 0;
  for (let i = a1 - 1; i >= a0; i--) {
    for (let j = b1 - 1; j >= b0; j--) {
      const length = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
      best[(i - a0) * width + j - b0] = length;
    }
  }
  for (let i = a0, j = b0; i < a1 && j < b1; ) {
    if (a[i] === b[j]) out.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
}

/** Returns the longest sequence, ascending in both ranges, of the lines that occur exactly once in each. */
function uniquePairs(a: readonly string[], b: readonly string[], [a0, a1]: Range, [b0, b1]: Range): Pair[] {
  const once = (lines: readonly string[], from: number, to: number) => {
    const seen = new Map<string, number>();
    for (let k = from; k < to; k++) seen.set(lines[k] ?? '', seen.has(lines[k] ?? '') ? -1 : k);
    return seen;
  };
  const inB = once(b, b0, b1);
  const piles: { pair: Pair; below: number }[] = [];
  const tops: number[] = [];
  for (const [line, x] of once(a, a0, a1)) {
    const y = inB.get(line) ?? -1;
    if (x < 0 || y < 0) continue;
    let [low, high] = [0, tops.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((piles[tops[middle] ?? 0]?.pair[1] ?? 0) < y) low = middle + 1;
      else high = middle;
    }
    piles.push({ pair: [x, y], below: tops[low - 1] ?? -1 });
    tops[low] = piles.length - 1;
  }
  const found: Pair[] = [];
  for (let at = tops.at(-1) ?? -1; at >= 0; at = piles[at]?.below ?? -1) {
    const pile = piles[at];
    if (pile) found.push(pile.pair);
  }
  return found.reverse();
}
