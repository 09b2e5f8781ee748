import { globRegExp } from './globs.ts';

interface Rule {
  readonly regExp: RegExp;
  readonly negated: boolean;
  readonly folderOnly: boolean;
}

/** What one .gitignore says about the paths below its folder. */
export class IgnoreRules {
  readonly #rules: readonly Rule[];

  /** @param text of the file; lines that are no pattern count for nothing */
  constructor(text: string) {
    this.#rules = text
      .replace(/^\uFEFF/, '')
      .split(/\r?\n/)
      .map(ruleOf)
      .filter((rule) => rule !== undefined);
  }

  /** The last rule that fits decides; undefined: none does. `path` is relative to the folder, with `/`. */
  decide(path: string, isFolder: boolean): boolean | undefined {
    const rule = this.#rules.findLast(({ regExp, folderOnly }) => (isFolder || !folderOnly) && regExp.test(path));
    return rule && !rule.negated;
  }

  /** The same with what lies in a folder that fits: true where the path or a folder above it does. */
  covers(path: string): boolean {
    const parts = path.split('/');
    return parts.some((_, i) => this.decide(parts.slice(0, i + 1).join('/'), i < parts.length - 1) === true);
  }
}

function ruleOf(line: string): Rule | undefined {
  // Spaces at the end count only when they are escaped.
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
