import * as z from 'zod';
import { CommandOutput, CommandShell, CommandStart, CommandState } from './commands.ts';
import { Id, ImageMediaType } from './ids.ts';
import { limits } from './limits.ts';
import { Problem } from './problem.ts';

/*
 * Requests that the server sends to an editor window while the agent works in its project. The window keeps one stream
 * of requests open and answers each request once, by its id.
 */

/** A path relative to the workspace, with `/`. With several folders, it starts with the name of the folder. */
const Path = z.string().min(1).max(4096);
/** SHA-256 of the UTF-8 bytes of a file's text when it was read, in hex. */
const TextHash = z.string().regex(/^[0-9a-f]{64}$/);

/** A tool of another extension, as VS Code's `lm.tools` lists it. Its text is untrusted. */
export const EditorTool = z.object({
  name: z.string().min(1).max(200),
  description: z.string().max(4000),
  /** JSON Schema of its input. */
  inputSchema: z.json(),
});
export type EditorTool = z.infer<typeof EditorTool>;

/** A window that shares its workspace with the agent. */
export const EditorHello = z.object({
  windowId: Id,
  projectId: Id,
  /** False in a restricted workspace, where nothing may be changed or run. */
  trusted: z.boolean(),
  /** The folders of the workspace, with the names that the agent uses in paths. */
  folders: z.array(z.object({ name: z.string().max(255), path: z.string().max(4096).nullable() })).max(50),
  /** Whether changes are accepted as they are made, without a review. */
  acceptsEdits: z.boolean().optional(),
  /** Permission rules from the user's settings and from the workspace's settings. Validated where they are used. */
  rules: z.object({ user: z.json(), workspace: z.json() }),
  /** MCP servers from the user's settings and from files of the workspace. Validated where they are used. */
  mcp: z
    .object({
      user: z.json(),
      workspace: z.json(),
      /** Values of `${NAME}` in these configurations, as far as the window knows them. May contain secrets. */
      variables: z.record(z.string().max(300), z.string().max(32_768)),
    })
    .optional(),
  /** Tools of other extensions that the user lets the agent use. */
  tools: z.array(EditorTool).max(limits.sharedTools).optional(),
  /** The shell that runs commands. If absent, the window runs none. */
  shell: CommandShell.optional(),
  /** Size of the repository map that the model gets at the start of a conversation, in tokens. Default: no map. */
  mapTokens: z.int().min(0).max(limits.mapTokens).optional(),
});
export type EditorHello = z.infer<typeof EditorHello>;

/** A file as the editor has it, including unsaved changes. */
export const EditorFile = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('missing') }),
  z.object({ kind: z.literal('folder') }),
  z.object({
    kind: z.literal('text'),
    /** The text with its own line ends, without a byte order mark. */
    text: z.string(),
    /** Encoding as VS Code names it, for example `utf8`, `utf8bom`, `utf16le`, `windows1252`. */
    encoding: z.string().max(64),
    hash: TextHash,
    /** Whether it has unsaved changes. */
    dirty: z.boolean(),
  }),
  z.object({ kind: z.literal('image'), mediaType: ImageMediaType, data: z.base64().max(limits.imageBytes * 1.4) }),
  /**
   * The file is not text, is larger than `limits.fileBytes`, or would change when it is written back. `reason` says
   * which.
   */
  z.object({ kind: z.literal('unreadable'), reason: z.string().max(500), bytes: z.int().min(0).nullable() }),
]);
export type EditorFile = z.infer<typeof EditorFile>;

/** A change to one file. Either all files of a request change, or none. */
export const EditorChange = z.object({
  path: Path,
  /** Hash that the file must still have; null: the file must not exist. */
  base: TextHash.nullable(),
  /** The new text; null removes the file. */
  text: z.string().nullable(),
  /** Encoding of a new file. An existing file keeps its own. */
  encoding: z.string().max(64).optional(),
});
export type EditorChange = z.infer<typeof EditorChange>;

/** An error or warning that the editor shows. */
export const Diagnostic = z.object({
  path: Path,
  /** 1-based line. */
  line: z.int().min(1),
  severity: z.enum(['error', 'warning', 'information', 'hint']),
  message: z.string().max(2000),
  source: z.string().max(100).nullable(),
});
export type Diagnostic = z.infer<typeof Diagnostic>;

/** A definition known to the editor's language servers. */
export const EditorSymbol = z.object({
  name: z.string().min(1).max(500),
  /** Name of the kind in VS Code's `SymbolKind`, in lower case. */
  kind: z.string().max(50),
  /** The class or module that contains it. */
  container: z.string().max(500).nullable(),
  path: Path,
  /** 1-based line. */
  line: z.int().min(1),
});
export type EditorSymbol = z.infer<typeof EditorSymbol>;

const request = { id: Id };

/** A request to an editor window. */
export const EditorRequest = z.discriminatedUnion('kind', [
  z.object({ ...request, kind: z.literal('read'), path: Path }),
  z.object({ ...request, kind: z.literal('apply'), changes: z.array(EditorChange).min(1).max(200) }),
  /** Lists files and folders. Ignored files (files.exclude, .gitignore) are left out. `.` is the whole workspace. */
  z.object({
    ...request,
    kind: z.literal('list'),
    path: Path,
    /** Levels below the path. */
    depth: z.int().min(1).max(20),
    limit: z.int().min(1).max(5000),
  }),
  z.object({
    ...request,
    kind: z.literal('search'),
    pattern: z.string().min(1).max(1000),
    isRegex: z.boolean(),
    caseSensitive: z.boolean(),
    /** Globs. Empty: all files that are not ignored. */
    include: z.array(z.string().max(500)).max(20),
    limit: z.int().min(1).max(1000),
  }),
  z.object({ ...request, kind: z.literal('diagnostics'), paths: z.array(Path).max(200) }),
  /** Searches the definitions of the language servers by name. */
  z.object({
    ...request,
    kind: z.literal('symbols'),
    query: z.string().min(1).max(limits.queryChars),
    limit: z.int().min(1).max(200),
  }),
  /** Calls a tool of another extension. */
  z.object({
    ...request,
    kind: z.literal('tool.call'),
    name: z.string().min(1).max(200),
    input: z.record(z.string(), z.json()),
  }),
  /** Starts a command, or returns the state of the one with this id. */
  CommandStart.extend({ ...request, kind: z.literal('command.start') }),
  /** Waits until there is output after `after` or the command has ended, at most `waitMs`. */
  z.object({
    ...request,
    kind: z.literal('command.poll'),
    commandId: Id,
    after: z.int().min(0),
    waitMs: z.int().min(0).max(limits.commandPollMs),
  }),
  z.object({
    ...request,
    kind: z.literal('command.write'),
    commandId: Id,
    text: z.string().max(limits.commandInputChars),
    /** Whether the input ends after this text. */
    end: z.boolean(),
  }),
  /** Stops a command and all processes that it started. */
  z.object({ ...request, kind: z.literal('command.stop'), commandId: Id }),
  /** Stops all commands of a conversation and all processes that they started. */
  z.object({ ...request, kind: z.literal('command.stopAll'), conversationId: Id }),
]);
export type EditorRequest = z.infer<typeof EditorRequest>;
/** The kind of a request. */
export type EditorRequestKind = EditorRequest['kind'];

/** Schemas of the answers to each kind of request. */
export const editorAnswers = {
  read: EditorFile,
  apply: z.object({
    /** Files without the expected content. If there are any, nothing was changed. */
    conflicts: z.array(z.object({ path: Path, file: EditorFile })),
    /** Hashes of the files after the change. They may differ from the request because the editor formats on save. */
    files: z.array(z.object({ path: Path, hash: TextHash.nullable() })),
    /** New errors and warnings in these files. */
    diagnostics: z.array(Diagnostic),
  }),
  list: z.object({
    entries: z.array(
      z.object({
        path: Path,
        kind: z.enum(['file', 'folder']),
        bytes: z.int().min(0).nullable(),
        /** Time of the last save, in milliseconds of Unix time; null if the content may differ from the saved one. */
        modified: z.number().nullable().optional(),
      }),
    ),
    truncated: z.boolean(),
  }),
  search: z.object({
    matches: z.array(z.object({ path: Path, line: z.int().min(1), text: z.string().max(2000) })),
    truncated: z.boolean(),
  }),
  diagnostics: z.object({ items: z.array(Diagnostic) }),
  symbols: z.object({ items: z.array(EditorSymbol).max(200) }),
  'tool.call': z.object({
    text: z.string().max(2 * limits.toolResultChars),
    images: z
      .array(z.object({ mediaType: ImageMediaType, data: z.base64().max(limits.imageBytes * 1.4) }))
      .max(limits.resultImages),
  }),
  'command.start': CommandState,
  'command.poll': CommandOutput,
  'command.write': CommandState,
  'command.stop': CommandState,
  'command.stopAll': z.object({ stopped: z.int().min(0) }),
} as const satisfies Record<EditorRequestKind, z.ZodType>;
/** The answer to a kind of request. */
export type EditorAnswerOf<K extends EditorRequestKind> = z.output<(typeof editorAnswers)[K]>;

/** An answer to a request, or the problem that prevented it. */
export const EditorAnswer = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown() }),
  z.object({ ok: z.literal(false), problem: Problem }),
]);
export type EditorAnswer = z.infer<typeof EditorAnswer>;
