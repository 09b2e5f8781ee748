import ignore, { type Ignore } from 'ignore';

/** The rules of a .gitignore file for the paths below its folder. */
export class IgnoreRules {
  readonly #rules: Ignore;
  /** Copies of the rules that also include all folders of the first levels, by the number of these levels. */
  readonly #below = new Map<number, Ignore>();

  /** @param text content of the file; invalid lines are skipped */
  constructor(text: string) {
    this.#rules = ignore({ ignorecase: false }).add(text);
  }

  /**
   * Returns the decision of the last rule that matches the path itself, or undefined if none does. Its parent folders are
   * not considered, because another file may include a folder that this one ignores.
   *
   * @param path relative to the folder of the file, with `/`
   */
  decide(path: string, isFolder: boolean): boolean | undefined {
    const levels = path.split('/').length - 1;
    const { ignored, unignored } = this.#withFoldersIncluded(levels).test(isFolder ? `${path}/` : path);
    return ignored || unignored ? ignored : undefined;
  }

  #withFoldersIncluded(levels: number): Ignore {
    if (levels === 0) return this.#rules;
    let rules = this.#below.get(levels);
    if (!rules) {
      const folders = Array.from({ length: levels }, (_, above) => `!${'/*'.repeat(above + 1)}/`);
      rules = ignore({ ignorecase: false }).add(this.#rules).add(folders);
      this.#below.set(levels, rules);
    }
    return rules;
  }
}
