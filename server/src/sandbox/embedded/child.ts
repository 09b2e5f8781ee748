import { type ChildProcess, spawn } from 'node:child_process';
import { join, parse } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import type { ChildSettings, JobHead } from './child/frames.ts';
import { guestPackages } from './child/guest-packages.ts';
import { FrameReader } from './frame-reader.ts';
import type { ChildFiles } from './paths.ts';
import { childEnv, dismissGuard, type Mount, type Wall } from './wall.ts';

/** Options of a `Child`. */
export interface ChildOptions {
  readonly node: string;
  readonly wall: Wall;
  readonly files: ChildFiles;
  readonly runtime: ChildSettings['runtime'];
  readonly typescript: boolean;
  /** Folders of the runtime's packages, by package name. */
  readonly packages: ReadonlyMap<string, string>;
  /** Snapshot file that the interpreter starts from. If it is null, a Python child creates a snapshot and exits. */
  readonly snapshot: string | null;
  /** Maximum WebAssembly memory, including the interpreter's own, in MiB. */
  readonly wasmMb: number;
}

const Ready = z.object({ version: z.string().max(200), networkDenied: z.boolean() });
const Ended = z.object({
  exitCode: z.int().min(0).max(255),
  outOfMemory: z.boolean(),
  artifactsTruncated: z.boolean(),
  cpuMs: z.number().min(0).max(1e9),
  peakMemoryBytes: z
    .number()
    .int()
    .min(0)
    .max(2 ** 45),
});
const ArtifactName = z.object({ path: z.string().min(1).max(1024) });
/** Final report of a child on its program. */
export type Ended = z.infer<typeof Ended>;

/** Receiver of a child's output and artifacts. */
export interface ChildListener {
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  artifact(path: string, data: Uint8Array): void;
}

/** Exit code or signal of a process. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Maximum length of a child's error output that is kept, in characters. */
const maxComplaintChars = 8192;
/** Maximum JavaScript heap of a child, in MiB. Programs use WebAssembly memory instead. */
const oldSpaceMb = 96;

/** A process with an interpreter for a single program. All of its output is untrusted. */
export class Child {
  readonly ready: Promise<z.infer<typeof Ready>>;
  /** Settles when the process has exited. Never rejects. */
  readonly exited: Promise<Exit>;
  readonly snapshot: Promise<Uint8Array>;
  readonly #process: ChildProcess;
  readonly #ended = Promise.withResolvers<Ended>();
  #listener: ChildListener | null = null;
  #complaints = '';
  #dead = false;
  /** Protocol violation for which the child was killed, or null. */
  #violation: string | null = null;
  #isReady = false;

  constructor(options: ChildOptions) {
    const [file = '', ...args] = childCommand(options);
    this.#process = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: childEnv(),
      cwd: parse(options.node).root,
      windowsHide: true,
    });
    const exit = Promise.withResolvers<Exit>();
    this.exited = exit.promise;
    this.#process.on('error', (error) => {
      this.#complain(error.message);
      if (this.#process.pid === undefined) exit.resolve({ code: null, signal: null });
    });
    this.#process.on('exit', () => dismissGuard(this.#process));
    // Not `exit`, because `close` comes after all data in the pipes.
    this.#process.on('close', (code, signal) => exit.resolve({ code, signal }));
    void this.exited.then(() => {
      this.#dead = true;
    });

    const ready = Promise.withResolvers<z.infer<typeof Ready>>();
    const snapshot = Promise.withResolvers<Uint8Array>();
    this.ready = ready.promise;
    ready.promise.then(() => {
      this.#isReady = true;
    }, ignore);
    this.snapshot = snapshot.promise;
    void this.exited.then(({ code, signal }) => {
      const why = new Error(`the runtime ended (${signal ?? code}): ${this.complaints}`);
      for (const waiting of [ready, snapshot, this.#ended]) waiting.reject(why);
    });
    for (const waiting of [ready, snapshot, this.#ended]) waiting.promise.catch(ignore);

    const reader = new FrameReader(options.snapshot === null && options.runtime === 'python', {
      ready: (value) => ready.resolve(Ready.parse(value)),
      snapshot: (data) => snapshot.resolve(data),
      output: (stream, data) => this.#listening().output(stream, data),
      artifact: (head, data) => this.#listening().artifact(ArtifactName.parse(head).path, data),
      ended: (value) => this.#ended.resolve(Ended.parse(value)),
    });
    for (const pipe of this.#process.stdio) pipe?.on('error', ignore);
    this.#out.on('data', (data: Buffer) => {
      if (this.#violation !== null) return;
      try {
        reader.push(data);
      } catch (error) {
        this.#violation = error instanceof Error ? error.message : 'invalid output';
        this.kill();
      }
    });
    this.#process.stderr?.on('data', (data: Buffer) => this.#complain(data.toString()));
  }

  get pid(): number | undefined {
    return this.#dead ? undefined : this.#process.pid;
  }

  /** Output of Node itself, most likely the cause of a crash. */
  get complaints(): string {
    return this.#complaints.trim();
  }

  /** Protocol violation for which the child was killed, or null. */
  get violation(): string | null {
    return this.#violation;
  }

  /** Whether the interpreter is loaded. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get alive(): boolean {
    return !this.#dead && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Sends the child its program. Resolves when the child reports its end; rejects if the child dies first. */
  run(head: JobHead, contents: readonly Uint8Array[], listener: ChildListener): Promise<Ended> {
    this.#listener = listener;
    const json = Buffer.from(JSON.stringify(head));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(json.length);
    this.#in.write(Buffer.concat([length, json]));
    for (const data of contents) this.#in.write(data);
    return this.#ended.promise;
  }

  /** Kills the process. Safe to call twice. */
  kill(): void {
    this.#process.kill('SIGKILL');
  }

  get #in(): Writable {
    const { stdin } = this.#process;
    if (!stdin) throw new Error('the runtime did not start');
    return stdin;
  }

  get #out(): Readable {
    const { stdout } = this.#process;
    if (!stdout) throw new Error('the runtime did not start');
    return stdout;
  }

  #listening(): ChildListener {
    if (!this.#listener) throw new Error('it sent output before it was given a program');
    return this.#listener;
  }

  #complain(text: string): void {
    this.#complaints = (this.#complaints + text).slice(0, maxComplaintChars);
  }
}

function childCommand({
  node,
  wall,
  files,
  runtime,
  typescript,
  packages,
  snapshot,
  wasmMb,
}: ChildOptions): readonly string[] {
  const mounts: Mount[] = [];
  const mount = (host: string, inside: string): string => {
    const made = wall.mount(host, inside);
    mounts.push(made);
    return made.inside;
  };
  const program = mount(files.program.root, 'child');
  // No path may begin with another one's path: Node's permission model then denies the shorter one.
  const guest = { modules: mount(files.guest, 'guest'), packages: wall.mount(files.guestPackages, 'npm').inside };
  for (const { file } of Object.values(guestPackages)) mount(join(files.guestPackages, file), `npm/${file}`);
  for (const extra of files.extra) mount(extra.host, extra.inside);
  const folders = [...packages].map(([name, host]) => [name, mount(host, `runtime/node_modules/${name}`)] as const);
  const settings: ChildSettings = {
    runtime,
    packages: Object.fromEntries(folders),
    guest,
    typescript,
    snapshot: snapshot === null ? null : mount(snapshot, 'snapshot'),
  };
  return wall.command(
    node,
    [
      '--permission',
      // The permission model does not cover node:sqlite, which opens files by itself.
      '--no-experimental-sqlite',
      ...mounts.map(({ inside }) => `--allow-fs-read=${inside}`),
      `--max-old-space-size=${oldSpaceMb}`,
      `--wasm-max-mem-pages=${wasmMb * 16}`,
      // Recursive interpreters need more than the default stack; Windows gives a thread less than this.
      ...(process.platform === 'win32' ? [] : ['--stack-size=3600']),
      '--no-warnings',
      files.program.entry === '' ? program : `${program}/${files.program.entry}`,
      JSON.stringify(settings),
    ],
    mounts,
  );
}

function ignore(): void {}
