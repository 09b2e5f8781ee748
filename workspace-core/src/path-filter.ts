import ignore, { type Ignore } from 'ignore';
import { expandBraces } from './braces.ts';

/**
 * The paths that globs select. They are read as in .gitignore: one without a slash matches at any depth, and a folder
 * includes its content. `{a,b}` stands for both, `!` excludes, and `.` is the whole folder.
 */
export class PathFilter {
  /** Globs of which one has to match, without braces. Empty: every path is selected. */
  readonly include: readonly string[];
  /** Globs that exclude, without `!` and braces. */
  readonly exclude: readonly string[];
  readonly #included: Ignore;
  readonly #excluded: Ignore;

  constructor(globs: readonly string[]) {
    const expanded = globs.flatMap(expandBraces);
    this.include = expanded.filter((glob) => !glob.startsWith('!')).map(normalized);
    this.exclude = expanded.filter((glob) => glob.startsWith('!')).map((glob) => normalized(glob.slice(1)));
    this.#included = rulesOf(this.include);
    this.#excluded = rulesOf(this.exclude);
  }

  /** Returns whether the globs select a file. `path` is relative, with `/`; any other path is not selected. */
  has(path: string): boolean {
    if (!ignore.isPathValid(path)) return false;
    return (this.include.length === 0 || this.#included.ignores(path)) && !this.#excluded.ignores(path);
  }
}

function normalized(glob: string): string {
  const path = glob.replace(/^(?:\.\/)+/, '');
  return /^\.?$/.test(path) ? '**' : path;
}

function rulesOf(globs: readonly string[]): Ignore {
  // In a glob, `#` has no special meaning.
  return ignore({ ignorecase: false }).add(globs.map((glob) => ({ pattern: glob.replace(/^(?=#)/, '\\') })));
}
