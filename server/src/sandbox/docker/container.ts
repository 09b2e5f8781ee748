import { randomBytes, randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { OutputStream } from '@devlm/protocol/execution.ts';
import type Docker from 'dockerode';
import { type EngineClient, EngineError } from './client.ts';
import { type ContainerSpec, createOptions } from './container-options.ts';

/** Server process to which containers belong. */
export interface ContainerOwner {
  readonly client: EngineClient;
  readonly serverId: string;
  readonly launchId: string;
  /** Names of the containers that are in use or waiting, which the sweep does not remove. */
  readonly alive: Set<string>;
  /** Called when a container could not be removed, so that a sweep is needed. */
  readonly lost: () => void;
}

/** Timeout of a call to the engine, in milliseconds. */
const apiTimeoutMs = 30_000;
/**
 * Maximum time from the start of a container until its boot program is ready, in milliseconds. An interpreter with half
 * a processor takes about 100 ms.
 */
const readyTimeoutMs = 30_000;
/** Maximum length of the output that is kept for a start error, in characters. */
const maxStartOutputChars = 2_000;

/** A started container, which runs a single program. */
export class Container {
  readonly id: string;
  readonly name: string;
  readonly spec: ContainerSpec;
  readonly createdAt = performance.now();
  /** Bytes on both outputs that separate the program's own output from that of the wrapper. */
  readonly mark: Buffer;
  /** Processor time of the start, in nanoseconds; null if the engine did not report it before the program was sent. */
  startCpuNs: number | null = null;
  /** Called with the program's output as it arrives, then with null when the connection has ended. */
  onOutput: (stream: OutputStream | null, bytes: Buffer) => void = () => {};
  #sent = false;
  readonly #owner: ContainerOwner;
  readonly #socket: Duplex;
  /**
   * Standard error. It has a separate connection, because on a shared one the engine ends both outputs when one of them
   * ends, even with data in transit.
   */
  readonly #errors: Duplex;
  #closed = false;
  #removed = false;

  private constructor(owner: ContainerOwner, spec: ContainerSpec, name: string, id: string, attached: Attached) {
    this.#owner = owner;
    this.spec = spec;
    this.name = name;
    this.id = id;
    this.#socket = attached.socket;
    this.#errors = attached.errors;
    this.mark = Buffer.from(`\x1edevlm-${randomBytes(16).toString('hex')}`);
    const open = new Set([this.#socket, this.#errors]);
    for (const socket of open) {
      demultiplex(socket, (stream, bytes) => this.onOutput(stream, bytes));
      const close = () => {
        open.delete(socket);
        if (this.#closed || open.size > 0) return;
        this.#closed = true;
        this.onOutput(null, Buffer.alloc(0));
      };
      // An error means no more than the end of the stream: a program that ends early leaves input unread.
      socket.on('error', close);
      socket.on('end', close);
      socket.on('close', close);
    }
  }

  /**
   * Creates and starts a container, and waits until it is ready for its program.
   * @throws EngineError if it cannot start, after which the container is removed; the signal's reason if it aborts
   */
  static async start(owner: ContainerOwner, spec: ContainerSpec, signal?: AbortSignal): Promise<Container> {
    const { client } = owner;
    const name = randomUUID();
    owner.alive.add(name);
    let id: string | null = null;
    let container: Container | null = null;
    try {
      const options = createOptions(spec, { serverId: owner.serverId, launchId: owner.launchId, name });
      // The signal does not cancel this call, because without the ID the container could not be removed.
      const create = client.call('creating a container', apiTimeoutMs, (docker, abortSignal) =>
        docker.createContainer({ ...options, abortSignal }),
      );
      ({ id } = await create);
      signal?.throwIfAborted();
      const attached = await attach(client, id, signal);
      container = new Container(owner, spec, name, id, attached);
      const ready = container.#ready(signal);
      ready.catch(() => {});
      attached.socket.write(`${container.mark}\n`);
      const started = id;
      await client.call(
        'starting a container',
        apiTimeoutMs,
        (docker, abortSignal) => docker.getContainer(started).start({ abortSignal }),
        signal,
      );
      await ready;
      // Not awaited, because older engines take almost a second.
      void container.#measureStart();
      return container;
    } catch (error) {
      if (container) container.remove();
      else if (id) removeContainer(owner, name, id);
      else if (error instanceof EngineError && !error.away) owner.alive.delete(name);
      else {
        owner.alive.delete(name);
        owner.lost();
      }
      throw error;
    }
  }

  /** Whether the connection has ended, because the container or the engine has ended. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Sends the frame and the program's own input, then ends the input. */
  send(frame: Uint8Array, input: Uint8Array): void {
    this.#sent = true;
    this.#socket.write(frame);
    this.#socket.end(input);
  }

  /** Stops reading output until `resume`. */
  pause(): void {
    this.#socket.pause();
    this.#errors.pause();
  }

  /** Continues to read output. */
  resume(): void {
    this.#socket.resume();
    this.#errors.resume();
  }

  /** Returns the resources that the container has used so far. */
  async usage(): Promise<{ cpuNs: number | null; peakMemoryBytes: number | null }> {
    const stats: unknown = await this.#owner.client.call('reading statistics', 1_000, (docker, abortSignal) =>
      docker.getContainer(this.id).stats(statsOptions(abortSignal)),
    );
    const cpu = numberAt(stats, 'cpu_stats', 'cpu_usage', 'total_usage');
    // A runtime that does not count reports zero.
    return { cpuNs: cpu || null, peakMemoryBytes: numberAt(stats, 'memory_stats', 'max_usage') || null };
  }

  async #measureStart(): Promise<void> {
    const usage = await this.usage().catch(() => null);
    // Time that was counted after the program was sent belongs to the program.
    if (usage && !this.#sent) this.startCpuNs = usage.cpuNs;
  }

  /**
   * Starts a second program in the container, without a terminal. Its output is framed (see `demultiplex`).
   * @throws EngineError
   */
  exec(command: readonly string[], signal: AbortSignal): Promise<Duplex> {
    const request = async (docker: Docker, abortSignal: AbortSignal) => {
      const exec = await docker.getContainer(this.id).exec({
        Cmd: [...command],
        // Otherwise Perl warns that the image has no locales.
        Env: ['LC_ALL=C'],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        abortSignal,
      });
      return await exec.start({ hijack: true, stdin: true, abortSignal });
    };
    return this.#owner.client.call('starting a program in a container', apiTimeoutMs, request, signal);
  }

  /** Kills all processes in the container. */
  async kill(): Promise<void> {
    await this.#owner.client.call('ending a container', 5_000, (docker, abortSignal) =>
      docker.getContainer(this.id).kill({ abortSignal }),
    );
  }

  /** Returns the state of the container as the engine reports it. */
  async inspect(): Promise<{ running: boolean; exitCode: number; oomKilled: boolean }> {
    const { State: state } = await this.#owner.client.call('inspecting a container', 3_000, (docker, abortSignal) =>
      docker.getContainer(this.id).inspect({ abortSignal }),
    );
    return { running: state.Running, exitCode: state.ExitCode, oomKilled: state.OOMKilled };
  }

  /** Removes the container in the background, even if it is running. */
  remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    this.#socket.destroy();
    this.#errors.destroy();
    removeContainer(this.#owner, this.name, this.id);
  }

  async #ready(signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let stdout = '';
    let error = '';
    const fail = (why: string) => {
      const detail = error.trim() || stdout.trim();
      const { image } = this.spec;
      const text = `The image ${image} did not start: ${why}${detail ? ` (${detail})` : ''}.`;
      reject(new EngineError(text, 0));
    };
    const timer = setTimeout(() => fail('it took too long'), readyTimeoutMs);
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    this.onOutput = (stream, bytes) => {
      if (stream === null) return fail('it ended immediately');
      if (stream === 'stderr') error = (error + bytes.toString()).slice(0, maxStartOutputChars);
      else stdout = (stdout + bytes.toString()).slice(0, maxStartOutputChars);
      if (stdout === 'ready\n') resolve();
      else if (!'ready\n'.startsWith(stdout)) fail('it printed unexpected output');
    };
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      this.onOutput = () => {};
    }
  }
}

interface Attached {
  readonly socket: Duplex;
  readonly errors: Duplex;
}

async function attach(client: EngineClient, id: string, signal: AbortSignal | undefined): Promise<Attached> {
  const input = client.attach(id, ['stdin', 'stdout'], apiTimeoutMs, signal);
  const results = await Promise.allSettled([input, client.attach(id, ['stderr'], apiTimeoutMs, signal)]);
  const [socket, errors] = results;
  if (socket.status === 'fulfilled' && errors.status === 'fulfilled')
    return { socket: socket.value, errors: errors.value };
  for (const result of results) if (result.status === 'fulfilled') result.value.destroy();
  throw results.find((result) => result.status === 'rejected')?.reason;
}

/** Pending removals of each owner. */
const removals = new Map<ContainerOwner, Set<Promise<void>>>();

function removeContainer(owner: ContainerOwner, name: string, id: string): void {
  const remove = async () => {
    try {
      await owner.client.call('removing a container', apiTimeoutMs, (docker, abortSignal) =>
        docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
      );
    } catch (error) {
      // 404 and 409: already removed, or being removed. The sweep handles all other cases.
      if (!(error instanceof EngineError && (error.statusCode === 404 || error.statusCode === 409))) owner.lost();
    }
    owner.alive.delete(name);
  };
  const ownRemovals = removals.get(owner) ?? new Set();
  removals.set(owner, ownRemovals);
  const promise = remove();
  ownRemovals.add(promise);
  promise.finally(() => {
    ownRemovals.delete(promise);
    if (ownRemovals.size === 0) removals.delete(owner);
  });
}

/** Waits until all pending removals of an owner have ended. */
export async function removalsEnd(owner: ContainerOwner): Promise<void> {
  await Promise.all(removals.get(owner) ?? []);
}

/** Returns options for `stats`. The variable avoids the excess property check, as dockerode's types lack `one-shot`. */
function statsOptions(abortSignal: AbortSignal): { stream: false; abortSignal: AbortSignal } {
  const options = { stream: false as const, 'one-shot': true, abortSignal };
  return options;
}

/**
 * Splits the engine's framed output into standard output and standard error. A frame has a header of eight bytes, with
 * the stream in the first byte and the length in the last four, then the bytes.
 */
export function demultiplex(socket: Duplex, onData: (stream: OutputStream, bytes: Buffer) => void): void {
  let header = Buffer.alloc(0);
  let left = 0;
  let stream: OutputStream = 'stdout';
  socket.on('data', (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const part = chunk.subarray(at, at + 8 - header.length);
        header = Buffer.concat([header, part]);
        at += part.length;
        if (header.length < 8) return;
        stream = header[0] === 2 ? 'stderr' : 'stdout';
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
        continue;
      }
      const bytes = chunk.subarray(at, at + left);
      at += bytes.length;
      left -= bytes.length;
      onData(stream, bytes);
    }
  });
}

/** Returns the number at a path of properties, or 0 if there is none. */
function numberAt(value: unknown, ...path: string[]): number {
  let at = value;
  for (const name of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined;
  return typeof at === 'number' ? at : 0;
}
