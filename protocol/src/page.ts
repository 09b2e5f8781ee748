import * as z from 'zod';
import { NewAttachment, ReceivedEvent } from './events.ts';
import { ExecutionEvent, ExecutionRequest } from './execution.ts';
import { BlobHash, Id } from './ids.ts';
import { limits } from './limits.ts';
import { Problem } from './problem.ts';
import { Task } from './tasks.ts';
import { NamedSymbol, ServerNotice, UsageTotal } from './views.ts';

/*
 * Messages between the chat page and the extension. The page never uses HTTP: it calls the server's routes by name
 * through the extension, asks the editor for actions that only the editor can perform, and receives events. A new
 * button needs a route or an editor action, not a new message.
 */

/** A message that is being written. */
export const Draft = z.object({
  text: z.string().max(limits.messageChars),
  attachments: z.array(NewAttachment).max(limits.attachments),
});
export type Draft = z.infer<typeof Draft>;

/** A message that the server has not accepted yet. */
export const OutgoingMessage = z.object({
  conversationId: Id,
  turnId: Id,
  /** The turn that the message follows unless there is a later one. For an edited message, always this turn. */
  parent: Id.nullable(),
  /** Whether it is another version of a message, so that `parent` is not replaced by a later turn. */
  sibling: z.boolean().optional(),
  /** Whether its conversation may still have to be created. */
  begins: z.boolean().optional(),
  text: z.string().max(limits.messageChars),
  attachments: z.array(NewAttachment).max(limits.attachments),
  attachmentsOf: Id.optional(),
  task: Task.optional(),
  /** Set if the message asks for a summary instead of an answer. */
  compact: z.literal(true).optional(),
});
export type OutgoingMessage = z.infer<typeof OutgoingMessage>;

/** The state of the page that survives a reload of the window. */
export const SavedView = z.object({
  conversationId: Id.nullable(),
  /** Drafts by conversation id, newest last. `new` is the draft of a conversation that has not begun. */
  drafts: z.record(z.string(), Draft),
  /** Messages that are sent again after a reload, under the same ids. */
  outbox: z.array(OutgoingMessage).optional(),
  model: z.string().nullable(),
  thinking: z.boolean(),
});
export type SavedView = z.infer<typeof SavedView>;

/** A mention with `@` that the editor resolves to an attachment. */
export const Mention = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('folder'), path: z.string().min(1).max(4096) }),
  z.object({
    kind: z.literal('symbol'),
    name: z.string().min(1).max(500),
    path: z.string().min(1).max(4096),
    /** 1-based line. If `endLine` is absent, the editor finds the end of the definition. */
    line: z.int().min(1),
    endLine: z.int().min(1).optional(),
  }),
  z.object({ kind: z.literal('problems') }),
  /** The last command of the active terminal, with its output. */
  z.object({ kind: z.literal('terminal') }),
  /** The staged changes, or all changes of the branch since it left its base. */
  z.object({ kind: z.literal('git'), of: z.enum(['staged', 'branch']) }),
]);
export type Mention = z.infer<typeof Mention>;

/** The commands of DevLM that the page may run. */
export const PageCommand = z.enum([
  'setApiKey',
  'setServerToken',
  'switchServer',
  'openSettings',
  'manageTrust',
  'showLog',
  'restartServer',
  'startServer',
]);
export type PageCommand = z.infer<typeof PageCommand>;

/** Actions that only the editor can perform for the page. The comment on each action names its result. */
export const EditorAction = z.discriminatedUnion('action', [
  /** Result: null */
  z.object({ action: z.literal('insertAtCursor'), text: z.string() }),
  /** Result: null. Opens an untitled document */
  z.object({ action: z.literal('newFile'), text: z.string(), language: z.string().max(64) }),
  /** Result: null */
  z.object({ action: z.literal('copy'), text: z.string() }),
  /** Result: { paths: string[] }, the matching workspace files, best first, at most 30 */
  z.object({ action: z.literal('findFiles'), query: z.string().max(limits.queryChars) }),
  /** Result: { paths: string[] }, the matching workspace folders, best first, at most 30 */
  z.object({ action: z.literal('findFolders'), query: z.string().max(limits.queryChars) }),
  /** Result: { items }, definitions that the language servers find by name, at most 30 */
  z.object({ action: z.literal('findSymbols'), query: z.string().min(1).max(limits.queryChars) }),
  /** Result: { attachments, problems }, one attachment or a sentence that says why there is none */
  z.object({ action: z.literal('readMention'), mention: Mention }),
  /** Result: { attachments, problems }, files by workspace-relative path or by URI (drag and drop) */
  z.object({ action: z.literal('readFiles'), paths: z.array(z.string().max(4096)).max(limits.attachments) }),
  /** Result: { attachments, problems }. Opens the file dialog */
  z.object({ action: z.literal('pickFiles') }),
  /** Result: { attachments, problems }, the selection of the active editor; empty if nothing is selected */
  z.object({ action: z.literal('readSelection') }),
  /** Result: null. Opens http(s), mailto and workspace files only */
  z.object({ action: z.literal('openLink'), href: z.string().max(4096) }),
  /** Result: null. Shows the difference between two stored contents of a file (null: no file) */
  z.object({
    action: z.literal('openDiff'),
    path: z.string().min(1).max(4096),
    before: BlobHash.nullable(),
    after: BlobHash.nullable(),
  }),
  /** Result: null. Opens the editor's review of the changes of a turn, of one file or of all */
  z.object({
    action: z.literal('reviewChanges'),
    conversationId: Id,
    turnId: Id,
    path: z.string().min(1).max(4096).optional(),
  }),
  /** Result: null. Opens a workspace file by the path that the agent uses. `line` is 1-based */
  z.object({ action: z.literal('openFile'), path: z.string().min(1).max(4096), line: z.int().min(1).optional() }),
  /** Result: null. Saves the conversation through the save dialog */
  z.object({ action: z.literal('exportConversation'), conversationId: Id }),
  /** Result: null. Shows a request that was sent to the model for the turn, chosen from a list */
  z.object({ action: z.literal('showSentRequests'), conversationId: Id, turnId: Id }),
  /** Result: null. Runs a command of DevLM */
  z.object({
    action: z.literal('command'),
    command: PageCommand,
  }),
  /**
   * Result: { message, problems }, the message that a chat command sends for the current editor; null if it is handled
   * there
   */
  z.object({ action: z.literal('task'), task: Task, words: z.string().max(limits.messageChars) }),
  /**
   * Result: null. Adds the rule that an open question offers to the user's settings. The question is answered
   * separately
   */
  z.object({
    action: z.literal('alwaysAllow'),
    conversationId: Id,
    turnId: Id,
    callId: z.string().min(1).max(200),
  }),
  /** Result: null. Stores the view per workspace; `hello` returns it after a reload */
  z.object({ action: z.literal('saveView'), view: SavedView }),
]);
export type EditorAction = z.infer<typeof EditorAction>;

/** Attachments that were read, and sentences about those that could not be. */
export const FilesAnswer = z.object({ attachments: z.array(NewAttachment), problems: z.array(z.string()) });
export type FilesAnswer = z.infer<typeof FilesAnswer>;

/** The message of a command with the context that it gathered, and sentences about what could not be gathered. */
export const TaskAnswer = z.object({
  message: z
    .object({
      task: Task,
      text: z.string().max(limits.messageChars),
      attachments: z.array(NewAttachment).max(limits.attachments),
    })
    .nullable(),
  problems: z.array(z.string()),
});
export type TaskAnswer = z.infer<typeof TaskAnswer>;

/** Paths that were found. */
export const PathsAnswer = z.object({ paths: z.array(z.string()) });
/** Definitions that were found. */
export const SymbolsAnswer = z.object({ items: z.array(NamedSymbol) });
export type SymbolsAnswer = z.infer<typeof SymbolsAnswer>;

/** A message from the page to the extension. */
export const PageToHost = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({
    kind: z.literal('call'),
    id: z.int(),
    route: z.string(),
    input: z.object({ params: z.unknown(), query: z.unknown(), body: z.unknown() }).partial(),
  }),
  z.object({ kind: z.literal('editor'), id: z.int(), action: EditorAction }),
  /** Subscribes to events after `after`, replacing the previous subscription. A null id ends it. */
  z.object({ kind: z.literal('subscribe'), conversationId: Id.nullable(), after: z.int().min(0) }),
  /**
   * Runs a program and reports it by `execution` messages. Without a request, it follows the run with this id. The run
   * continues when the page is closed.
   */
  z.object({ kind: z.literal('execute'), id: Id, request: ExecutionRequest.optional() }),
]);
export type PageToHost = z.infer<typeof PageToHost>;

/** The state of the connection to the server, as it is shown to the user. */
export const ServerState = z.object({
  /** `idle`: not started yet; it starts on first use. */
  state: z.enum(['idle', 'starting', 'ready', 'reconnecting', 'failed']),
  problem: Problem.optional(),
  key: z.enum(['set', 'missing']).optional(),
  demo: z.boolean().optional(),
  /** Host of a remote server. Absent for the server on this machine. */
  remote: z.string().optional(),
  today: UsageTotal.optional(),
});
export type ServerState = z.infer<typeof ServerState>;

/** Settings of the page. */
export const PageSettings = z.object({
  /** If true, Enter sends and Shift+Enter inserts a line break; otherwise Ctrl/Cmd+Enter sends. */
  enterSends: z.boolean(),
  showCost: z.boolean(),
  expandThinking: z.boolean(),
  /** Whether the window has folders that the user does not trust (yet), so that DevLM only reads there. */
  restricted: z.boolean(),
  /** Defaults for new chats. A null model is the default model of the server. */
  defaults: z.object({ model: z.string().nullable(), thinking: z.boolean() }).optional(),
});
export type PageSettings = z.infer<typeof PageSettings>;

/** A message from the extension to the page. */
export const HostToPage = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('hello'),
    view: SavedView,
    settings: PageSettings,
    server: ServerState,
    /** Translations by English text. Empty in English. */
    strings: z.record(z.string(), z.string()),
    /** Id of the project of this window, or null without a folder. */
    projectId: Id.nullable(),
  }),
  z.discriminatedUnion('ok', [
    /** VS Code drops keys whose value is undefined on the way to the page. */
    z.object({ kind: z.literal('reply'), id: z.int(), ok: z.literal(true), value: z.unknown().optional() }),
    z.object({ kind: z.literal('reply'), id: z.int(), ok: z.literal(false), problem: Problem }),
  ]),
  /** Contiguous events after the sequence number of the subscription. */
  z.object({ kind: z.literal('events'), conversationId: Id, events: z.array(ReceivedEvent) }),
  /** Events of a run that the page requested. `problem`: the run was refused, or could not be followed. */
  z.object({
    kind: z.literal('execution'),
    id: Id,
    /** Whether the events begin with the first event of the run, so that earlier ones are to be discarded. */
    restart: z.boolean().optional(),
    events: z.array(ExecutionEvent),
    problem: Problem.optional(),
  }),
  z.object({ kind: z.literal('notice'), notice: ServerNotice }),
  z.object({ kind: z.literal('server'), server: ServerState }),
  z.object({ kind: z.literal('settings'), settings: PageSettings }),
  /** An action that the user requested outside the page. */
  z.discriminatedUnion('what', [
    z.object({
      kind: z.literal('do'),
      what: z.enum([
        'newConversation',
        'showHistory',
        'showUsage',
        'focusInput',
        'stop',
        'exportConversation',
        'showSentRequests',
      ]),
    }),
    z.object({ kind: z.literal('do'), what: z.literal('openConversation'), conversationId: Id }),
    z.object({ kind: z.literal('do'), what: z.literal('attach'), files: FilesAnswer }),
    /** Sends the message of a command in the conversation that is shown. */
    z.object({ kind: z.literal('do'), what: z.literal('task'), answer: TaskAnswer }),
  ]),
]);
export type HostToPage = z.infer<typeof HostToPage>;
