import * as z from 'zod';
import { CommandOutput, CommandShell, CommandStart, CommandState } from './commands.ts';
import { Id, ImageMediaType } from './ids.ts';
import { limits } from './limits.ts';
import { Problem } from './problem.ts';

/*
 * What the server asks of an editor window while the agent works in its project. The window keeps
 * one stream of requests open; each is answered once, by its id.
 */

/** Relative to the workspace, with `/`; with several folders its first name is the folder's. */
const Path = z.string().min(1).max(4096);
/** SHA-256 of the text's UTF-8 bytes, hex: what a file held when it was read. */
const TextHash = z.string().regex(/^[0-9a-f]{64}$/);

/** A tool of another extension, as VS Code's `lm.tools` lists it. Unchecked text of somebody else's. */
export const EditorTool = z.object({
  name: z.string().min(1).max(200),
  description: z.string().max(4000),
  /** JSON Schema of its input. */
  inputSchema: z.json(),
});
export type EditorTool = z.infer<typeof EditorTool>;

/** A window that lends its workspace to the agent. */
export const EditorHello = z.object({
  windowId: Id,
  projectId: Id,
  /** False in a restricted workspace: nothing may be changed or run. */
  trusted: z.boolean(),
  /** Of its folders, as the agent names them in paths. */
  folders: z.array(z.object({ name: z.string().max(255), path: z.string().max(4096).nullable() })).max(50),
  /** Changes need no review: they are accepted as they are made. */
  acceptsEdits: z.boolean().optional(),
  /** Permission rules, from the user's settings and from the workspace's. Checked where they are used. */
  rules: z.object({ user: z.json(), workspace: z.json() }),
  /** MCP servers, from the user's settings and from files of the workspace. Checked where they are used. */
  mcp: z
    .object({
      user: z.json(),
      workspace: z.json(),
      /** What `${NAME}` stands for in them, as far as the window knows. May hold secrets. */
      variables: z.record(z.string().max(300), z.string().max(32_768)),
    })
    .optional(),
  /** Tools of other extensions that the person lets the agent use. */
  tools: z.array(EditorTool).max(limits.lentTools).optional(),
  /** What it runs commands with; without it, it runs none. */
  shell: CommandShell.optional(),
  /** How much of the project the model is shown at the beginning of a conversation. Without it: nothing. */
  mapTokens: z.int().min(0).max(limits.mapTokens).optional(),
});
export type EditorHello = z.infer<typeof EditorHello>;

/** A file as the editor has it: an open one with what is not saved yet. */
export const EditorFile = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('missing') }),
  z.object({ kind: z.literal('folder') }),
  z.object({
    kind: z.literal('text'),
    /** With its own line ends, without a byte order mark. */
    text: z.string(),
    /** As VS Code names it, for example `utf8`, `utf8bom`, `utf16le`, `windows1252`. */
    encoding: z.string().max(64),
    hash: TextHash,
    /** It has changes that are not saved. */
    dirty: z.boolean(),
  }),
  z.object({ kind: z.literal('image'), mediaType: ImageMediaType, data: z.base64().max(limits.imageBytes * 1.4) }),
  /** Not text, larger than `limits.fileBytes`, or text that would not survive being written back; `reason` says which. */
  z.object({ kind: z.literal('unreadable'), reason: z.string().max(500), bytes: z.int().min(0).nullable() }),
]);
export type EditorFile = z.infer<typeof EditorFile>;

/** One file of a change. All files of a request change, or none. */
export const EditorChange = z.object({
  path: Path,
  /** What it must still hold; null: there must be no such file. */
  base: TextHash.nullable(),
  /** Its new text; null removes it. */
  text: z.string().nullable(),
  /** Of a file that is made; an existing one keeps its own. */
  encoding: z.string().max(64).optional(),
});
export type EditorChange = z.infer<typeof EditorChange>;

export const Diagnostic = z.object({
  path: Path,
  /** 1-based. */
  line: z.int().min(1),
  severity: z.enum(['error', 'warning', 'information', 'hint']),
  message: z.string().max(2000),
  source: z.string().max(100).nullable(),
});
export type Diagnostic = z.infer<typeof Diagnostic>;

/** A definition as the editor's language servers know it. */
export const EditorSymbol = z.object({
  name: z.string().min(1).max(500),
  /** In the words of VS Code's `SymbolKind`, in lower case. */
  kind: z.string().max(50),
  /** The class or module that it is in. */
  container: z.string().max(500).nullable(),
  path: Path,
  /** 1-based. */
  line: z.int().min(1),
});
export type EditorSymbol = z.infer<typeof EditorSymbol>;

const request = { id: Id };

export const EditorRequest = z.discriminatedUnion('kind', [
  z.object({ ...request, kind: z.literal('read'), path: Path }),
  z.object({ ...request, kind: z.literal('apply'), changes: z.array(EditorChange).min(1).max(200) }),
  /** Ignored files (files.exclude, .gitignore) are left out. `path` `.` is the whole workspace. */
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
    /** Globs; empty: all files that are not ignored. */
    include: z.array(z.string().max(500)).max(20),
    limit: z.int().min(1).max(1000),
  }),
  z.object({ ...request, kind: z.literal('diagnostics'), paths: z.array(Path).max(200) }),
  /** Asks the language servers for definitions in the workspace by their name. */
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
  /** Starts a command, or finds the one with this id. */
  CommandStart.extend({ ...request, kind: z.literal('command.start') }),
  /** Waits, `waitMs` at most, until there is output beyond `after` or the command has ended. */
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
    /** Nothing follows. */
    end: z.boolean(),
  }),
  /** Ends a command, or all of a conversation, with all that they started. */
  z.object({ ...request, kind: z.literal('command.stop'), commandId: Id }),
  z.object({ ...request, kind: z.literal('command.stopAll'), conversationId: Id }),
]);
export type EditorRequest = z.infer<typeof EditorRequest>;
export type EditorRequestKind = EditorRequest['kind'];

/** What each kind of request is answered with. */
export const editorAnswers = {
  read: EditorFile,
  /** `conflicts`: nothing was changed, because these files are not what they should have been. */
  apply: z.object({
    conflicts: z.array(z.object({ path: Path, file: EditorFile })),
    /** What the files hold now; an editor may format on save. */
    files: z.array(z.object({ path: Path, hash: TextHash.nullable() })),
    /** Errors and warnings in these files that were not there before. */
    diagnostics: z.array(Diagnostic),
  }),
  list: z.object({
    entries: z.array(
      z.object({
        path: Path,
        kind: z.enum(['file', 'folder']),
        bytes: z.int().min(0).nullable(),
        /** When the file was last saved, milliseconds of Unix time; null where that does not say what it holds. */
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
export type EditorAnswerOf<K extends EditorRequestKind> = z.output<(typeof editorAnswers)[K]>;

export const EditorAnswer = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown() }),
  z.object({ ok: z.literal(false), problem: Problem }),
]);
export type EditorAnswer = z.infer<typeof EditorAnswer>;
