import * as z from 'zod';
import { OutputStream } from './execution.ts';
import { Id } from './ids.ts';
import { limits } from './limits.ts';

/*
 * Commands on the user's machine. They run in the editor window that shares its workspace, under an id that the server
 * creates: another request with the same id never starts a second process.
 */

/** The shell that runs the command lines of a window. */
export const CommandShell = z.enum(['bash', 'sh', 'powershell']);
export type CommandShell = z.infer<typeof CommandShell>;

/** A command line. */
export const CommandLine = z
  .string()
  .min(1)
  .max(limits.commandLineChars)
  .refine((line) => !line.includes('\0'), 'must not contain U+0000');

/** A request to start a command. */
export const CommandStart = z.object({
  commandId: Id,
  /** The conversation that the command belongs to. The command ends with the conversation at the latest. */
  conversationId: Id,
  line: CommandLine,
  /** A folder of the workspace. Null: the first one. */
  cwd: z.string().min(1).max(4096).nullable(),
  stdin: z.string().max(limits.commandInputChars),
  /** Whether more input may follow. If not, the input ends after `stdin`. */
  open: z.boolean(),
});
export type CommandStart = z.infer<typeof CommandStart>;

/** The state of a command. */
export const CommandState = z.object({
  state: z.enum(['running', 'ended']),
  /** Null while it runs, and if a signal ended it. */
  exitCode: z.int().nullable(),
  /** Name of the signal that ended it, for example `SIGKILL`. */
  signal: z.string().max(32).nullable(),
  /** Whether it was ended on request. */
  stopped: z.boolean(),
  /** Why it could not be started; null if it was started. */
  failure: z.string().max(1000).nullable(),
  /** Time since its start, or from its start to its end, in milliseconds. */
  wallMs: z.number().min(0),
});
export type CommandState = z.infer<typeof CommandState>;

/**
 * A piece of output. `at` is its offset in both streams together, in UTF-16 code units. Pieces in between may be
 * missing.
 */
export const CommandChunk = z.object({ at: z.int().min(0), stream: OutputStream, text: z.string() });
export type CommandChunk = z.infer<typeof CommandChunk>;

/** A part of the output of a command. */
export const CommandOutput = CommandState.extend({
  chunks: z.array(CommandChunk),
  /** Offset at which the output continues. */
  next: z.int().min(0),
});
export type CommandOutput = z.infer<typeof CommandOutput>;

/** Ids that the event log records for a command before it is started. */
export const CommandRef = z.object({ id: Id, windowId: Id });
export type CommandRef = z.infer<typeof CommandRef>;

/** The last state of a command that the model knows. Anything newer can be reported to it. */
export const CommandNews = CommandRef.extend({
  line: CommandLine,
  cwd: z.string().max(4096).nullable(),
  state: CommandState.shape.state,
  exitCode: CommandState.shape.exitCode,
  signal: CommandState.shape.signal,
  wallMs: CommandState.shape.wallMs,
  /** Offset up to which the output was sent to the model, in a result or a note. */
  seen: z.int().min(0),
});
export type CommandNews = z.infer<typeof CommandNews>;
