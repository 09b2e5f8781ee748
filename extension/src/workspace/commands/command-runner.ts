import type { CommandOutput, CommandStart, CommandState } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { refusals } from '../problems.ts';
import { findShell, type Shell } from './environment.ts';
import { CommandProcess } from './process.ts';

/** Number of ended commands whose output is kept. */
const maxEndedWithOutput = 50;
/** Number of ended commands whose final state is kept, so that none is started again under its id. */
const maxEndedStates = 5_000;

/** A command that was started in this window. */
interface StartedCommand {
  readonly conversationId: string;
  readonly process: CommandProcess;
}

/** Options of a `CommandRunner`. */
export interface CommandRunnerOptions {
  /** The editor's environment. Default: the environment of this process. */
  readonly env?: NodeJS.ProcessEnv;
}

/** The commands of a window. Each id stands for one process, however often it is requested. All end with the window. */
export class CommandRunner {
  readonly shell: Shell;
  readonly #env: NodeJS.ProcessEnv;
  /** In order of their start. */
  readonly #commands = new Map<string, StartedCommand>();
  readonly #endedStates = new Map<string, CommandOutput>();
  #disposed = false;

  constructor({ env = process.env }: CommandRunnerOptions = {}) {
    this.#env = env;
    this.shell = findShell(env);
  }

  /**
   * Starts a command, or returns the state of the existing one with this id.
   * @param cwd an absolute path
   * @throws ProblemError `too_many_commands`, `closing`
   */
  start({ commandId, conversationId, line, stdin, open }: CommandStart, cwd: string): CommandState {
    const known = this.#commands.get(commandId)?.process.state ?? this.#endedStates.get(commandId);
    if (known) return known;
    if (this.#disposed) throw refusals.closing();
    const running = [...this.#commands.values()].filter(({ process }) => process.state.state === 'running');
    if (running.length >= limits.commands) throw refusals.tooManyCommands(limits.commands);
    const process = new CommandProcess({ shell: this.shell, line, cwd, env: this.#env, stdin, open });
    this.#commands.set(commandId, { conversationId, process });
    void process.ended.then(() => this.#forgetOld());
    return process.state;
  }

  /** Waits until there is output beyond `after`, the command has ended, or `waitMs` has elapsed. */
  async poll(commandId: string, after: number, waitMs: number, signal?: AbortSignal): Promise<CommandOutput> {
    const end = this.#endedStates.get(commandId);
    if (end) return { ...end, chunks: end.chunks.filter(({ at }) => at >= after) };
    const { process } = this.#find(commandId);
    const { output } = process;
    if (output.next <= after && process.state.state === 'running' && waitMs > 0) {
      const { promise: timedOut, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, waitMs);
      signal?.addEventListener('abort', () => resolve(), { once: true });
      await Promise.race([process.news, timedOut]);
      clearTimeout(timer);
    }
    // Read the state first: all output that precedes the end is then included.
    const { state } = process;
    return { ...state, chunks: output.since(after), next: output.next };
  }

  /**
   * Writes to the command's input, and closes it if `end` is set.
   * @throws ProblemError `not_found`, `input_closed`
   */
  write(commandId: string, text: string, end: boolean): CommandState {
    const { process } = this.#find(commandId);
    if (!process.write(text, end)) throw refusals.inputClosed();
    return process.state;
  }

  /**
   * Stops a command and waits for its end.
   * @throws ProblemError `not_found`
   */
  async stop(commandId: string): Promise<CommandState> {
    const end = this.#endedStates.get(commandId);
    if (end) return end;
    const { process } = this.#find(commandId);
    await process.stop();
    return process.state;
  }

  /** Stops the running commands of a conversation, or all of them. Returns their number. */
  async stopAll(conversationId?: string): Promise<{ stopped: number }> {
    const running = [...this.#commands.values()].filter(
      (command) =>
        (conversationId === undefined || command.conversationId === conversationId) &&
        command.process.state.state === 'running',
    );
    await Promise.all(running.map(({ process }) => process.stop()));
    return { stopped: running.length };
  }

  /** Kills all commands at once. */
  dispose(): void {
    this.#disposed = true;
    for (const { process } of this.#commands.values()) process.kill();
  }

  #find(commandId: string): StartedCommand {
    const command = this.#commands.get(commandId);
    if (!command) throw refusals.noCommand();
    return command;
  }

  #forgetOld(): void {
    const ended = [...this.#commands].filter(([, { process }]) => process.state.state === 'ended');
    for (const [id, { process }] of ended.slice(0, -maxEndedWithOutput)) {
      this.#commands.delete(id);
      this.#endedStates.set(id, { ...process.state, chunks: [], next: process.output.next });
    }
    for (const id of this.#endedStates.keys()) {
      if (this.#endedStates.size <= maxEndedStates) break;
      this.#endedStates.delete(id);
    }
  }
}
