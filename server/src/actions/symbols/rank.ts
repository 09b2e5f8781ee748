import type { NameUse, SourceSymbol } from './source-symbols.ts';

/** A file of a project as the ranking sees it. */
export interface RankedFile {
  readonly path: string;
  readonly defines: readonly Pick<SourceSymbol, 'name' | 'kind'>[];
  readonly references: readonly NameUse[];
}

/** Names which so many files define say nothing about which of them is meant. */
const mostDefiners = 12;
/** Shorter names are locals. */
const leastChars = 3;
/** What tests define is for tests. */
const isTest = /(^|\/)(__tests__|tests?|specs?|bench|benchmarks|examples?|fixtures)\//i;
const testWorth = 0.05;
/** Names that are not imported: of members, of locals, of the language itself. */
const unlikelyWorth = 0.05;
const rounds = 12;
const damping = 0.85;

/** One file's use of a name that another one defines; each number at its index is of one use. */
interface Edges {
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** Index of the definition in `keys`. */
  readonly key: Int32Array;
  /** Share of what `from` has that it hands on, 0 to 1. */
  readonly share: Float64Array;
  /** `path\nname` of the definitions that are used. */
  readonly keys: readonly string[];
}

/** Which files of a project refer to which, over the names that one defines and the other uses. */
export class ReferenceGraph {
  readonly #paths: readonly string[];
  readonly #edges: Edges;
  /** What each file does not hand on. */
  readonly #kept: Float64Array;

  constructor(files: readonly RankedFile[]) {
    this.#paths = files.map(({ path }) => path);
    this.#edges = edgesOf(files);
    this.#kept = new Float64Array(files.length).fill(1);
    const { from, share } = this.#edges;
    for (let at = 0; at < from.length; at++) add(this.#kept, from[at], -(share[at] ?? 0));
  }

  /**
   * How much each definition matters, as PageRank has it: what is used by files that are themselves used
   * comes first. Paths in `focus`, those of the conversation, are where the walk begins again.
   *
   * @returns by path and name, joined as `path\nname`; only names that are used by other files
   */
  rank(focus: ReadonlySet<string> = new Set()): Map<string, number> {
    const { from, to, key, share, keys } = this.#edges;
    const start = this.#start(focus);
    let weights = start.slice();
    for (let round = 0; round < rounds; round++) {
      // What a file does not hand on goes back to where the walk begins.
      const lost = this.#kept.reduce((sum, part, at) => sum + part * (weights[at] ?? 0), 0);
      const next = start.map((one) => one * (1 - damping + damping * lost));
      for (let at = 0; at < from.length; at++)
        add(next, to[at], damping * (share[at] ?? 0) * (weights[from[at] ?? 0] ?? 0));
      weights = next;
    }
    const ranks = new Float64Array(keys.length);
    for (let at = 0; at < from.length; at++) add(ranks, key[at], (share[at] ?? 0) * (weights[from[at] ?? 0] ?? 0));
    return new Map(keys.map((name, at) => [name, ranks[at] ?? 0]));
  }

  #start(focus: ReadonlySet<string>): Float64Array {
    const even = 1 / Math.max(1, this.#paths.length);
    const focused = this.#paths.filter((path) => focus.has(path)).length;
    if (focused === 0) return new Float64Array(this.#paths.length).fill(even);
    return Float64Array.from(this.#paths, (path) => 0.2 * even + (focus.has(path) ? 0.8 / focused : 0));
  }
}

function add(list: Float64Array, at: number | undefined, value: number): void {
  if (at !== undefined) list[at] = (list[at] ?? 0) + value;
}

function edgesOf(files: readonly RankedFile[]): Edges {
  const definers = definersOf(files);
  const keys = new Map<string, number>();
  const from: number[] = [];
  const to: number[] = [];
  const key: number[] = [];
  const share: number[] = [];
  for (const [at, { references }] of files.entries()) {
    const out: { to: number; name: string; weight: number }[] = [];
    for (const [name, times, isLikely] of references) {
      const found = definers.get(name);
      // A name of its own is meant before somebody else's.
      if (!found || found.size > mostDefiners || found.has(at)) continue;
      const weight = (Math.sqrt(times) * (isLikely ? 1 : unlikelyWorth)) / found.size;
      for (const [definer, worth] of found) out.push({ to: definer, name, weight: worth * weight });
    }
    // One doubtful reference must not get all that a file has to give.
    const sum = out.reduce((total, { weight }) => total + weight, 1);
    for (const edge of out) {
      const named = `${files[edge.to]?.path}\n${edge.name}`;
      if (!keys.has(named)) keys.set(named, keys.size);
      from.push(at);
      to.push(edge.to);
      key.push(keys.get(named) ?? 0);
      share.push(edge.weight / sum);
    }
  }
  return {
    from: Int32Array.from(from),
    to: Int32Array.from(to),
    key: Int32Array.from(key),
    share: Float64Array.from(share),
    keys: [...keys.keys()],
  };
}

/** By name: which files define it, and how likely each is meant. */
function definersOf(files: readonly RankedFile[]): Map<string, Map<number, number>> {
  const definers = new Map<string, Map<number, number>>();
  for (const [at, { path, defines }] of files.entries()) {
    const worth = isTest.test(path) ? testWorth : 1;
    for (const symbol of defines) {
      if (symbol.name.length < leastChars) continue;
      const known = definers.get(symbol.name) ?? new Map<number, number>();
      definers.set(symbol.name, known.set(at, Math.max(known.get(at) ?? 0, worth * worthOf(symbol))));
    }
  }
  return definers;
}

/**
 * How likely a name that occurs elsewhere means this definition: words such as `path` or `push` are
 * locals and other people's methods most of the time, `readFile` is not.
 */
function worthOf({ name, kind }: Pick<SourceSymbol, 'name' | 'kind'>): number {
  const isCompound = /[a-z0-9][A-Z]|[A-Za-z0-9]_+[A-Za-z0-9]/.test(name);
  const byName = isCompound ? 1 : /^[A-Z]/.test(name) ? 0.6 : 0.03;
  return byName * (kind === 'method' ? 0.2 : kind === 'variable' ? 0.4 : 1);
}
