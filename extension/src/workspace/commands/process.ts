import { type ChildProcess, execFile, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandChunk, CommandState } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { commandEnvironment, type Shell } from './environment.ts';
import { KeptOutput } from './kept-output.ts';

/** Options of a `CommandProcess`. */
export interface ProcessOptions {
  readonly shell: Shell;
  readonly line: string;
  /** An absolute path. */
  readonly cwd: string;
  /** The editor's environment. */
  readonly env: NodeJS.ProcessEnv;
  /** Initial input. */
  readonly stdin: string;
  /** Whether the input stays open for further writes. */
  readonly open: boolean;
}

/** Time between SIGTERM and SIGKILL, in milliseconds. */
const graceMs = 2_000;
/** Time that background processes may go on writing after the command has ended, in milliseconds. */
const backgroundMs = 300;
/** Maximum wait for processes that left the process group and hold an output open, in milliseconds. */
const escapedMs = 1_000;
/** Maximum rate at which output is read, so that a flood does not block the editor: bytes per interval. */
const readRate = { bytes: 4 * 1024 * 1024, ms: 100 } as const;
/** Maximum input that the command has not read yet, in bytes. */
const maxUnreadBytes = 1024 * 1024;

/**
 * Script that starts the shell as leader of its own process group, next to a guard that waits for descriptor 3 to
 * close. When the parent is gone, for whatever reason, the guard kills the whole group.
 */
const guardScript = `(trap '' HUP INT TERM; read -r _ <&3; kill -KILL -$$) >/dev/null 2>&1 &
exec 3<&-; exec "$1" -c "$2"`;

/** PowerShell script suffix that passes on the last program's exit code. By default PowerShell exits with 0 or 1. */
const exitCodeSuffix = '\nif (-not $?) { if ($LASTEXITCODE) { exit $LASTEXITCODE } else { exit 1 } }';

/** A command line and all processes that it starts. */
export class CommandProcess {
  readonly output = new KeptOutput({ head: limits.commandHeadChars, tail: limits.commandTailChars });
  /** Resolves when the command has ended and its output is complete. Never rejects. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #startedAt = performance.now();
  #end: { exitCode: number | null; signal: string | null; wallMs: number } | undefined;
  #failure: string | null = null;
  #stopped = false;
  #news = Promise.withResolvers<void>();
  #readInInterval = { bytes: 0, since: 0 };

  constructor({ shell, line, cwd, env, stdin, open }: ProcessOptions) {
    const windows = shell.name === 'powershell';
    const [program, args] = windows
      ? [shell.path, ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', line + exitCodeSuffix]]
      : ['/bin/sh', ['-c', guardScript, 'sh', shell.path, line]];
    this.#child = spawn(program, args, {
      cwd,
      env: commandEnvironment(env),
      // Descriptor 3 belongs to the guard.
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: !windows,
      windowsHide: true,
    });
    const { pid } = this.#child;
    if (windows && pid !== undefined) this.#watch(pid);
    for (const stdio of this.#child.stdio) stdio?.on('error', () => undefined);
    this.#read('stdout', this.#child.stdout);
    this.#read('stderr', this.#child.stderr);
    if (stdin !== '') this.#child.stdin?.write(stdin);
    if (!open) this.#child.stdin?.end();
    this.ended = this.#untilEnded();
  }

  get state(): CommandState {
    const { exitCode = null, signal = null, wallMs = performance.now() - this.#startedAt } = this.#end ?? {};
    const state = this.#end ? 'ended' : 'running';
    return { state, exitCode, signal, stopped: this.#stopped, failure: this.#failure, wallMs };
  }

  /** Resolves when there is more output or the command has ended. */
  get news(): Promise<void> {
    return this.#news.promise;
  }

  /** Writes to the input. Returns false if the input is closed or its buffer is full. */
  write(text: string, end: boolean): boolean {
    const { stdin } = this.#child;
    if (!stdin?.writable || stdin.writableLength > maxUnreadBytes) return false;
    if (text !== '') stdin.write(text);
    if (end) stdin.end();
    return true;
  }

  /** Ends the command and all its processes. Resolves when they are gone. */
  async stop(): Promise<void> {
    if (this.#end) return;
    this.#stopped = true;
    this.#signal('SIGTERM');
    await Promise.race([this.ended, sleep(graceMs, undefined, { ref: false })]);
    if (!this.#end) this.#signal('SIGKILL');
    await this.ended;
  }

  /** Kills the command at once. */
  kill(): void {
    if (this.#end) return;
    this.#stopped = true;
    this.#signal('SIGKILL');
  }

  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    if (process.platform === 'win32') {
      // Without a console, Windows has no signal that asks a process to exit.
      execFile('taskkill', ['/PID', String(pid), '/T', '/F'], { windowsHide: true }, () => undefined);
      return;
    }
    try {
      process.kill(-pid, signal);
    } catch {
      // The group is empty.
    }
  }

  #read(stream: CommandChunk['stream'], source: Readable | null): void {
    // The decoder handles characters that are split over two chunks.
    source?.setEncoding('utf8');
    source?.on('data', (text: string) => {
      this.output.add(stream, text);
      this.#notify();
      this.#slowDown(text.length);
    });
  }

  #slowDown(chars: number): void {
    const now = performance.now();
    if (now - this.#readInInterval.since >= readRate.ms) this.#readInInterval = { bytes: 0, since: now };
    this.#readInInterval.bytes += chars;
    if (this.#readInInterval.bytes < readRate.bytes) return;
    const { stdout, stderr } = this.#child;
    stdout?.pause();
    stderr?.pause();
    setTimeout(() => {
      stdout?.resume();
      stderr?.resume();
    }, readRate.ms);
  }

  #notify(): void {
    const { resolve } = this.#news;
    this.#news = Promise.withResolvers();
    resolve();
  }

  async #untilEnded(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    const end = await new Promise<{ exitCode: number | null; signal: string | null }>((resolve) => {
      this.#child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
      this.#child.once('error', (error) => {
        this.#failure = error.message.slice(0, 1_000);
        resolve({ exitCode: null, signal: null });
      });
    });
    const wallMs = performance.now() - this.#startedAt;
    if (this.#failure === null) {
      const { stdout, stderr } = this.#child;
      const drained = Promise.all([stdout, stderr].map((from) => from && untilClosed(from)));
      await Promise.race([drained, sleep(backgroundMs)]);
      // Kill the guard and the processes that the command left behind.
      this.#signal('SIGKILL');
      await Promise.race([closed, sleep(escapedMs)]);
      for (const stdio of this.#child.stdio) stdio?.destroy();
    }
    this.#end = { ...end, wallMs };
    this.#notify();
  }

  /** Starts a watchdog on Windows: a process that kills the command when its own input closes with this process. */
  #watch(pid: number): void {
    const script = `process.stdin.resume().on('close',()=>require('child_process').spawnSync('taskkill',['/PID','${pid}','/T','/F']))`;
    const guard = spawn(process.execPath, ['-e', script], {
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      windowsHide: true,
    });
    guard.on('error', () => undefined);
    guard.stdin.on('error', () => undefined);
    this.#child.once('exit', () => guard.kill());
  }
}

function untilClosed(stream: Readable): Promise<void> {
  return stream.closed ? Promise.resolve() : new Promise((resolve) => stream.once('close', () => resolve()));
}
