import type { SandboxStatus } from '@devlm/protocol/execution.ts';
import { languages } from '@devlm/protocol/execution.ts';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import type { Logger } from 'pino';
import { languageTable } from '../languages.ts';
import type { EngineStatus, Job, RunEvent, RunResult, Sandbox } from '../sandbox.ts';
import type { RuntimeName } from './child/frames.ts';
import { Child, type ChildOptions } from './child.ts';
import { type InterpreterCall, needsDocker, planOf } from './commands.ts';
import type { RuntimeFolders } from './install.ts';
import { findNpm } from './npm.ts';
import { childFiles } from './paths.ts';
import { ChildPool } from './pool.ts';
import { type Engine, engineResult, runInChild } from './run.ts';
import { RuntimeStore } from './runtime-store.ts';
import { runtimeByLanguage, runtimes } from './runtimes.ts';
import { findWall, type Wall } from './wall.ts';

/** Options of the embedded sandbox. */
export interface EmbeddedOptions {
  /** Folder for installed runtimes and runtimes packs. */
  readonly runtimesDir: string;
  readonly logger: Logger;
  /** Maximum number of concurrent programs, which also bounds the number of warm children. */
  readonly concurrency: number;
  /** Executable that runs the children. Default: the executable of this server. */
  readonly node?: string;
  /** Path of npm. Default: the first npm in PATH. */
  readonly npm?: string;
  /** Environment of npm, and source of `PATH`. Default: the environment of this server. */
  readonly env?: NodeJS.ProcessEnv;
  /** Folder whose node_modules may contain the runtimes, or null. Default: the repository of this server, if any. */
  readonly repository?: string | null;
  /** Whether the operating system isolates the children, if it can. Default: true. */
  readonly walls?: boolean;
  /** Time for which a warm child waits for a program, in milliseconds. Default: 5 minutes. */
  readonly idleMs?: number;
}

/** Maximum time for an interpreter to load, in milliseconds. */
const loadTimeoutMs = 60_000;
/** Maximum number of waiting interpreters, which take 60 to 200 MB each. */
const maxWarm = 3;

/**
 * Creates a sandbox for machines without Docker. It runs each program in WebAssembly, in a separate process without
 * permissions.
 */
export function createEmbeddedSandbox(options: EmbeddedOptions): Sandbox {
  return new EmbeddedSandbox(options);
}

class EmbeddedSandbox implements Sandbox {
  readonly kind = 'embedded';
  readonly #options: EmbeddedOptions;
  readonly #files = childFiles();
  readonly #node: string;
  readonly #store: RuntimeStore;
  readonly #pool: ChildPool;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  /** Functions that start a child, by their key in the pool. */
  readonly #starters = new Map<string, () => Child>();
  readonly #snapshots = new Map<RuntimeName, Promise<string | null>>();
  #wall: Promise<Wall> | null = null;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.#node = options.node ?? process.execPath;
    const env = options.env ?? process.env;
    this.#store = new RuntimeStore({
      runtimesDir: options.runtimesDir,
      repository: options.repository === undefined ? this.#files.repository : options.repository,
      npm: () => findNpm(env, options.npm),
    });
    this.#pool = new ChildPool({
      start: (key) => this.#starters.get(key)?.() ?? throwUnknownKey(key),
      max: Math.min(maxWarm, options.concurrency),
      idleMs: options.idleMs ?? 5 * 60_000,
    });
  }

  async run(job: Job, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult> {
    const running = this.#run(job, AbortSignal.any([signal, this.#closing.signal]), onEvent);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #run(job: Job, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult> {
    const runtime = runtimeByLanguage[job.language];
    let engine: Engine = {
      kind: 'embedded',
      runtime: runtime ? runtimes[runtime].title : 'none',
      networkCut: false,
      warm: false,
    };
    let child: Child | null = null;
    try {
      const wall = await this.#findWall();
      engine = { ...engine, networkCut: wall.networkCut || nodeCutsNetwork };
      const plan = runtime ? planFor(job) : needsDocker(job.language);
      if (typeof plan === 'string' || !runtime) {
        return engineResult(job, 'engine-error', typeof plan === 'string' ? plan : null, engine);
      }
      const prepared = await this.#prepare(runtime, job, wall, signal, onEvent);
      child = prepared.child;
      const { version, networkDenied } = await untilAborted(child.ready, signal);
      engine = {
        kind: 'embedded',
        runtime: version,
        networkCut: wall.networkCut || networkDenied,
        warm: prepared.warm,
      };
      const result = await runInChild({ job, plan, child, engine, signal, onEvent });
      return result;
    } catch (error) {
      child?.kill();
      if (signal.aborted) return engineResult(job, 'cancelled', null, engine);
      const message = error instanceof Error ? error.message : String(error);
      this.#options.logger.warn({ error: message, language: job.language }, 'the embedded engine cannot run a program');
      return engineResult(job, 'engine-error', `${message.slice(0, 500).replace(/[.\s]+$/, '')}.`, engine);
    }
  }

  async status(): Promise<EngineStatus> {
    const wall = await this.#findWall();
    const networkCut = wall.networkCut || nodeCutsNetwork;
    const problem = nodeProblem();
    const states = await Promise.all(
      languages.map(async (language): Promise<SandboxStatus['languages'][number]> => {
        const runtime = runtimeByLanguage[language];
        if (!runtime) return { language, state: 'unavailable', runs: '', message: needsDocker(language) };
        const state = problem === null ? await this.#store.state(runtime) : 'unavailable';
        const message = state === 'unavailable' ? (problem ?? this.#store.missing(runtime)) : null;
        return { language, state, runs: runtimes[runtime].title, message };
      }),
    );
    const isolation = wall.name === 'none' ? 'processes without permissions' : `processes isolated by ${wall.name}`;
    const network = networkCut ? '' : ' Their network access cannot be blocked on this machine.';
    return {
      available: problem === null,
      networkCut,
      message: problem ?? `Programs run in WebAssembly, in ${isolation}.${network}`,
      languages: states,
    };
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the server is stopping'));
    await Promise.allSettled([...this.#running]);
    await this.#pool.close();
  }

  /** Returns a warm or new child for a job. It installs the runtime first if needed. */
  async #prepare(
    runtime: RuntimeName,
    job: Job,
    wall: Wall,
    signal: AbortSignal,
    onEvent: (event: RunEvent) => void,
  ): Promise<{ child: Child; warm: boolean }> {
    const problem = nodeProblem();
    if (problem !== null) throw new Error(problem);
    const progress = (message: string, fraction: number | null) => onEvent({ type: 'preparing', message, fraction });
    const packages = await this.#store.get(runtime, progress, signal);
    const snapshot = await this.#snapshot(runtime, packages, wall, () =>
      progress(`Starting ${runtimes[runtime].title} for the first time`, null),
    );
    signal.throwIfAborted();
    const key = `${job.language} ${job.limits.memoryMb}`;
    const isDefaultLimit = languageTable[job.language].limits.memoryMb === job.limits.memoryMb;
    const typescript = job.language === 'typescript';
    this.#starters.set(key, () => this.#start({ runtime, typescript, packages, wall, snapshot }, job.limits.memoryMb));
    const pooled = this.#pool.take(key);
    // A non-default limit is rarely used twice, and a waiting child takes memory.
    if (isDefaultLimit) void pooled.child.ready.then(() => this.#pool.refill(key)).catch(() => {});
    else this.#starters.delete(key);
    return pooled;
  }

  #snapshot(runtime: RuntimeName, packages: RuntimeFolders, wall: Wall, onStart: () => void): Promise<string | null> {
    if (runtime !== 'python') return Promise.resolve(null);
    let snapshot = this.#snapshots.get(runtime);
    if (!snapshot) {
      snapshot = this.#store.snapshot(runtime, async () => {
        onStart();
        const maker = this.#start(
          { runtime, typescript: false, packages, wall, snapshot: null },
          languageTable.python.limits.memoryMb,
        );
        try {
          return await maker.snapshot;
        } finally {
          maker.kill();
        }
      });
      this.#snapshots.set(runtime, snapshot);
      snapshot.catch(() => this.#snapshots.delete(runtime));
    }
    return snapshot;
  }

  #start(options: Omit<ChildOptions, 'node' | 'files' | 'wasmMb'>, memoryMb: number): Child {
    const wasmMb = runtimes[options.runtime].baseMb + memoryMb;
    const child = new Child({ ...options, node: this.#node, files: this.#files, wasmMb });
    const timer = setTimeout(() => child.kill(), loadTimeoutMs);
    const done = () => clearTimeout(timer);
    child.ready.then(done, done);
    return child;
  }

  #findWall(): Promise<Wall> {
    this.#wall ??= findWall(this.#node, (this.#options.env ?? process.env)['PATH'] ?? '', this.#options.walls ?? true);
    return this.#wall;
  }
}

/** Whether Node's permission model can deny network access, which it can since Node 25. */
const nodeCutsNetwork = process.allowedNodeEnvironmentFlags.has('--allow-net');

function nodeProblem(): string | null {
  return process.allowedNodeEnvironmentFlags.has('--permission')
    ? null
    : `The embedded engine requires Node 22.13 or newer, but this is ${process.version}. Install Docker, or update the editor.`;
}

function planFor(job: Job): InterpreterCall | string {
  return job.allowedHosts.length > 0 ? needsDocker('programs with access to named hosts') : planOf(job);
}

function throwUnknownKey(key: string): never {
  throw new Error(`no starter for ${key}`);
}
