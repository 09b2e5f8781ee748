/** A program that prints the same on the guest of the embedded sandbox and on Node. */
export interface ParityProgram {
  /** What the program shows, unique in its area. */
  readonly name: string;
  /** An ES module. */
  readonly source: string;
  /** Name of the program's file, which decides the kind of module. Default: `main.mjs`. */
  readonly entry?: string;
  /** Further files, by their path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly args?: readonly string[];
}

/** The programs about one part of Node. */
export interface ParityArea {
  readonly area: string;
  /** Modules that only print to standard output. They run one after another in one process. */
  readonly snippets: readonly ParityProgram[];
  /** Programs that need a process of their own, for their exit code, standard error or standard input. */
  readonly programs: readonly ParityProgram[];
}

/** Returns the area of programs written as `{ name: source }`. */
export function areaOf(
  area: string,
  snippets: Readonly<Record<string, string>>,
  programs: readonly ParityProgram[] = [],
): ParityArea {
  return { area, snippets: Object.entries(snippets).map(([name, source]) => ({ name, source })), programs };
}

/** Returns all programs of an area. */
export const programsOf = ({ snippets, programs }: ParityArea): readonly ParityProgram[] => [...snippets, ...programs];
