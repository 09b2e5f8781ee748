import { expandBraces } from './braces.ts';
import { IgnoreRules } from './ignore-rules.ts';

/** Maximum size of a .gitignore file that is read, in bytes. */
export const maxIgnoreFileBytes = 256 * 1024;

/** Globs that VS Code hides by default: in its explorer, and additionally in searches. */
export const defaultHidden = {
  files: ['**/.git', '**/.svn', '**/.hg', '**/.DS_Store', '**/Thumbs.db'],
  search: ['**/node_modules', '**/bower_components', '**/*.code-search'],
} as const satisfies Record<string, readonly string[]>;

/** A .gitignore file above the workspace folder. */
export interface OuterIgnoreFile {
  readonly text: string;
  /** Path of the workspace folder relative to the folder of the file, with a final `/`. */
  readonly prefix: string;
}

/** Where the rules of a workspace folder come from. */
export interface IgnoreSource {
  /** Globs of settings such as `files.exclude`, relative to the workspace folder. */
  readonly hidden: readonly string[];
  /** Returns the text of an ignore file by its path in the workspace folder; null if it is missing, too large or a link. */
  readonly read: (path: string) => Promise<string | null>;
  /** Returns the .gitignore files above the workspace folder, the innermost first. Default: none. */
  readonly readOuter?: () => Promise<readonly OuterIgnoreFile[]>;
}

/** The paths of a workspace folder that lists and searches leave out: by .gitignore files, `.git` and settings. */
export class IgnoredPaths {
  readonly #source: IgnoreSource;
  readonly #hidden: IgnoreRules;
  /** Rules of the files of a folder by its path. The root is ''. */
  readonly #rules = new Map<string, Promise<readonly IgnoreRules[]>>();
  /** Whether a folder or one of its parents is ignored, by its path. */
  readonly #folders = new Map<string, Promise<boolean>>();
  #outer: Promise<readonly { readonly rules: IgnoreRules; readonly prefix: string }[]> | undefined;

  constructor(source: IgnoreSource) {
    this.#source = source;
    // Unlike in .gitignore, a glob without a slash matches at the top only.
    const globs = source.hidden.flatMap(expandBraces).map((glob) => (glob.startsWith('/') ? glob : `/${glob}`));
    this.#hidden = new IgnoreRules(['.git', ...globs].join('\n'));
  }

  /** Returns whether a path or one of its parent folders is ignored. `path` is relative to the workspace folder, with `/`. */
  async has(path: string, isFolder: boolean): Promise<boolean> {
    if (path === '' || path === '.') return false;
    if (!isFolder) return await this.#decide(path, false);
    let decision = this.#folders.get(path);
    if (!decision) {
      decision = this.#decide(path, true);
      this.#folders.set(path, decision);
    }
    return await decision;
  }

  /** Returns whether a path itself is hidden by settings or is `.git`, whatever .gitignore files and its parents say. */
  hides(path: string, isFolder: boolean): boolean {
    return this.#hidden.decide(path, isFolder) === true;
  }

  async #decide(path: string, isFolder: boolean): Promise<boolean> {
    const parts = path.split('/');
    const above = parts.slice(0, -1);
    if (above.length > 0 && (await this.has(above.join('/'), true))) return true;
    if (this.hides(path, isFolder)) return true;
    // The innermost file with a matching rule decides.
    for (let depth = above.length; depth >= 0; depth--) {
      const below = parts.slice(depth).join('/');
      for (const rules of await this.#rulesOf(parts.slice(0, depth).join('/'))) {
        const decision = rules.decide(below, isFolder);
        if (decision !== undefined) return decision;
      }
    }
    this.#outer ??= this.#readOuter();
    for (const { rules, prefix } of await this.#outer) {
      const decision = rules.decide(`${prefix}${path}`, isFolder);
      if (decision !== undefined) return decision;
    }
    return false;
  }

  async #rulesOf(folder: string): Promise<readonly IgnoreRules[]> {
    let rules = this.#rules.get(folder);
    if (!rules) {
      const paths = folder === '' ? ['.gitignore', '.git/info/exclude'] : [`${folder}/.gitignore`];
      rules = Promise.all(paths.map((path) => this.#source.read(path))).then((texts) =>
        texts.filter((text) => text !== null).map((text) => new IgnoreRules(text)),
      );
      this.#rules.set(folder, rules);
    }
    return await rules;
  }

  async #readOuter(): Promise<{ readonly rules: IgnoreRules; readonly prefix: string }[]> {
    const files = (await this.#source.readOuter?.()) ?? [];
    return files.map(({ text, prefix }) => ({ rules: new IgnoreRules(text), prefix }));
  }
}
