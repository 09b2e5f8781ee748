import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import spawn from 'cross-spawn';
import type { Target } from './config.ts';
import { maxMessageBytes, tooLarge } from './http.ts';

/** What may wait for a server that does not read, bytes. */
const maxUnsentBytes = 2 * maxMessageBytes;
/** Lines on its output that are no messages; a server that prints more is ended. */
const maxBadLines = 1_000;
/** What is kept of its error output, UTF-16 code units. */
const keptErrorChars = 4_000;
/** How long it may take over its end before it is killed, milliseconds. */
const endMs = 1_000;

/**
 * A server as a child process that speaks through its standard streams. Unlike the SDK's own transport
 * it ends all that the process started, and not only the process. It sees of the environment what the
 * SDK thinks harmless (PATH, HOME and the like) and what its configuration names.
 */
export class ProcessTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Why it had to be ended, in words that go on from its name. */
  fault: string | undefined;
  readonly #target: Extract<Target, { kind: 'stdio' }>;
  readonly #buffer = new ReadBuffer({ maxBufferSize: maxMessageBytes });
  #process: ChildProcess | undefined;
  #badLines = 0;
  #errors = '';

  constructor(target: Extract<Target, { kind: 'stdio' }>) {
    this.#target = target;
  }

  /** The end of what it printed on its error output. */
  get errorOutput(): string {
    return this.#errors;
  }

  async start(): Promise<void> {
    const { command, args, env, cwd } = this.#target;
    const child = spawn(command, [...args], {
      cwd,
      env: { ...getDefaultEnvironment(), ...env },
      stdio: 'pipe',
      shell: false,
      windowsHide: true,
      // A group of its own, so that it can be ended with all that it starts.
      detached: process.platform !== 'win32',
    });
    // Before anything is thrown: where there are too many files open, it has no streams and fails.
    child.on('error', (error) => this.onerror?.(error));
    const { stdin, stdout, stderr } = child;
    if (!stdin || !stdout || !stderr) throw new Error('it has no streams');
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

  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#process?.stdin;
    if (!stdin?.writable) throw new Error('it has ended');
    if (stdin.writableLength > maxUnsentBytes) throw new Error('it does not read what it is sent');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    stdin.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
    await promise;
  }

  async close(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    const closed = once(child, 'close').catch(() => undefined);
    child.stdin?.end();
    for (const signal of [null, 'SIGTERM', 'SIGKILL'] as const) {
      if (signal) await killTree(child, signal);
      const ended = await Promise.race([closed.then(() => true), sleep(endMs, false, { ref: false })]);
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
        // Some print a word or two of their own.
        this.#badLines++;
        if (this.#badLines <= maxBadLines) continue;
        this.#giveUp('prints what is no JSON-RPC');
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

/** Signals a process and all that it started. One that has gone already is no failure. */
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
    // Nothing is left of it.
  }
}
