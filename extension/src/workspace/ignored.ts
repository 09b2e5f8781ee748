import * as vscode from 'vscode';
import { globRegExp } from './globs.ts';
import { IgnoreRules } from './ignore-rules.ts';

/** Maximum size of a .gitignore file that is read, in bytes. */
const maxBytes = 256 * 1024;

/** Maximum number of levels that the repository root may be above a workspace folder. */
const maxLevels = 20;

/** The paths of a workspace folder that lists and searches leave out, by .gitignore files, `.git` and settings. */
export class Ignored {
  readonly #root: vscode.Uri;
  readonly #hidden: readonly RegExp[];
  /** Rules by relative folder. The root is ''. */
  readonly #rules = new Map<string, Promise<readonly IgnoreRules[]>>();
  /** Whether a folder or one of its parents is ignored, by relative folder. */
  readonly #folders = new Map<string, Promise<boolean>>();
  #outer: Promise<{ readonly rules: IgnoreRules; readonly prefix: string }[]> | undefined;

  /** @param settings names of settings such as `files.exclude` */
  constructor(root: vscode.Uri, settings: readonly string[]) {
    this.#root = root;
    this.#hidden = hiddenGlobs(root, settings)
      .map((glob) => globRegExp(glob, true))
      .filter((regExp) => regExp !== null);
  }

  /** Returns whether a path or a parent folder is ignored. `path` is relative to the workspace folder, with `/`. */
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

  async #decide(path: string, isFolder: boolean): Promise<boolean> {
    const parts = path.split('/');
    const above = parts.slice(0, -1);
    if (above.length > 0 && (await this.has(above.join('/'), true))) return true;
    if (parts.at(-1) === '.git' || this.#hidden.some((regExp) => regExp.test(path))) return true;
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

  /** Reads the .gitignore files above the workspace folder, up to its repository root, the innermost first. */
  async #readOuter(): Promise<{ readonly rules: IgnoreRules; readonly prefix: string }[]> {
    const outer: { rules: IgnoreRules; prefix: string }[] = [];
    if (this.#root.scheme !== 'file') return outer;
    let prefix = '';
    for (let at = this.#root, levels = 0; levels < maxLevels; levels++) {
      const isRepository = await vscode.workspace.fs.stat(vscode.Uri.joinPath(at, '.git')).then(
        () => true,
        () => false,
      );
      if (isRepository) return outer;
      prefix = `${at.path.split('/').at(-1)}/${prefix}`;
      const parent = vscode.Uri.joinPath(at, '..');
      if (parent.path === at.path) break;
      at = parent;
      const rules = await read(vscode.Uri.joinPath(at, '.gitignore'));
      if (rules) outer.push({ rules, prefix });
    }
    // Outside a repository, the files above do not apply.
    return [];
  }

  async #rulesOf(folder: string): Promise<readonly IgnoreRules[]> {
    let rules = this.#rules.get(folder);
    if (!rules) {
      const names = folder === '' ? ['.gitignore', '.git/info/exclude'] : ['.gitignore'];
      rules = Promise.all(names.map((name) => read(vscode.Uri.joinPath(this.#root, folder, name)))).then((found) =>
        found.filter((rules) => rules !== undefined),
      );
      this.#rules.set(folder, rules);
    }
    return await rules;
  }
}

async function read(uri: vscode.Uri): Promise<IgnoreRules | undefined> {
  try {
    const { size, type } = await vscode.workspace.fs.stat(uri);
    // Git does not follow symbolic links here either.
    if (size > maxBytes || type !== vscode.FileType.File) return undefined;
    return new IgnoreRules(new TextDecoder().decode(await vscode.workspace.fs.readFile(uri)));
  } catch {
    return undefined;
  }
}

/** Returns the globs that are enabled in settings such as `files.exclude`. */
export function hiddenGlobs(root: vscode.Uri, settings: readonly string[]): string[] {
  return settings.flatMap((name) => {
    const value = vscode.workspace.getConfiguration(undefined, root).get<Record<string, unknown>>(name, {});
    return Object.keys(value).filter((glob) => value[glob] === true);
  });
}
