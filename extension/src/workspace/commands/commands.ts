import type { CommandOutput, CommandStart, CommandState } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { refusals } from '../problems.ts';
import { findShell, type Shell } from './environment.ts';
import { CommandProcess } from './process.ts';

/** Ended commands whose output is kept. */
const keptEnded = 50;
/** Ended commands of which only the end is kept, so that none is started again under its id. */
const keptEnds = 5_000;

interface Command {
  readonly conversationId: string;
  readonly process: CommandProcess;
}

export interface CommandsOptions {
  /** The editor's environment. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
}

/** The commands of a window. Each id stands for one process, whatever is asked how often; all end with the window. */
export class Commands {
  readonly shell: Shell;
  readonly #env: NodeJS.ProcessEnv;
  /** In the order of their start. */
  readonly #commands = new Map<string, Command>();
  readonly #ends = new Map<string, CommandOutput>();
  #disposed = false;

  constructor({ env = process.env }: CommandsOptions = {}) {
    this.#env = env;
    this.shell = findShell(env);
  }

  /**
   * Starts a command, or answers how the one with this id is doing.
   * @param cwd an absolute path
   * @throws ProblemError `too_many_commands`, `closing`
   */
  start({ commandId, conversationId, line, stdin, open }: CommandStart, cwd: string): CommandState {
    const known = this.#commands.get(commandId)?.process.state ?? this.#ends.get(commandId);
    if (known) return known;
    if (this.#disposed) throw refusals.closing();
    const running = [...this.#commands.values()].filter(({ process }) => process.state.state === 'running');
    if (running.length >= limits.commands) throw refusals.tooManyCommands(limits.commands);
    const process = new CommandProcess({ shell: this.shell, line, cwd, env: this.#env, stdin, open });
    this.#commands.set(commandId, { conversationId, process });
    void process.ended.then(() => this.#forgetOld());
    return process.state;
  }

  /** Waits until there is output beyond `after`, or the command has ended, or the time is over. */
  async poll(commandId: string, after: number, waitMs: number, signal?: AbortSignal): Promise<CommandOutput> {
    const end = this.#ends.get(commandId);
    if (end) return { ...end, chunks: end.chunks.filter(({ at }) => at >= after) };
    const { process } = this.#find(commandId);
    const { output } = process;
    if (output.next <= after && process.state.state === 'running' && waitMs > 0) {
      const { promise: enough, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, waitMs);
      signal?.addEventListener('abort', () => resolve(), { once: true });
      await Promise.race([process.news, enough]);
      clearTimeout(timer);
    }
    // The state first: what is printed until the end comes before it.
    const { state } = process;
    return { ...state, chunks: output.since(after), next: output.next };
  }

  /** @throws ProblemError `not_found`, `input_closed` */
  write(commandId: string, text: string, end: boolean): CommandState {
    const { process } = this.#find(commandId);
    if (!process.write(text, end)) throw refusals.inputClosed();
    return process.state;
  }

  /** @throws ProblemError `not_found` */
  async stop(commandId: string): Promise<CommandState> {
    const end = this.#ends.get(commandId);
    if (end) return end;
    const { process } = this.#find(commandId);
    await process.stop();
    return process.state;
  }

  /** Stops what runs, of a conversation or of all; answers how many that were. */
  async stopAll(conversationId?: string): Promise<{ stopped: number }> {
    const running = [...this.#commands.values()].filter(
      (command) =>
        (conversationId === undefined || command.conversationId === conversationId) &&
        command.process.state.state === 'running',
    );
    await Promise.all(running.map(({ process }) => process.stop()));
    return { stopped: running.length };
  }

  /** Ends everything at once. */
  dispose(): void {
    this.#disposed = true;
    for (const { process } of this.#commands.values()) process.kill();
  }

  #find(commandId: string): Command {
    const command = this.#commands.get(commandId);
    if (!command) throw refusals.noCommand();
    return command;
  }

  #forgetOld(): void {
    const ended = [...this.#commands].filter(([, { process }]) => process.state.state === 'ended');
    for (const [id, { process }] of ended.slice(0, -keptEnded)) {
      this.#commands.delete(id);
      this.#ends.set(id, { ...process.state, chunks: [], next: process.output.next });
    }
    for (const id of this.#ends.keys()) {
      if (this.#ends.size <= keptEnds) break;
      this.#ends.delete(id);
    }
  }
}
