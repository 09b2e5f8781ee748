import { type ChildProcess, execFile, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandChunk, CommandState } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { commandEnvironment, type Shell } from './environment.ts';
import { KeptOutput } from './kept-output.ts';

export interface ProcessOptions {
  readonly shell: Shell;
  readonly line: string;
  /** Absolute. */
  readonly cwd: string;
  /** The editor's own. */
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: string;
  readonly open: boolean;
}

/** Between the polite signal and the one that cannot be refused, milliseconds. */
const graceMs = 2_000;
/** What was started and left behind may finish writing for so long after the command itself has ended. */
const leftBehindMs = 300;
/** Whoever left the process group and still holds an output open is not waited for longer. */
const escapedMs = 1_000;
/** Output is read at most this fast, so that a flood leaves the editor's own work alone: bytes a stretch. */
const stretch = { bytes: 4 * 1024 * 1024, ms: 100 } as const;
/** Input that the command has not read yet, bytes. */
const unreadBytes = 1024 * 1024;

/**
 * Starts the shell as the leader of a process group of its own, beside a guard that waits for descriptor 3
 * to close: when whoever started it is gone, however that came, the guard ends the whole group.
 */
const guarded = `(trap '' HUP INT TERM; read -r _ <&3; kill -KILL -$$) >/dev/null 2>&1 &
exec 3<&-; exec "$1" -c "$2"`;

/** By itself PowerShell answers 0 or 1, whatever the last program said. */
const exitLikeTheLast = '\nif (-not $?) { if ($LASTEXITCODE) { exit $LASTEXITCODE } else { exit 1 } }';

/** One command line with all that it starts. */
export class CommandProcess {
  readonly output = new KeptOutput({ head: limits.commandHeadChars, tail: limits.commandTailChars });
  /** Resolves when the command has ended and its output is there. Never rejects. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #startedAt = performance.now();
  #end: { exitCode: number | null; signal: string | null; wallMs: number } | undefined;
  #failure: string | null = null;
  #stopped = false;
  #news = Promise.withResolvers<void>();
  #taken = { bytes: 0, since: 0 };

  constructor({ shell, line, cwd, env, stdin, open }: ProcessOptions) {
    const windows = shell.name === 'powershell';
    const [program, args] = windows
      ? [shell.path, ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', line + exitLikeTheLast]]
      : ['/bin/sh', ['-c', guarded, 'sh', shell.path, line]];
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

  /** Resolves when there is more output, or the command has ended. */
  get news(): Promise<void> {
    return this.#news.promise;
  }

  /** @returns false where nobody reads: the input is closed, or full of what was not read yet */
  write(text: string, end: boolean): boolean {
    const { stdin } = this.#child;
    if (!stdin?.writable || stdin.writableLength > unreadBytes) return false;
    if (text !== '') stdin.write(text);
    if (end) stdin.end();
    return true;
  }

  /** Ends the command and all that it started; resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#end) return;
    this.#stopped = true;
    this.#signal('SIGTERM');
    await Promise.race([this.ended, sleep(graceMs, undefined, { ref: false })]);
    if (!this.#end) this.#signal('SIGKILL');
    await this.ended;
  }

  /** Ends it at once. */
  kill(): void {
    if (this.#end) return;
    this.#stopped = true;
    this.#signal('SIGKILL');
  }

  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    if (process.platform === 'win32') {
      // Without a console there is no polite way.
      execFile('taskkill', ['/PID', String(pid), '/T', '/F'], { windowsHide: true }, () => undefined);
      return;
    }
    try {
      process.kill(-pid, signal);
    } catch {
      // Nobody is left in the group.
    }
  }

  #read(stream: CommandChunk['stream'], from: Readable | null): void {
    // Decodes characters that arrive in two pieces.
    from?.setEncoding('utf8');
    from?.on('data', (text: string) => {
      this.output.add(stream, text);
      this.#tell();
      this.#slowDown(text.length);
    });
  }

  #slowDown(chars: number): void {
    const now = performance.now();
    if (now - this.#taken.since >= stretch.ms) this.#taken = { bytes: 0, since: now };
    this.#taken.bytes += chars;
    if (this.#taken.bytes < stretch.bytes) return;
    const { stdout, stderr } = this.#child;
    stdout?.pause();
    stderr?.pause();
    setTimeout(() => {
      stdout?.resume();
      stderr?.resume();
    }, stretch.ms);
  }

  #tell(): void {
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
      await Promise.race([drained, sleep(leftBehindMs)]);
      // The guard, and what the command left behind.
      this.#signal('SIGKILL');
      await Promise.race([closed, sleep(escapedMs)]);
      for (const stdio of this.#child.stdio) stdio?.destroy();
    }
    this.#end = { ...end, wallMs };
    this.#tell();
  }

  /** On Windows, another process waits for this one's end: it ends the command when its input closes. */
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
