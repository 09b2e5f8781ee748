import { randomUUID } from 'node:crypto';
import { type ExecutionEngine, type Language, languages } from '@devlm/protocol/execution.ts';
import type { Logger } from 'pino';
import { commandOf, unrun } from '../job.ts';
import type { EngineStatus, Job, RunEvent, RunResult, Sandbox } from '../sandbox.ts';
import { EngineClient, EngineError } from './client.ts';
import { Container, type ContainerOwner, removalsEnd } from './container.ts';
import type { ContainerSpec } from './container-options.ts';
import { execute } from './execute.ts';
import { type ImageFacts, ImageStore } from './images.ts';
import { openNetwork, proxyEnv } from './network.ts';
import { WarmPool } from './pool.ts';
import type { Dial } from './proxy.ts';
import { sweep } from './sweep.ts';

/** Options of a `DockerSandbox`. */
export interface DockerSandboxOptions {
  /** URL as in DOCKER_HOST. Default: the first of Docker's usual sockets that exists. */
  readonly host?: string | undefined;
  /** Folder with ca.pem, cert.pem and key.pem, for an engine with TLS. */
  readonly certPath?: string | undefined;
  /** OCI runtime. Default: the engine's default runtime. */
  readonly runtime?: string | undefined;
  /** Images that replace the official ones. */
  readonly images: Partial<Record<Language, string>>;
  /**
   * ID of the data folder. Only one server uses a data folder at a time, so containers with this ID that another launch
   * created are abandoned.
   */
  readonly serverId: string;
  /** Number of containers that wait for a program, for each kind in use. */
  readonly warm: { readonly min: number; readonly max: number };
  /** Opens the connections of runs with allowed hosts. */
  readonly dial: Dial;
  readonly logger: Logger;
}

/** Timeout of a call for the engine's status, in milliseconds. */
const statusTimeoutMs = 3_500;
/** Interval at which a pending sweep is tried, in milliseconds. */
const sweepIntervalMs = 30_000;
/** Maximum duration of `close`, in milliseconds. */
const closeTimeoutMs = 20_000;

/** Creates a sandbox on a local or remote Docker engine. The engine may go away and come back at any time. */
export function createDockerSandbox(options: DockerSandboxOptions): DockerSandbox {
  return new DockerSandbox(options);
}

/** Sandbox that runs each program in a container of a Docker engine. */
export class DockerSandbox implements Sandbox {
  readonly kind = 'docker';
  readonly #options: DockerSandboxOptions;
  readonly #client: EngineClient;
  readonly #images: ImageStore;
  readonly #owner: ContainerOwner;
  readonly #pool: WarmPool;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #timer: NodeJS.Timeout;
  #runtime: string | null = null;
  /** Whether there may be abandoned containers of this or an earlier launch. */
  #mustSweep = true;
  #sweeping: Promise<void> | null = null;

  constructor(options: DockerSandboxOptions) {
    this.#options = options;
    this.#client = new EngineClient(options);
    this.#images = new ImageStore(this.#client, options.images);
    this.#owner = {
      client: this.#client,
      serverId: options.serverId,
      launchId: randomUUID(),
      alive: new Set(),
      lost: () => {
        this.#mustSweep = true;
      },
    };
    this.#pool = new WarmPool({
      ...options.warm,
      logger: options.logger,
      start: (spec) => Container.start(this.#owner, spec, this.#closing.signal),
    });
    this.#timer = setInterval(() => void this.#sweep(), sweepIntervalMs).unref();
  }

  /** Removes containers of earlier launches of this server. Never rejects; retries later if the engine is away. */
  async prepare(): Promise<void> {
    await this.#sweep();
  }

  /** Number of containers that wait for a program. */
  get warmContainers(): number {
    return this.#pool.size;
  }

  async run(job: Job, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult> {
    const run = this.#run(job, AbortSignal.any([signal, this.#closing.signal]), onEvent);
    this.#running.add(run);
    try {
      return await run;
    } finally {
      this.#running.delete(run);
    }
  }

  async status(): Promise<EngineStatus> {
    const none = { networkCut: true, languages: [] };
    try {
      const version = await this.#client.call('asking for its version', statusTimeoutMs, (docker) => docker.version());
      const runtime = await this.#runtimeName();
      const rows = await Promise.all(languages.map((language) => this.#statusOf(language)));
      void this.#sweep();
      this.#pool.wake();
      const message = `Docker ${version.Version} at ${this.#client.place} runs programs with ${runtime}.`;
      return { available: true, message, networkCut: true, languages: rows };
    } catch (error) {
      this.#runtime = null;
      return { available: false, message: messageOf(error), ...none };
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The sandbox is closing.'));
    clearInterval(this.#timer);
    this.#images.close();
    const all = async () => {
      await Promise.all([...this.#running, this.#sweeping, this.#pool.close()]);
      await removalsEnd(this.#owner);
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, closeTimeoutMs);
    await Promise.race([all(), promise]);
    clearTimeout(timer);
  }

  async #run(job: Job, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult> {
    const engine = {
      kind: 'docker' as const,
      runtime: this.#runtime ?? this.#options.runtime ?? 'runc',
      networkCut: true,
    };
    const nothing = { engine: { ...engine, warm: false }, image: null };
    let image: ImageFacts | null = null;
    try {
      signal.throwIfAborted();
      engine.runtime = await this.#runtimeName();
      image = await this.#images.get(this.#images.nameOf(job.language), signal, (message, fraction) =>
        onEvent({ type: 'preparing', message, fraction }),
      );
      return await this.#runWith(job, image, engine, signal, onEvent);
    } catch (error) {
      this.#runtime = null;
      if (image) this.#images.forget(image.name);
      if (signal.aborted) return unstarted(job, 'cancelled', null, { ...nothing, image });
      if (!(error instanceof EngineError)) this.#options.logger.error({ err: error }, 'cannot run a program in Docker');
      return unstarted(job, 'engine-error', messageOf(error), { ...nothing, image });
    }
  }

  async #runWith(
    job: Job,
    image: ImageFacts,
    facts: Omit<ExecutionEngine, 'warm'>,
    signal: AbortSignal,
    onEvent: (event: RunEvent) => void,
  ): Promise<RunResult> {
    const spec = this.#specOf(job, image);
    const pooled = this.#pool.take(spec);
    let container: Container | null = null;
    const ended = new AbortController();
    try {
      container = await pooled;
      signal.throwIfAborted();
      container ??= await Container.start(this.#owner, spec, signal);
      if (job.allowedHosts.length > 0) await openNetwork(container, job, this.#options.dial, ended.signal);
      const engine = { ...facts, warm: container === pooled };
      onEvent({ type: 'started', engine });
      const executed = await execute(container, withProxy(job), signal, onEvent);
      if (executed.status === 'engine-error') this.#owner.lost();
      return { ...executed, command: commandOf(job), engine, image };
    } finally {
      ended.abort(new Error('The run has ended.'));
      container?.remove();
      this.#pool.release(spec);
      void this.#sweep();
    }
  }

  #specOf(job: Job, image: ImageFacts): ContainerSpec {
    const { memoryMb, cpus, processes, fileBytes } = job.limits;
    const { runtime } = this.#options;
    // The key includes the language: JavaScript and TypeScript may share an image, but have different boot programs.
    const key = [job.language, image.name, image.digest, memoryMb, cpus, processes, fileBytes].join(' ');
    return {
      key,
      language: job.language,
      image: image.name,
      limits: { memoryMb, cpus, processes, fileBytes },
      runtime,
    };
  }

  async #runtimeName(): Promise<string> {
    if (this.#runtime !== null) return this.#runtime;
    const info: unknown = await this.#client.call('asking for its runtimes', statusTimeoutMs, (docker) =>
      docker.info(),
    );
    const defaultRuntime = typeof info === 'object' && info !== null ? Reflect.get(info, 'DefaultRuntime') : null;
    this.#runtime =
      this.#options.runtime ?? (typeof defaultRuntime === 'string' && defaultRuntime !== '' ? defaultRuntime : 'runc');
    return this.#runtime;
  }

  async #statusOf(language: Language): Promise<EngineStatus['languages'][number]> {
    const runs = this.#images.nameOf(language);
    const found = await this.#images.find(runs, statusTimeoutMs);
    if (found) return { language, runs, state: 'ready', message: null };
    return { language, runs, state: 'missing', message: `Docker pulls the image ${runs} before the first run.` };
  }

  async #sweep(): Promise<void> {
    if (!this.#mustSweep || this.#closing.signal.aborted) return;
    this.#sweeping ??= sweep(this.#owner)
      .then((removed) => {
        this.#mustSweep = false;
        if (removed > 0) this.#options.logger.info({ removed }, 'removed leftover containers');
      })
      .catch((error: unknown) =>
        this.#options.logger.debug({ reason: messageOf(error) }, 'cannot remove leftover containers'),
      )
      .finally(() => {
        this.#sweeping = null;
      });
    await this.#sweeping;
  }
}

function withProxy(job: Job): Job {
  return job.allowedHosts.length === 0 ? job : { ...job, env: { ...proxyEnv(), ...job.env } };
}

function unstarted(
  job: Job,
  status: 'cancelled' | 'engine-error',
  message: string | null,
  facts: Pick<RunResult, 'engine' | 'image'>,
): RunResult {
  return { ...unrun(job), ...facts, status, message };
}

function messageOf(error: unknown): string {
  if (error instanceof EngineError) return error.message;
  return `Docker could not run the program: ${error instanceof Error ? error.message : String(error)}.`;
}
