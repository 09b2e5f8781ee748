import type { NameUse, SourceSymbol } from './source-symbols.ts';

/** A file of a project as input of the ranking. */
export interface RankedFile {
  readonly path: string;
  readonly defines: readonly Pick<SourceSymbol, 'name' | 'kind'>[];
  readonly references: readonly NameUse[];
}

/** Maximum number of files that define a name. A more common name does not show which definition is meant. */
const maxDefiners = 12;
/** Minimum length of a name, in characters. Shorter names are local variables. */
const minNameChars = 3;
/** Matches paths of tests, whose definitions are used by tests only. */
const isTest = /(^|\/)(__tests__|tests?|specs?|bench|benchmarks|examples?|fixtures)\//i;
/** Weight of a definition in a test. */
const testWeight = 0.05;
/** Weight of a name that is not imported: a member, a local variable, or part of the language. */
const unlikelyWeight = 0.05;
/** Number of iterations of the PageRank computation. */
const rounds = 12;
/** Damping factor of PageRank. */
const damping = 0.85;

/**
 * The edges of the graph. An edge is the use in one file of a name that another file defines. Item i of each array
 * belongs to edge i.
 */
interface Edges {
  /** Index of the file that uses the name. */
  readonly from: Int32Array;
  /** Index of the file that defines the name. */
  readonly to: Int32Array;
  /** Index of the definition in `keys`. */
  readonly key: Int32Array;
  /** Share of the weight of `from` that it passes on, 0 to 1. */
  readonly share: Float64Array;
  /** The definitions that are used, as `path\nname`. */
  readonly keys: readonly string[];
}

/** A graph of the files of a project, connected by names that one file defines and another one uses. */
export class ReferenceGraph {
  readonly #paths: readonly string[];
  readonly #edges: Edges;
  /** Share of its weight that each file does not pass on. */
  readonly #retained: Float64Array;

  constructor(files: readonly RankedFile[]) {
    this.#paths = files.map(({ path }) => path);
    this.#edges = edgesOf(files);
    this.#retained = new Float64Array(files.length).fill(1);
    const { from, share } = this.#edges;
    for (let at = 0; at < from.length; at++) add(this.#retained, from[at], -(share[at] ?? 0));
  }

  /**
   * Ranks the definitions by PageRank: those used by files that are themselves used come first. The random walk
   * restarts at the paths in `focus`, the files of the conversation.
   *
   * @returns ranks by `path\nname`, only of names that are used by other files
   */
  rank(focus: ReadonlySet<string> = new Set()): Map<string, number> {
    const { from, to, key, share, keys } = this.#edges;
    const start = this.#start(focus);
    let weights = start.slice();
    for (let round = 0; round < rounds; round++) {
      // The weight that a file does not pass on returns to the start of the walk.
      const lost = this.#retained.reduce((sum, part, at) => sum + part * (weights[at] ?? 0), 0);
      const next = start.map((weight) => weight * (1 - damping + damping * lost));
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
      // A name that the file defines itself refers to its own definition.
      if (!found || found.size > maxDefiners || found.has(at)) continue;
      const weight = (Math.sqrt(times) * (isLikely ? 1 : unlikelyWeight)) / found.size;
      for (const [definer, definitionWeight] of found)
        out.push({ to: definer, name, weight: definitionWeight * weight });
    }
    // The sum starts at 1, so that one doubtful reference does not receive all the weight of a file.
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

/**
 * Returns, for each name, the files that define it, each with the likelihood that the name refers to its definition.
 */
function definersOf(files: readonly RankedFile[]): Map<string, Map<number, number>> {
  const definers = new Map<string, Map<number, number>>();
  for (const [at, { path, defines }] of files.entries()) {
    const pathWeight = isTest.test(path) ? testWeight : 1;
    for (const symbol of defines) {
      if (symbol.name.length < minNameChars) continue;
      const known = definers.get(symbol.name) ?? new Map<number, number>();
      definers.set(symbol.name, known.set(at, Math.max(known.get(at) ?? 0, pathWeight * weightOf(symbol))));
    }
  }
  return definers;
}

/**
 * Returns the likelihood that a name used elsewhere refers to this definition: words such as `path` or `push` mostly
 * name local variables and methods of other objects, `readFile` does not.
 */
function weightOf({ name, kind }: Pick<SourceSymbol, 'name' | 'kind'>): number {
  const isCompound = /[a-z0-9][A-Z]|[A-Za-z0-9]_+[A-Za-z0-9]/.test(name);
  const byName = isCompound ? 1 : /^[A-Z]/.test(name) ? 0.6 : 0.03;
  return byName * (kind === 'method' ? 0.2 : kind === 'variable' ? 0.4 : 1);
}
