import type { EditorAnswerOf, EditorChange, EditorFile, EditorHello, EditorRequest } from '@devlm/protocol/editor.ts';
import type { Commands } from './commands.ts';

/** Parameters of a request to an editor window. */
export type RequestOf<K extends EditorRequest['kind']> = Omit<Extract<EditorRequest, { kind: K }>, 'id' | 'kind'>;

/**
 * The files that the agent works on: a project in an editor window, or a folder on the server. Paths are relative, with
 * `/`. Failures are `ProblemError`s: `outside_workspace`, `workspace_restricted`, `editor_gone`, or an error of the file
 * system, worded for the model.
 */
export interface Workspace {
  /** Whether nothing may be changed or run in the workspace. */
  readonly restricted: boolean;
  /** Root folders, as described to the model. */
  readonly folders: readonly { readonly name: string; readonly path: string | null }[];
  /** Whether changes are accepted without a review. Default: false. */
  readonly acceptsEdits?: boolean;
  /** Permission rules from the settings of the user and of the workspace, unchecked. */
  readonly rules: { readonly user: unknown; readonly workspace: unknown };
  /** Whether there are no settings that a rule could be added to. Default: false. */
  readonly noSettings?: boolean;
  /** MCP servers that the window names, unchecked. */
  readonly mcp?: EditorHello['mcp'];
  /** Tools of other extensions that the window shares, unchecked. */
  readonly tools?: EditorHello['tools'];
  /** Reads a file. A file that is missing or unreadable is a result, not an error. */
  read(path: string, signal: AbortSignal): Promise<EditorFile>;
  /** Applies all changes or none. Each file must still have the hash that its change is based on; others are conflicts. */
  apply(changes: readonly EditorChange[], signal: AbortSignal): Promise<EditorAnswerOf<'apply'>>;
  /** Lists a folder. */
  list(request: RequestOf<'list'>, signal: AbortSignal): Promise<EditorAnswerOf<'list'>>;
  /** Searches the text files. */
  search(request: RequestOf<'search'>, signal: AbortSignal): Promise<EditorAnswerOf<'search'>>;
  /** Returns errors and warnings. Undefined: the workspace has no diagnostics. */
  diagnostics?(request: RequestOf<'diagnostics'>, signal: AbortSignal): Promise<EditorAnswerOf<'diagnostics'>>;
  /** Runs commands. Undefined: commands cannot be run. */
  readonly commands?: Commands;
  /** Maximum length of the repository map, in tokens. Default: 0, no map. */
  readonly mapTokens?: number;
  /** Returns what language servers know about a name. Undefined: there are none. */
  symbols?(request: RequestOf<'symbols'>, signal: AbortSignal): Promise<EditorAnswerOf<'symbols'>>;
  /** Calls a tool of another extension. Undefined: the window shares no tools. */
  callTool?(request: RequestOf<'tool.call'>, signal: AbortSignal): Promise<EditorAnswerOf<'tool.call'>>;
}
