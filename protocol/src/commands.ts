import * as z from 'zod';
import { OutputStream } from './execution.ts';
import { Id } from './ids.ts';
import { limits } from './limits.ts';

/*
 * Commands on the person's own machine. They run in the editor window that lends its workspace, under
 * an id that the server makes: asking again for the same id never starts a second process.
 */

/** What a window runs a command line with. */
export const CommandShell = z.enum(['bash', 'sh', 'powershell']);
export type CommandShell = z.infer<typeof CommandShell>;

export const CommandLine = z
  .string()
  .min(1)
  .max(limits.commandLineChars)
  .refine((line) => !line.includes('\0'), 'must not contain U+0000');

export const CommandStart = z.object({
  commandId: Id,
  /** It ends at the latest with its conversation. */
  conversationId: Id,
  line: CommandLine,
  /** A folder of the workspace; null for its first one. */
  cwd: z.string().min(1).max(4096).nullable(),
  stdin: z.string().max(limits.commandInputChars),
  /** More input may follow; otherwise its input ends here. */
  open: z.boolean(),
});
export type CommandStart = z.infer<typeof CommandStart>;

/** How a command is doing. */
export const CommandState = z.object({
  state: z.enum(['running', 'ended']),
  /** Null while it runs, and where a signal ended it. */
  exitCode: z.int().nullable(),
  /** For example `SIGKILL`. */
  signal: z.string().max(32).nullable(),
  /** It was ended because somebody asked for it. */
  stopped: z.boolean(),
  /** Why it could not be started; null where it was. */
  failure: z.string().max(1000).nullable(),
  /** Milliseconds since its start, or from its start to its end. */
  wallMs: z.number().min(0),
});
export type CommandState = z.infer<typeof CommandState>;

/** A piece of output. `at` counts UTF-16 code units of both streams together: between pieces some may be missing. */
export const CommandChunk = z.object({ at: z.int().min(0), stream: OutputStream, text: z.string() });
export type CommandChunk = z.infer<typeof CommandChunk>;

export const CommandOutput = CommandState.extend({
  chunks: z.array(CommandChunk),
  /** Where the output goes on. */
  next: z.int().min(0),
});
export type CommandOutput = z.infer<typeof CommandOutput>;

/** A command as the log names it before it is started. */
export const CommandRef = z.object({ id: Id, windowId: Id });
export type CommandRef = z.infer<typeof CommandRef>;

/** What the model knows of a command: what is newer can be told it. */
export const CommandNews = CommandRef.extend({
  line: CommandLine,
  cwd: z.string().max(4096).nullable(),
  state: CommandState.shape.state,
  exitCode: CommandState.shape.exitCode,
  signal: CommandState.shape.signal,
  wallMs: CommandState.shape.wallMs,
  /** Output up to here has been in a result or a note. */
  seen: z.int().min(0),
});
export type CommandNews = z.infer<typeof CommandNews>;
