import * as z from 'zod';
import { NewAttachment, ReceivedEvent } from './events.ts';
import { ExecutionEvent, ExecutionRequest } from './execution.ts';
import { BlobHash, Id } from './ids.ts';
import { limits } from './limits.ts';
import { Problem } from './problem.ts';
import { Task } from './tasks.ts';
import { NamedSymbol, ServerNotice, UsageTotal } from './views.ts';

/*
 * Messages between the chat page and the extension. The page never speaks HTTP: it calls the
 * server's routes by name through the extension, asks the editor for what only the editor can
 * do, and receives events. A new button needs a route or an editor action, not a new message.
 */

export const Draft = z.object({
  text: z.string().max(limits.messageChars),
  attachments: z.array(NewAttachment).max(limits.attachments),
});
export type Draft = z.infer<typeof Draft>;

/** A message that the server has not taken yet. */
export const OutgoingMessage = z.object({
  conversationId: Id,
  turnId: Id,
  /** The turn it follows when nothing later is known; of an edited message, the turn it always follows. */
  parent: Id.nullable(),
  /** The parent stays as it is: another version of a message. */
  sibling: z.boolean().optional(),
  /** Its conversation may still have to be made. */
  begins: z.boolean().optional(),
  text: z.string().max(limits.messageChars),
  attachments: z.array(NewAttachment).max(limits.attachments),
  attachmentsOf: Id.optional(),
  task: Task.optional(),
  /** It asks for a summary, not for an answer. */
  compact: z.literal(true).optional(),
});
export type OutgoingMessage = z.infer<typeof OutgoingMessage>;

/** What survives a reload of the window. Drafts by conversation id; `new` for one not yet begun. */
export const SavedView = z.object({
  conversationId: Id.nullable(),
  /** Newest last. */
  drafts: z.record(z.string(), Draft),
  /** Sent again after a reload, under the same ids. */
  outbox: z.array(OutgoingMessage).optional(),
  model: z.string().nullable(),
  thinking: z.boolean(),
});
export type SavedView = z.infer<typeof SavedView>;

/** What a person names with `@` that the editor turns into an attachment. */
export const Mention = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('folder'), path: z.string().min(1).max(4096) }),
  z.object({
    kind: z.literal('symbol'),
    name: z.string().min(1).max(500),
    path: z.string().min(1).max(4096),
    /** 1-based. Without an end, the editor finds where the definition ends. */
    line: z.int().min(1),
    endLine: z.int().min(1).optional(),
  }),
  z.object({ kind: z.literal('problems') }),
  /** The last command of the active terminal, with what it printed. */
  z.object({ kind: z.literal('terminal') }),
  /** What is staged, or all that the branch adds to the one it came from. */
  z.object({ kind: z.literal('git'), of: z.enum(['staged', 'branch']) }),
]);
export type Mention = z.infer<typeof Mention>;

/** Those of DevLM's own commands that the page may run. */
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

/** What only the editor can do for the page. Each answers with the value noted. */
export const EditorAction = z.discriminatedUnion('action', [
  /** null */
  z.object({ action: z.literal('insertAtCursor'), text: z.string() }),
  /** null; opens an untitled document */
  z.object({ action: z.literal('newFile'), text: z.string(), language: z.string().max(64) }),
  /** null */
  z.object({ action: z.literal('copy'), text: z.string() }),
  /** { paths: string[] }: workspace files that match, best first, at most 30 */
  z.object({ action: z.literal('findFiles'), query: z.string().max(limits.queryChars) }),
  /** { paths: string[] }: workspace folders that match, best first, at most 30 */
  z.object({ action: z.literal('findFolders'), query: z.string().max(limits.queryChars) }),
  /** { items }: definitions that the language servers know by a name, at most 30 */
  z.object({ action: z.literal('findSymbols'), query: z.string().min(1).max(limits.queryChars) }),
  /** { attachments, problems }: one attachment, or a sentence that says why there is none */
  z.object({ action: z.literal('readMention'), mention: Mention }),
  /** { attachments, problems }: files by workspace-relative path or by URI (drag and drop) */
  z.object({ action: z.literal('readFiles'), paths: z.array(z.string().max(4096)).max(limits.attachments) }),
  /** { attachments, problems }: opens the file dialog */
  z.object({ action: z.literal('pickFiles') }),
  /** { attachments, problems }: of the active editor; empty when nothing is selected */
  z.object({ action: z.literal('readSelection') }),
  /** null; http(s), mailto and workspace files only */
  z.object({ action: z.literal('openLink'), href: z.string().max(4096) }),
  /** null; shows what became of a file, from one stored content to another (null: no file) */
  z.object({
    action: z.literal('openDiff'),
    path: z.string().min(1).max(4096),
    before: BlobHash.nullable(),
    after: BlobHash.nullable(),
  }),
  /** null; opens the editor's review of what a turn changed: of one file, or of all */
  z.object({
    action: z.literal('reviewChanges'),
    conversationId: Id,
    turnId: Id,
    path: z.string().min(1).max(4096).optional(),
  }),
  /** null; a workspace file, named as the agent does. `line` is 1-based */
  z.object({ action: z.literal('openFile'), path: z.string().min(1).max(4096), line: z.int().min(1).optional() }),
  /** null; saves the conversation through the save dialog */
  z.object({ action: z.literal('exportConversation'), conversationId: Id }),
  /** null; runs one of a few commands of DevLM's own */
  z.object({
    action: z.literal('command'),
    command: PageCommand,
  }),
  /** { message, problems }: what a command of the chat sends for what is in the editor; null: it is done there */
  z.object({ action: z.literal('task'), task: Task, words: z.string().max(limits.messageChars) }),
  /** null; adds the rule that an open question offers to the person's own settings. The answer is given apart */
  z.object({
    action: z.literal('alwaysAllow'),
    conversationId: Id,
    turnId: Id,
    callId: z.string().min(1).max(200),
  }),
  /** null; kept per workspace and given back in `hello` after a reload */
  z.object({ action: z.literal('saveView'), view: SavedView }),
]);
export type EditorAction = z.infer<typeof EditorAction>;

export const FilesAnswer = z.object({ attachments: z.array(NewAttachment), problems: z.array(z.string()) });
export type FilesAnswer = z.infer<typeof FilesAnswer>;

/** The message of a command, with the context that it gathered. */
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

export const PathsAnswer = z.object({ paths: z.array(z.string()) });
export const SymbolsAnswer = z.object({ items: z.array(NamedSymbol) });
export type SymbolsAnswer = z.infer<typeof SymbolsAnswer>;

export const PageToHost = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({
    kind: z.literal('call'),
    id: z.int(),
    route: z.string(),
    input: z.object({ params: z.unknown(), query: z.unknown(), body: z.unknown() }).partial(),
  }),
  z.object({ kind: z.literal('editor'), id: z.int(), action: EditorAction }),
  /** Events after `after` are wanted from now on; replaces the subscription before. null ends it. */
  z.object({ kind: z.literal('subscribe'), conversationId: Id.nullable(), after: z.int().min(0) }),
  /**
   * Runs a program and hears of it by `execution` messages, or, without a request, follows the run with
   * this id. It goes on when the page goes away.
   */
  z.object({ kind: z.literal('execute'), id: Id, request: ExecutionRequest.optional() }),
]);
export type PageToHost = z.infer<typeof PageToHost>;

/** The state of the way to the server, as the person should see it. */
export const ServerState = z.object({
  /** `idle`: not started yet, it starts on first use. */
  state: z.enum(['idle', 'starting', 'ready', 'reconnecting', 'failed']),
  problem: Problem.optional(),
  key: z.enum(['set', 'missing']).optional(),
  demo: z.boolean().optional(),
  /** Host of a server that others run; without it, it is this machine's own. */
  remote: z.string().optional(),
  today: UsageTotal.optional(),
});
export type ServerState = z.infer<typeof ServerState>;

export const PageSettings = z.object({
  /** Enter sends and Shift+Enter breaks the line; otherwise Ctrl/Cmd+Enter sends. */
  enterSends: z.boolean(),
  showCost: z.boolean(),
  expandThinking: z.boolean(),
  /** The window has folders, and the person does not trust them (yet): DevLM only reads there. */
  restricted: z.boolean(),
  /** For new chats; null for the server's default model. */
  defaults: z.object({ model: z.string().nullable(), thinking: z.boolean() }).optional(),
});
export type PageSettings = z.infer<typeof PageSettings>;

export const HostToPage = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('hello'),
    view: SavedView,
    settings: PageSettings,
    server: ServerState,
    /** Translations by English text; empty in English. */
    strings: z.record(z.string(), z.string()),
    /** Id of the project of this window, or null without a folder. */
    projectId: Id.nullable(),
  }),
  z.discriminatedUnion('ok', [
    /** The editor drops keys whose value is undefined on the way to the page. */
    z.object({ kind: z.literal('reply'), id: z.int(), ok: z.literal(true), value: z.unknown().optional() }),
    z.object({ kind: z.literal('reply'), id: z.int(), ok: z.literal(false), problem: Problem }),
  ]),
  /** Contiguous, after the sequence number subscribed to. */
  z.object({ kind: z.literal('events'), conversationId: Id, events: z.array(ReceivedEvent) }),
  /** Of a run that the page asked for; `problem`: it was refused, or could not be followed. */
  z.object({
    kind: z.literal('execution'),
    id: Id,
    /** The events begin with the first of the run: what was heard of it before is to be forgotten. */
    restart: z.boolean().optional(),
    events: z.array(ExecutionEvent),
    problem: Problem.optional(),
  }),
  z.object({ kind: z.literal('notice'), notice: ServerNotice }),
  z.object({ kind: z.literal('server'), server: ServerState }),
  z.object({ kind: z.literal('settings'), settings: PageSettings }),
  /** Something the person asked for outside the page. */
  z.discriminatedUnion('what', [
    z.object({
      kind: z.literal('do'),
      what: z.enum(['newConversation', 'showHistory', 'showUsage', 'focusInput', 'stop', 'exportConversation']),
    }),
    z.object({ kind: z.literal('do'), what: z.literal('openConversation'), conversationId: Id }),
    z.object({ kind: z.literal('do'), what: z.literal('attach'), files: FilesAnswer }),
    /** Sends it, in the conversation that is shown. */
    z.object({ kind: z.literal('do'), what: z.literal('task'), answer: TaskAnswer }),
  ]),
]);
export type HostToPage = z.infer<typeof HostToPage>;
