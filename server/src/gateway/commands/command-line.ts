import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type * as z from 'zod';
import { type Config, readConfig } from '../../config.ts';
import { claimDataDir, openStore } from '../../context.ts';
import { deriveKey, readDataKey } from '../../data-key.ts';
import type { Store } from '../../storage/ports/store.ts';

/** A command of `devlm`. It goes through the running server, which then knows of the change, or else directly to the store. */
export interface Command {
  readonly help: string;
  /** Runs the command with the arguments after its name. @throws ProblemError */
  run(args: readonly string[], terminal: Terminal): Promise<void>;
}

/** Input and output of a command. */
export interface Terminal {
  readonly input: AsyncIterable<Buffer>;
  readonly print: (text: string) => void;
}

/** Definition of an option with a string value. */
export const word = { type: 'string' } as const;
/** Definition of an option without a value. */
export const yes = { type: 'boolean', default: false } as const;

const common = { json: yes, 'data-dir': word } as const;

/**
 * Parses a command's own options and those common to all commands: --json and --data-dir.
 * @param command name of the command
 * @throws ProblemError `usage`, `config_invalid`
 */
export function readCommandLine<const O extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  args: readonly string[],
  terminal: Terminal,
  options: O,
) {
  const call = new Invocation(command, args, terminal);
  try {
    const all = { ...options, ...common };
    const { values, positionals } = parseArgs({ args: [...args], strict: true, allowPositionals: true, options: all });
    return { call, values, positionals };
  } catch (error) {
    throw call.wrong(error instanceof Error ? (error.message.split('. ')[0] ?? '') : '');
  }
}

/** One invocation of a command, with its data folder and output. */
export class Invocation {
  readonly config: Config;
  readonly terminal: Terminal;
  readonly #command: string;
  readonly #json: boolean;

  constructor(command: string, args: readonly string[], terminal: Terminal) {
    this.#command = command;
    this.terminal = terminal;
    const { json, 'data-dir': dataDir } = parseArgs({ args: [...args], strict: false, options: common }).values;
    this.#json = json === true;
    this.config = readConfig(typeof dataDir === 'string' ? ['--data-dir', dataDir] : []);
  }

  /** Prints a value, as JSON if `--json` was given and as text otherwise. */
  say(value: unknown, words: string): void {
    this.terminal.print(this.#json ? `${JSON.stringify(value, null, 2)}\n` : words);
  }

  /** Creates the error `usage`. */
  wrong(why = 'unknown command'): ProblemError {
    const detail = `devlm ${this.#command}: ${why}. Run "devlm ${this.#command} --help" for usage.`;
    return new ProblemError({ code: 'usage', status: 400, title: 'Invalid command line', detail });
  }

  /** Validates command-line input with a schema. @throws ProblemError `usage` */
  check<S extends z.ZodType>(schema: S, words: unknown): z.output<S> {
    const { data, error } = schema.safeParse(words);
    if (!error) return data;
    const issues = error.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`);
    throw this.wrong(issues.join('; '));
  }

  /** Runs work on the store of a data folder that no server holds. */
  async withStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const { config } = this;
    using lock = claimDataDir(config.dataDir);
    if (!lock) throw this.wrong('the server of this data folder does not respond yet; try again in a moment');
    const store = await openStore(config, deriveKey(readDataKey(config.dataDir, config.dataKey), 'store'));
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }
}
