import * as vscode from 'vscode';
import { globRegExp } from './globs.ts';
import { IgnoreRules } from './ignore-rules.ts';

/** A .gitignore larger than this is not one, bytes. */
const maxBytes = 256 * 1024;

/** So many folders above a workspace folder the repository's own may be. */
const maxLevels = 20;

/** What is left out of lists and searches in one workspace folder: .gitignore files, `.git`, and settings. */
export class Ignored {
  readonly #root: vscode.Uri;
  readonly #hidden: readonly RegExp[];
  /** By folder, relative; the root's is ''. */
  readonly #rules = new Map<string, Promise<readonly IgnoreRules[]>>();
  /** By folder, relative: whether it or one above it is left out. */
  readonly #folders = new Map<string, Promise<boolean>>();
  #outer: Promise<{ readonly rules: IgnoreRules; readonly prefix: string }[]> | undefined;

  /** @param settings names of settings like `files.exclude` */
  constructor(root: vscode.Uri, settings: readonly string[]) {
    this.#root = root;
    this.#hidden = hiddenGlobs(root, settings)
      .map((glob) => globRegExp(glob, true))
      .filter((regExp) => regExp !== null);
  }

  /** `path` is relative to the workspace folder, with `/`. What lies in a folder that is left out is too. */
  async has(path: string, isFolder: boolean): Promise<boolean> {
    if (path === '' || path === '.') return false;
    if (!isFolder) return await this.#decide(path, false);
    let known = this.#folders.get(path);
    if (!known) {
      known = this.#decide(path, true);
      this.#folders.set(path, known);
    }
    return await known;
  }

  async #decide(path: string, isFolder: boolean): Promise<boolean> {
    const parts = path.split('/');
    const above = parts.slice(0, -1);
    if (above.length > 0 && (await this.has(above.join('/'), true))) return true;
    if (parts.at(-1) === '.git' || this.#hidden.some((regExp) => regExp.test(path))) return true;
    // The innermost file that says anything decides.
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

  /** Those of the repository that the workspace folder lies in, the innermost first. */
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
    // No repository: what lies above has nothing to say.
    return [];
  }

  async #rulesOf(folder: string): Promise<readonly IgnoreRules[]> {
    let known = this.#rules.get(folder);
    if (!known) {
      const names = folder === '' ? ['.gitignore', '.git/info/exclude'] : ['.gitignore'];
      known = Promise.all(names.map((name) => read(vscode.Uri.joinPath(this.#root, folder, name)))).then((found) =>
        found.filter((one) => one !== undefined),
      );
      this.#rules.set(folder, known);
    }
    return await known;
  }
}

async function read(uri: vscode.Uri): Promise<IgnoreRules | undefined> {
  try {
    const { size, type } = await vscode.workspace.fs.stat(uri);
    // Git does not follow links here either.
    if (size > maxBytes || type !== vscode.FileType.File) return undefined;
    return new IgnoreRules(new TextDecoder().decode(await vscode.workspace.fs.readFile(uri)));
  } catch {
    return undefined;
  }
}

/** Globs that settings of the kind of `files.exclude` turn on. */
export function hiddenGlobs(root: vscode.Uri, settings: readonly string[]): string[] {
  return settings.flatMap((name) => {
    const value = vscode.workspace.getConfiguration(undefined, root).get<Record<string, unknown>>(name, {});
    return Object.keys(value).filter((glob) => value[glob] === true);
  });
}
