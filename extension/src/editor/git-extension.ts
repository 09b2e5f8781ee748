import * as vscode from 'vscode';

/** A repository of the Git extension. */
export interface GitRepository {
  readonly rootUri: vscode.Uri;
  readonly inputBox: { value: string };
  diff(cached?: boolean): Promise<string>;
  log(options: { maxEntries: number }): Promise<readonly { message: string }[]>;
}

/** The part of the Git extension's API that is used. */
export interface GitApi {
  /** `path` is the path of the Git executable. */
  readonly git: { readonly path: string };
  readonly repositories: readonly GitRepository[];
}

interface GitExtension {
  getAPI(version: 1): GitApi;
}

/** Returns the API of VS Code's built-in Git extension, or undefined if the extension is missing or disabled. */
export async function gitApi(): Promise<GitApi | undefined> {
  const extension = vscode.extensions.getExtension<GitExtension>('vscode.git');
  return await Promise.resolve(extension?.activate()).then(
    (git) => git?.getAPI(1),
    () => undefined,
  );
}
