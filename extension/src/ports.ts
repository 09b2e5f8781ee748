/*
 * What the modules of this folder need from the editor. They do not import `vscode`, so that
 * plain Node can run them in tests.
 */

/** The part of `vscode.LogOutputChannel` that is used. Never pass it a secret. */
export interface Log {
  trace(message: string, ...args: unknown[]): void;
  debug(message: string, ...args: unknown[]): void;
  info(message: string, ...args: unknown[]): void;
  warn(message: string, ...args: unknown[]): void;
  error(message: string, ...args: unknown[]): void;
}

/** `vscode.l10n.t`: the text is English and the key of its translation; `{0}` is replaced. */
export type Translate = (text: string, ...args: (string | number)[]) => string;
