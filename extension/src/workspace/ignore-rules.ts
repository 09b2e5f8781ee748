import { globRegExp } from './globs.ts';

interface Rule {
  readonly regExp: RegExp;
  readonly negated: boolean;
  readonly folderOnly: boolean;
}

/** The rules of a .gitignore file for the paths below its folder. */
export class IgnoreRules {
  readonly #rules: readonly Rule[];

  /** @param text content of the file; invalid lines are skipped */
  constructor(text: string) {
    this.#rules = text
      .replace(/^\uFEFF/, '')
      .split(/\r?\n/)
      .map(ruleOf)
      .filter((rule) => rule !== undefined);
  }

  /** Returns the decision of the last matching rule, or undefined if none matches. `path` is relative, with `/`. */
  decide(path: string, isFolder: boolean): boolean | undefined {
    const rule = this.#rules.findLast(({ regExp, folderOnly }) => (isFolder || !folderOnly) && regExp.test(path));
    return rule && !rule.negated;
  }

  /** Returns whether the path or one of its parent folders is ignored. */
  covers(path: string): boolean {
    const parts = path.split('/');
    return parts.some((_, i) => this.decide(parts.slice(0, i + 1).join('/'), i < parts.length - 1) === true);
  }
}

function ruleOf(line: string): Rule | undefined {
  // Trailing spaces count only if they are escaped.
  let pattern = line.replace(/(?<!\\)(?:\\\\)*\s+$/, (end) => end.trimEnd());
  if (pattern === '' || pattern.startsWith('#')) return undefined;
  const negated = pattern.startsWith('!');
  if (negated) pattern = pattern.slice(1);
  const folderOnly = pattern.endsWith('/');
  if (folderOnly) pattern = pattern.slice(0, -1);
  if (pattern === '') return undefined;
  const anchored = pattern.includes('/');
  const regExp = globRegExp(anchored ? pattern.replace(/^\//, '') : `**/${pattern}`, false);
  return regExp ? { regExp, negated, folderOnly } : undefined;
}
