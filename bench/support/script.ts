import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server in a process of its own. */
export interface Peer extends AsyncDisposable {
  readonly url: string;
}

/** A script of this repository that prints its address and possibly further lines. */
export interface Script extends Peer {
  /** Returns the next line of output. Rejects after 20 seconds. */
  next(): Promise<string>;
}

/** Starts a script and reads its address. Further lines are buffered until they are read. */
export async function startScript(file: URL, ...args: string[]): Promise<Script> {
  const child = spawn(process.execPath, [file.pathname, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const late = sleep(20_000, { done: true } as const, { ref: false });
    const line = await Promise.race([lines.next(), late]);
    if (line.done) throw new Error(`${file.pathname} says nothing.`);
    return line.value;
  };
  return { url: await next(), next, [Symbol.asyncDispose]: () => end(child) };
}

/** Kills a process and waits for its exit. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
