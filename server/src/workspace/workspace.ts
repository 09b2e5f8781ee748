import type { EditorAnswerOf, EditorChange, EditorFile, EditorHello, EditorRequest } from '@devlm/protocol/editor.ts';
import type { Commands } from './commands.ts';

type Asked<K extends EditorRequest['kind']> = Omit<Extract<EditorRequest, { kind: K }>, 'id' | 'kind'>;

/**
 * The files that the agent works on: a project in an editor window, or a folder of the server. Paths are relative, with `/`.
 * Failures are `ProblemError`s: `outside_workspace`, `workspace_restricted`, `editor_gone`, or what
 * the file system said, worded for the model.
 */
export interface Workspace {
  /** Nothing may be changed or run in it. */
  readonly restricted: boolean;
  /** What the model is told about it. */
  readonly folders: readonly { readonly name: string; readonly path: string | null }[];
  /** Changes are accepted as they are made. */
  readonly acceptsEdits?: boolean;
  /** Permission rules, unchecked, from the user's settings and the workspace's. */
  readonly rules: { readonly user: unknown; readonly workspace: unknown };
  /** It has no settings that a rule could be added to. */
  readonly noSettings?: boolean;
  /** MCP servers that the window names, unchecked, and tools of other extensions that it lends. */
  readonly mcp?: EditorHello['mcp'];
  readonly tools?: EditorHello['tools'];
  read(path: string, signal: AbortSignal): Promise<EditorFile>;
  /** All or none; each file must still have the hash that the change is based on. */
  apply(changes: readonly EditorChange[], signal: AbortSignal): Promise<EditorAnswerOf<'apply'>>;
  list(asked: Asked<'list'>, signal: AbortSignal): Promise<EditorAnswerOf<'list'>>;
  search(asked: Asked<'search'>, signal: AbortSignal): Promise<EditorAnswerOf<'search'>>;
  /** Errors and warnings. Where there is none, nobody looks at the files. */
  diagnostics?(asked: Asked<'diagnostics'>, signal: AbortSignal): Promise<EditorAnswerOf<'diagnostics'>>;
  /** Runs commands. Where there is none, none can be run. */
  readonly commands?: Commands;
  /** How long a repository map the person wants, in tokens; 0 or nothing: none. */
  readonly mapTokens?: number;
  /** What language servers know by a name. */
  symbols?(asked: Asked<'symbols'>, signal: AbortSignal): Promise<EditorAnswerOf<'symbols'>>;
  /** Calls a lent tool. Where there is none, nothing is lent. */
  callTool?(asked: Asked<'tool.call'>, signal: AbortSignal): Promise<EditorAnswerOf<'tool.call'>>;
}
