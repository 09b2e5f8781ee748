import type {
  CommandChunk,
  CommandNews,
  CommandOutput,
  CommandRef,
  CommandShell,
  CommandStart,
  CommandState,
} from '@devlm/protocol/commands.ts';
import { shownText } from '@devlm/workspace-core/shown-text.ts';

/**
 * Commands in the editor windows of a project. A command stays with the window that started it. If that window does not
 * come back, all calls for the command fail with `editor_gone`.
 */
export interface Commands {
  /** Id of the window that new commands are started in. */
  readonly windowId: string;
  /** Shell of that window. */
  readonly shell: CommandShell;
  /** Returns whether the window can be asked now, without waiting for it. */
  isOpen(windowId: string): boolean;
  /** Starts a command, or returns the state of the command that already has this id. */
  start(windowId: string, request: CommandStart, signal: AbortSignal): Promise<CommandState>;
  /** Returns the output after a position. Waits up to `waitMs` milliseconds for more. */
  poll(
    windowId: string,
    request: { commandId: string; after: number; waitMs: number },
    signal: AbortSignal,
  ): Promise<CommandOutput>;
  /** Writes to the standard input of a command; `end` closes it. */
  write(
    windowId: string,
    request: { commandId: string; text: string; end: boolean },
    signal: AbortSignal,
  ): Promise<CommandState>;
  /** Stops a command. Returns its state. */
  stop(windowId: string, request: { commandId: string }, signal: AbortSignal): Promise<CommandState>;
}

/**
 * Returns what the model knows about a command.
 * @param seen position up to which the model has seen the output
 */
export function newsOf(
  command: CommandRef & Pick<CommandNews, 'line' | 'cwd'>,
  { state, exitCode, signal, wallMs }: CommandState,
  seen: number,
): CommandNews {
  const { id, windowId, line, cwd } = command;
  return { id, windowId, line, cwd, state, exitCode, signal, wallMs, seen };
}

/** Describes the state of a command, as the predicate of a sentence. */
export function stateWords({ state, exitCode, signal, stopped, failure, wallMs }: CommandState): string {
  const duration = `(${(wallMs / 1000).toFixed(1)} s)`;
  if (state === 'running') return `is still running ${duration}`;
  if (failure !== null) return `could not be started: ${failure}`;
  const outcome = signal === null ? `ended with exit code ${exitCode}` : `was terminated by ${signal}`;
  return stopped ? `was stopped and ${outcome} ${duration}` : `${outcome} ${duration}`;
}

/** Describes the output of a command for the model: both streams, and how many characters are missing. */
export function outputWords({ chunks, next }: Pick<CommandOutput, 'chunks' | 'next'>, after = 0): string {
  const parts: string[] = [];
  for (const stream of ['stdout', 'stderr'] as const) {
    const text = shownText(textOf(chunks, stream));
    if (text.trim() !== '') parts.push(`${stream}:\n${text.trimEnd()}`);
  }
  const missingChars = next - after - chunks.reduce((sum, { text }) => sum + text.length, 0);
  if (missingChars > 0) parts.push(`(${missingChars} characters in between were omitted.)`);
  return parts.length === 0 ? 'It printed nothing.' : parts.join('\n');
}

/** Returns one stream of an output whose middle may be missing. */
function textOf(chunks: readonly CommandChunk[], stream: CommandChunk['stream']): string {
  const gap = chunks.findIndex(({ at }, i) => {
    const before = chunks[i - 1];
    return before !== undefined && before.at + before.text.length < at;
  });
  const join = (part: readonly CommandChunk[]) =>
    part
      .filter((chunk) => chunk.stream === stream)
      .map((chunk) => chunk.text)
      .join('');
  if (gap < 0) return join(chunks);
  // A word cut by the gap may be half a credential, which would not be recognized, so it is removed.
  const before = join(chunks.slice(0, gap)).replace(/\S{8,400}$/, '');
  const after = join(chunks.slice(gap)).replace(/^\S{8,400}/, '');
  return [before, after].filter((part) => part !== '').join('\n[...]\n');
}
