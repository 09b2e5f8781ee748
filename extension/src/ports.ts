/*
 * Interfaces of the editor services that the modules of this folder use. Those modules do not import `vscode`, so
 * that tests can run them in plain Node.
 */

/** The part of `vscode.LogOutputChannel` that is used. Never pass it a secret. */
export interface Log {
  trace(message: string, ...args: unknown[]): void;
  debug(message: string, ...args: unknown[]): void;
  info(message: string, ...args: unknown[]): void;
  warn(message: string, ...args: unknown[]): void;
  error(message: string, ...args: unknown[]): void;
}

/** Signature of `vscode.l10n.t`. The English text is the key of its translation; `{0}` is replaced by an argument. */
export type Translate = (text: string, ...args: (string | number)[]) => string;

/** The part of `vscode.Memento` that is used. */
export interface Memento {
  get(key: string): unknown;
  update(key: string, value: unknown): PromiseLike<void>;
}
