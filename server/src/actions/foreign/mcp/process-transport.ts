import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import spawn from 'cross-spawn';
import type { ServerTarget } from './config.ts';
import { maxMessageBytes, tooLarge } from './http.ts';

/** Maximum amount of data that waits for a server that does not read, in bytes. */
const maxUnsentBytes = 2 * maxMessageBytes;
/** Maximum number of output lines that are not messages. A server that prints more is killed. */
const maxBadLines = 1_000;
/** Length of the end of the error output that is kept, in UTF-16 code units. */
const keptErrorChars = 4_000;
/** Time for the process to end before each stronger signal, in milliseconds. */
const endTimeoutMs = 1_000;

/**
 * A transport to a server that runs as a child process and communicates over its standard streams. Unlike the SDK's own
 * transport, it ends the whole process tree. The server sees only the environment variables that the SDK considers
 * harmless (such as PATH and HOME) and those in its configuration.
 */
export class ProcessTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Why the server had to be killed, worded to follow its name. */
  fault: string | undefined;
  readonly #target: Extract<ServerTarget, { kind: 'stdio' }>;
  readonly #buffer = new ReadBuffer({ maxBufferSize: maxMessageBytes });
  #process: ChildProcess | undefined;
  #badLines = 0;
  #errors = '';

  constructor(target: Extract<ServerTarget, { kind: 'stdio' }>) {
    this.#target = target;
  }

  /** The end of its error output. */
  get errorOutput(): string {
    return this.#errors;
  }

  /** Starts the process. @throws Error if it cannot be started */
  async start(): Promise<void> {
    const { command, args, env, cwd } = this.#target;
    const child = spawn(command, [...args], {
      cwd,
      env: { ...getDefaultEnvironment(), ...env },
      stdio: 'pipe',
      shell: false,
      windowsHide: true,
      // A separate process group, so that the whole tree can be ended.
      detached: process.platform !== 'win32',
    });
    // Registered before anything is thrown: with too many open files, the process has no streams and fails.
    child.on('error', (error) => this.onerror?.(error));
    const { stdin, stdout, stderr } = child;
    if (!stdin || !stdout || !stderr) throw new Error('the process has no streams');
    this.#process = child;
    child.on('exit', () => void killTree(child, 'SIGKILL'));
    child.on('close', () => {
      this.#process = undefined;
      this.onclose?.();
    });
    for (const stream of [stdin, stdout, stderr]) stream.on('error', (error: Error) => this.onerror?.(error));
    stdout.on('data', (chunk: Buffer) => this.#read(chunk));
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-keptErrorChars);
    });
    await once(child, 'spawn');
  }

  /** Sends a message. @throws Error if the process has ended or does not read */
  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#process?.stdin;
    if (!stdin?.writable) throw new Error('the process has ended');
    if (stdin.writableLength > maxUnsentBytes) throw new Error('the process does not read its input');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    stdin.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
    await promise;
  }

  /** Ends the process tree: first by closing its input, then with SIGTERM, then with SIGKILL. */
  async close(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    const closed = once(child, 'close').catch(() => undefined);
    child.stdin?.end();
    for (const signal of [null, 'SIGTERM', 'SIGKILL'] as const) {
      if (signal) await killTree(child, signal);
      const ended = await Promise.race([closed.then(() => true), sleep(endTimeoutMs, false, { ref: false })]);
      if (ended) return;
    }
  }

  #read(chunk: Buffer): void {
    try {
      this.#buffer.append(chunk);
    } catch {
      this.#giveUp(tooLarge);
      return;
    }
    for (;;) {
      let message: JSONRPCMessage | null;
      try {
        message = this.#buffer.readMessage();
      } catch {
        // Some servers print lines that are not messages.
        this.#badLines++;
        if (this.#badLines <= maxBadLines) continue;
        this.#giveUp('prints output that is not JSON-RPC');
        return;
      }
      if (message === null) return;
      this.onmessage?.(message);
    }
  }

  #giveUp(fault: string): void {
    this.fault = fault;
    const child = this.#process;
    if (!child) return;
    child.stdout?.removeAllListeners('data').resume();
    void killTree(child, 'SIGKILL');
  }
}

/** Sends a signal to a process and all its descendants. Does nothing if the process has already ended. */
async function killTree(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  if (process.platform === 'win32') {
    await new Promise((resolve) => execFile('taskkill', ['/pid', String(pid), '/T', '/F'], () => resolve(undefined)));
    return;
  }
  try {
    process.kill(-pid, signal);
  } catch {
    // The process group no longer exists.
  }
}
