import type { EditorAnswerOf, EditorChange, EditorFile, EditorRequest } from '@devlm/protocol/editor.ts';

type Asked<K extends EditorRequest['kind']> = Omit<Extract<EditorRequest, { kind: K }>, 'id' | 'kind'>;

/**
 * The files that the agent works on: a project in an editor window. Paths are relative, with `/`.
 * Failures are `ProblemError`s: `outside_workspace`, `workspace_restricted`, `editor_gone`, or what
 * the file system said, worded for the model.
 */
export interface Workspace {
  /** Nothing may be changed or run in it. */
  readonly restricted: boolean;
  /** What the model is told about it. */
  readonly folders: readonly { readonly name: string; readonly path: string | null }[];
  /** Permission rules, unchecked, from the user's settings and the workspace's. */
  readonly rules: { readonly user: unknown; readonly workspace: unknown };
  read(path: string, signal: AbortSignal): Promise<EditorFile>;
  /** All or none; each file must still have the hash that the change is based on. */
  apply(changes: readonly EditorChange[], signal: AbortSignal): Promise<EditorAnswerOf<'apply'>>;
  list(asked: Asked<'list'>, signal: AbortSignal): Promise<EditorAnswerOf<'list'>>;
  search(asked: Asked<'search'>, signal: AbortSignal): Promise<EditorAnswerOf<'search'>>;
  diagnostics(asked: Asked<'diagnostics'>, signal: AbortSignal): Promise<EditorAnswerOf<'diagnostics'>>;
}
