import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Returns whether a command needs a shell: `npm` is a shell script on Windows. */
const needsShell = (command: string) => process.platform === 'win32' && command === 'npm';

/** Options of `run`. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Whether to show the output while the program runs instead of collecting it. */
  readonly inherit?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Result of a program. */
export interface RunResult {
  /** Exit code; 1 if the program did not start or was ended by a signal. */
  readonly code: number;
  /** Output of both streams, in the order received; empty with `inherit`. */
  readonly output: string;
}

/** Runs a program to its end. Never throws: if the program does not start, the result has a code and the reason. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: options.inherit ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    shell: needsShell(command),
    signal: options.signal,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  try {
    const [code] = await once(child, 'close');
    return { code: typeof code === 'number' ? code : 1, output };
  } catch (error) {
    return { code: 1, output: `${output}${command}: ${error instanceof Error ? error.message : error}\n` };
  }
}

/** Runs a program and returns its output. @throws if the exit code is not 0, with the end of the output */
export async function mustRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, output } = await run(command, args, options);
  if (code === 0) return output;
  throw new Error(`${command} ${args.join(' ')} ended with code ${code}.\n${output.slice(-4000)}`);
}

/** Ends a process that was started with `detached`, and its descendants. Kills them after 3 seconds. */
export async function endTree(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  const pid = child.pid;
  const kill = (signal: NodeJS.Signals) => {
    try {
      if (process.platform === 'win32') child.kill(signal);
      else process.kill(-pid, signal);
    } catch {
      // The process has already ended.
    }
  };
  const ended = child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : once(child, 'exit');
  kill('SIGTERM');
  await Promise.race([ended, sleep(3000, undefined, { ref: false })]);
  kill('SIGKILL');
}
