import type { SandboxStatus } from '@devlm/protocol/execution.ts';
import { languages } from '@devlm/protocol/execution.ts';
import type { Logger } from 'pino';
import { within } from '../../within.ts';
import { languageTable } from '../languages.ts';
import type { EngineStatus, Job, RunEvent, RunResult, Sandbox } from '../sandbox.ts';
import type { RuntimeName } from './child/frames.ts';
import { Child, type ChildOptions } from './child.ts';
import { needsDocker, type Plan, planOf } from './commands.ts';
import type { RuntimeFolders } from './install.ts';
import { findNpm } from './npm.ts';
import { childFiles } from './paths.ts';
import { Pool } from './pool.ts';
import { type Engine, engineResult, runInChild } from './run.ts';
import { RuntimeStore } from './runtime-store.ts';
import { runtimeOf, runtimes } from './runtimes.ts';
import { findWall, type Wall } from './wall.ts';

export interface EmbeddedOptions {
  /** Where runtimes are installed; a runtimes pack is looked for here as well. */
  readonly runtimesDir: string;
  readonly logger: Logger;
  /** Programs that run at one time; bounds what is kept warm. */
  readonly concurrency: number;
  /** What runs the children; default: what runs this server. */
  readonly node?: string;
  /** Default: the npm on the PATH. */
  readonly npm?: string;
  /** What npm is started with, and where `PATH` is; default: that of this server. */
  readonly env?: NodeJS.ProcessEnv;
  /** Folder whose node_modules may have the runtimes; default: the repository, where this is one. Null: none. */
  readonly repository?: string | null;
  /** False: nothing of the operating system is put around the children, as where there is nothing. */
  readonly walls?: boolean;
  /** Milliseconds that a warm child waits for a program; default 5 minutes. */
  readonly idleMs?: number;
}

/** Milliseconds that an interpreter may take to load. */
const loadTimeoutMs = 60_000;
/** Most interpreters that wait, each with 60 to 200 MB. */
const warmMax = 3;

/** Programs in WebAssembly, each in a process of its own without rights: for machines without Docker. */
export function createEmbeddedSandbox(options: EmbeddedOptions): Sandbox {
  return new EmbeddedSandbox(options);
}

class EmbeddedSandbox implements Sandbox {
  readonly kind = 'embedded';
  readonly #options: EmbeddedOptions;
  readonly #files = childFiles();
  readonly #node: string;
  readonly #store: RuntimeStore;
  readonly #pool: Pool;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  /** What a key of the pool stands for, from when it was first needed. */
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
    this.#pool = new Pool({
      start: (key) => this.#starters.get(key)?.() ?? raise(key),
      max: Math.min(warmMax, options.concurrency),
      idleMs: options.idleMs ?? 5 * 60_000,
    });
  }

  async run(job: Job, signal: AbortSignal, hear: (event: RunEvent) => void): Promise<RunResult> {
    const running = this.#run(job, AbortSignal.any([signal, this.#closing.signal]), hear);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #run(job: Job, signal: AbortSignal, hear: (event: RunEvent) => void): Promise<RunResult> {
    const runtime = runtimeOf[job.language];
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
      const plan = runtime ? refuse(job) : needsDocker(job.language);
      if (typeof plan === 'string' || !runtime) {
        return engineResult(job, 'engine-error', typeof plan === 'string' ? plan : null, engine);
      }
      const prepared = await this.#prepare(runtime, job, wall, signal, hear);
      child = prepared.child;
      const { version, networkDenied } = await within(child.ready, signal);
      engine = {
        kind: 'embedded',
        runtime: version,
        networkCut: wall.networkCut || networkDenied,
        warm: prepared.warm,
      };
      const result = await runInChild({ job, plan, child, engine, signal, hear });
      return result;
    } catch (error) {
      child?.kill();
      if (signal.aborted) return engineResult(job, 'cancelled', null, engine);
      const message = error instanceof Error ? error.message : String(error);
      this.#options.logger.warn(
        { error: message, language: job.language },
        'the embedded engine could not run a program',
      );
      return engineResult(job, 'engine-error', `${message.slice(0, 500).replace(/[.\s]+$/, '')}.`, engine);
    }
  }

  async status(): Promise<EngineStatus> {
    const wall = await this.#findWall();
    const networkCut = wall.networkCut || nodeCutsNetwork;
    const problem = nodeProblem();
    const states = await Promise.all(
      languages.map(async (language): Promise<SandboxStatus['languages'][number]> => {
        const runtime = runtimeOf[language];
        if (!runtime) return { language, state: 'unavailable', runs: '', message: needsDocker(language) };
        const state = problem === null ? await this.#store.state(runtime) : 'unavailable';
        const message = state === 'unavailable' ? (problem ?? this.#store.missing(runtime)) : null;
        return { language, state, runs: runtimes[runtime].title, message };
      }),
    );
    const around = wall.name === 'none' ? 'processes without rights' : `processes behind ${wall.name}`;
    const network = networkCut ? '' : ' The network cannot be cut from them on this machine.';
    return {
      available: problem === null,
      networkCut,
      message: problem ?? `Programs run in WebAssembly, in ${around}.${network}`,
      languages: states,
    };
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the server stops'));
    await Promise.allSettled([...this.#running]);
    await this.#pool.close();
  }

  /** The child for a job: a warm one, or one that loads, which may have to wait for its runtime. */
  async #prepare(
    runtime: RuntimeName,
    job: Job,
    wall: Wall,
    signal: AbortSignal,
    hear: (event: RunEvent) => void,
  ): Promise<{ child: Child; warm: boolean }> {
    const problem = nodeProblem();
    if (problem !== null) throw new Error(problem);
    const progress = (message: string, fraction: number | null) => hear({ type: 'preparing', message, fraction });
    const packages = await this.#store.get(runtime, progress, signal);
    const snapshot = await this.#snapshot(runtime, packages, wall, () =>
      progress(`Starting ${runtimes[runtime].title} for the first time`, null),
    );
    signal.throwIfAborted();
    const key = `${job.language} ${job.limits.memoryMb}`;
    const usual = languageTable[job.language].limits.memoryMb === job.limits.memoryMb;
    const typescript = job.language === 'typescript';
    this.#starters.set(key, () => this.#start({ runtime, typescript, packages, wall, snapshot }, job.limits.memoryMb));
    const taken = this.#pool.take(key);
    // Another limit is rarely asked for twice, and what waits takes memory.
    if (usual) void taken.child.ready.then(() => this.#pool.refill(key)).catch(() => {});
    else this.#starters.delete(key);
    return taken;
  }

  #snapshot(runtime: RuntimeName, packages: RuntimeFolders, wall: Wall, tell: () => void): Promise<string | null> {
    if (runtime !== 'python') return Promise.resolve(null);
    let snapshot = this.#snapshots.get(runtime);
    if (!snapshot) {
      snapshot = this.#store.snapshot(runtime, async () => {
        tell();
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

/** Node's permission model keeps the network from a process since Node 25. */
const nodeCutsNetwork = process.allowedNodeEnvironmentFlags.has('--allow-net');

function nodeProblem(): string | null {
  return process.allowedNodeEnvironmentFlags.has('--permission')
    ? null
    : `The embedded engine needs Node 22.13 or newer; this is ${process.version}. Install Docker, or update the editor.`;
}

function refuse(job: Job): Plan | string {
  return job.allowedHosts.length > 0 ? needsDocker('programs that reach named hosts') : planOf(job);
}

function raise(key: string): never {
  throw new Error(`nothing starts ${key}`);
}
