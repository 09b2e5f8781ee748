import { stripVTControlCharacters } from 'node:util';
import type {
  CommandChunk,
  CommandNews,
  CommandOutput,
  CommandRef,
  CommandShell,
  CommandStart,
  CommandState,
} from '@devlm/protocol/commands.ts';

/**
 * What runs commands: the editor windows of a project. A command stays with the window that started it;
 * where that one has gone for good, everything here fails with `editor_gone`.
 */
export interface Commands {
  /** The window that a new command is started in. */
  readonly windowId: string;
  readonly shell: CommandShell;
  /** Whether this window can be asked now, without waiting for it. */
  isOpen(windowId: string): boolean;
  /** Starts a command, or answers how the one with this id is doing. */
  start(windowId: string, asked: CommandStart, signal: AbortSignal): Promise<CommandState>;
  poll(
    windowId: string,
    asked: { commandId: string; after: number; waitMs: number },
    signal: AbortSignal,
  ): Promise<CommandOutput>;
  write(
    windowId: string,
    asked: { commandId: string; text: string; end: boolean },
    signal: AbortSignal,
  ): Promise<CommandState>;
  stop(windowId: string, asked: { commandId: string }, signal: AbortSignal): Promise<CommandState>;
}

/** What the model is told of a command from now on. */
export function newsOf(
  what: CommandRef & Pick<CommandNews, 'line' | 'cwd'>,
  { state, exitCode, signal, wallMs }: CommandState,
  seen: number,
): CommandNews {
  const { id, windowId, line, cwd } = what;
  return { id, windowId, line, cwd, state, exitCode, signal, wallMs, seen };
}

/** How a command is doing, as the beginning of a sentence about it. */
export function stateWords({ state, exitCode, signal, stopped, failure, wallMs }: CommandState): string {
  const took = `(${(wallMs / 1000).toFixed(1)} s)`;
  if (state === 'running') return `is still running ${took}`;
  if (failure !== null) return `could not be started: ${failure}`;
  const how = signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`;
  return stopped ? `was stopped and ${how} ${took}` : `${how} ${took}`;
}

/** Both streams for the model, and what is missing of them. */
export function outputWords({ chunks, next }: Pick<CommandOutput, 'chunks' | 'next'>, after = 0): string {
  const parts: string[] = [];
  for (const stream of ['stdout', 'stderr'] as const) {
    const text = readable(textOf(chunks, stream));
    if (text.trim() !== '') parts.push(`${stream}:\n${text.trimEnd()}`);
  }
  const missing = next - after - chunks.reduce((sum, { text }) => sum + text.length, 0);
  if (missing > 0) parts.push(`(${missing} characters in between were left out.)`);
  return parts.length === 0 ? 'It printed nothing.' : parts.join('\n');
}

/** What a terminal would show of a text: no colours, no control characters, and of a line that was written over its last state. */
export function readable(text: string): string {
  const lines = stripVTControlCharacters(text).split('\n');
  const last = (line: string) => line.slice(line.lastIndexOf('\r') + 1);
  return (
    lines
      .map((line) => last(line.endsWith('\r') ? line.slice(0, -1) : line))
      .join('\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed.
      .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '')
  );
}

/** One stream of an output whose middle may be missing. */
function textOf(chunks: readonly CommandChunk[], stream: CommandChunk['stream']): string {
  const gap = chunks.findIndex(({ at }, i) => {
    const before = chunks[i - 1];
    return before !== undefined && before.at + before.text.length < at;
  });
  const text = (part: readonly CommandChunk[]) =>
    part
      .filter((chunk) => chunk.stream === stream)
      .map((chunk) => chunk.text)
      .join('');
  if (gap < 0) return text(chunks);
  // A word that the gap has cut may be half a credential, which nobody would recognise.
  const before = text(chunks.slice(0, gap)).replace(/\S{8,400}$/, '');
  const after = text(chunks.slice(gap)).replace(/^\S{8,400}/, '');
  return [before, after].filter((part) => part !== '').join('\n[...]\n');
}
