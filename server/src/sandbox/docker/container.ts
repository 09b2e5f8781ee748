import { randomBytes, randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { OutputStream } from '@devlm/protocol/execution.ts';
import type Docker from 'dockerode';
import { type EngineClient, EngineError } from './client.ts';
import { type ContainerSpec, createOptions } from './container-options.ts';

export interface ContainerOwner {
  readonly client: EngineClient;
  readonly serverId: string;
  readonly launchId: string;
  /** Names of the containers that are in use or wait; the sweep leaves them alone. */
  readonly alive: Set<string>;
  /** Told when a container could not be removed: a sweep has to look for it. */
  readonly lost: () => void;
}

const apiTimeoutMs = 30_000;
/** From its start until its boot program waits; an interpreter with half a processor takes some 100 ms. */
const readyTimeoutMs = 30_000;
const startErrorBytes = 2_000;

/** A started container that waits for its one program. */
export class Container {
  readonly id: string;
  readonly name: string;
  readonly spec: ContainerSpec;
  readonly createdAt = performance.now();
  /** What stands on both outputs between the program's own output and ours. */
  readonly mark: Buffer;
  /** Nanoseconds of processor time that its start took; null where the engine has not told in time. */
  startCpuNs: number | null = null;
  /** Called with the program's output as it comes, then with null when the connection has ended. */
  hear: (stream: OutputStream | null, bytes: Buffer) => void = () => {};
  #sent = false;
  readonly #owner: ContainerOwner;
  readonly #socket: Duplex;
  /** Standard error. On one connection with the other output the engine ends both with one, whatever is on its way. */
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
      demultiplex(socket, (stream, bytes) => this.hear(stream, bytes));
      const close = () => {
        open.delete(socket);
        if (this.#closed || open.size > 0) return;
        this.#closed = true;
        this.hear(null, Buffer.alloc(0));
      };
      // A program that ends early leaves input unread; what matters of it is how the output ends.
      socket.on('error', close);
      socket.on('end', close);
      socket.on('close', close);
    }
  }

  /**
   * Makes one and starts it, up to where it waits for its program.
   * @throws EngineError; nothing is left of it then
   */
  static async start(owner: ContainerOwner, spec: ContainerSpec, signal?: AbortSignal): Promise<Container> {
    const { client } = owner;
    const name = randomUUID();
    owner.alive.add(name);
    let id: string | null = null;
    let container: Container | null = null;
    try {
      const options = createOptions(spec, { serverId: owner.serverId, launchId: owner.launchId, name });
      // Not by the signal: who leaves while the engine makes it would not know what to remove.
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
      // Older engines take most of a second over it, so nobody waits for it.
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

  /** The connection to it has ended: it has, or the engine has. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Hands over the frame and the program's own input, and ends the input. */
  send(frame: Uint8Array, input: Uint8Array): void {
    this.#sent = true;
    this.#socket.write(frame);
    this.#socket.end(input);
  }

  /** No more output is read until `resume`. */
  pause(): void {
    this.#socket.pause();
    this.#errors.pause();
  }

  resume(): void {
    this.#socket.resume();
    this.#errors.resume();
  }

  /** What it has used so far. */
  async usage(): Promise<{ cpuNs: number | null; peakMemoryBytes: number | null }> {
    const stats: unknown = await this.#owner.client.call('reading statistics', 1_000, (docker, abortSignal) =>
      docker.getContainer(this.id).stats(statsOptions(abortSignal)),
    );
    const cpu = numberAt(stats, 'cpu_stats', 'cpu_usage', 'total_usage');
    // Zero where the runtime does not count.
    return { cpuNs: cpu || null, peakMemoryBytes: numberAt(stats, 'memory_stats', 'max_usage') || null };
  }

  async #measureStart(): Promise<void> {
    const usage = await this.usage().catch(() => null);
    // What was counted after the program came is its own.
    if (usage && !this.#sent) this.startCpuNs = usage.cpuNs;
  }

  /**
   * Starts a second program in it, without a terminal. Its output comes in frames: see `demultiplex`.
   * @throws EngineError
   */
  exec(command: readonly string[], signal: AbortSignal): Promise<Duplex> {
    const ask = async (docker: Docker, abortSignal: AbortSignal) => {
      const exec = await docker.getContainer(this.id).exec({
        Cmd: [...command],
        // Else Perl would tell that an image has no locales.
        Env: ['LC_ALL=C'],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        abortSignal,
      });
      return await exec.start({ hijack: true, stdin: true, abortSignal });
    };
    return this.#owner.client.call('starting a program in a container', apiTimeoutMs, ask, signal);
  }

  /** Ends everything in it. */
  async kill(): Promise<void> {
    await this.#owner.client.call('ending a container', 5_000, (docker, abortSignal) =>
      docker.getContainer(this.id).kill({ abortSignal }),
    );
  }

  /** How it ended, where it did not say so itself. */
  async inspect(): Promise<{ running: boolean; exitCode: number; oomKilled: boolean }> {
    const { State: state } = await this.#owner.client.call('looking at a container', 3_000, (docker, abortSignal) =>
      docker.getContainer(this.id).inspect({ abortSignal }),
    );
    return { running: state.Running, exitCode: state.ExitCode, oomKilled: state.OOMKilled };
  }

  /** Removes it, whatever it does, in the background. */
  remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    this.#socket.destroy();
    this.#errors.destroy();
    removeContainer(this.#owner, this.name, this.id);
  }

  async #ready(signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let said = '';
    let error = '';
    const fail = (why: string) => {
      const detail = error.trim() || said.trim();
      const { image } = this.spec;
      const text = `The image ${image} does not start: ${why}${detail ? ` (${detail})` : ''}.`;
      reject(new EngineError(text, 0));
    };
    const timer = setTimeout(() => fail('it took too long'), readyTimeoutMs);
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    this.hear = (stream, bytes) => {
      if (stream === null) return fail('it ended at once');
      if (stream === 'stderr') error = (error + bytes.toString()).slice(0, startErrorBytes);
      else said = (said + bytes.toString()).slice(0, startErrorBytes);
      if (said === 'ready\n') resolve();
      else if (!'ready\n'.startsWith(said)) fail('it said something else');
    };
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      this.hear = () => {};
    }
  }
}

interface Attached {
  readonly socket: Duplex;
  readonly errors: Duplex;
}

async function attach(client: EngineClient, id: string, signal: AbortSignal | undefined): Promise<Attached> {
  const input = client.attach(id, ['stdin', 'stdout'], apiTimeoutMs, signal);
  const both = await Promise.allSettled([input, client.attach(id, ['stderr'], apiTimeoutMs, signal)]);
  const [socket, errors] = both;
  if (socket.status === 'fulfilled' && errors.status === 'fulfilled')
    return { socket: socket.value, errors: errors.value };
  for (const one of both) if (one.status === 'fulfilled') one.value.destroy();
  throw both.find((one) => one.status === 'rejected')?.reason;
}

/** Removals that are under way. */
const removals = new Map<ContainerOwner, Set<Promise<void>>>();

function removeContainer(owner: ContainerOwner, name: string, id: string): void {
  const remove = async () => {
    try {
      await owner.client.call('removing a container', apiTimeoutMs, (docker, abortSignal) =>
        docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
      );
    } catch (error) {
      // Gone already, or on its way. Anything else is for the sweep.
      if (!(error instanceof EngineError && (error.statusCode === 404 || error.statusCode === 409))) owner.lost();
    }
    owner.alive.delete(name);
  };
  const own = removals.get(owner) ?? new Set();
  removals.set(owner, own);
  const promise = remove();
  own.add(promise);
  promise.finally(() => {
    own.delete(promise);
    if (own.size === 0) removals.delete(owner);
  });
}

/** Settles when no removal is under way. */
export async function removalsEnd(owner: ContainerOwner): Promise<void> {
  await Promise.all(removals.get(owner) ?? []);
}

/** The types do not know all that the engine takes. */
function statsOptions(abortSignal: AbortSignal): { stream: false; abortSignal: AbortSignal } {
  const options = { stream: false as const, 'one-shot': true, abortSignal };
  return options;
}

/** Frames of eight bytes of header, the stream in the first and the length in the last four, then the bytes. */
export function demultiplex(socket: Duplex, hear: (stream: OutputStream, bytes: Buffer) => void): void {
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
      hear(stream, bytes);
    }
  });
}

function numberAt(value: unknown, ...path: string[]): number {
  let at = value;
  for (const name of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined;
  return typeof at === 'number' ? at : 0;
}
