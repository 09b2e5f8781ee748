import { accessSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import type Docker from 'dockerode';

/** The engine did not do what it was asked. The message is a sentence for a person. */
export class EngineError extends Error {
  /** HTTP status of its answer; null when there was none. */
  readonly statusCode: number | null;

  constructor(message: string, statusCode: number | null, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.statusCode = statusCode;
  }

  /** Nothing answers: not this call failed, but the engine is away. */
  get away(): boolean {
    return this.statusCode === null;
  }
}

export interface EngineAddress {
  /** As in DOCKER_HOST; undefined: the usual sockets. */
  readonly host?: string | undefined;
  /** Folder with ca.pem, cert.pem and key.pem. */
  readonly certPath?: string | undefined;
}

/** What is not said here the client would take from the environment; the configuration has read that. */
const blank = {
  host: undefined,
  port: undefined,
  username: undefined,
  ca: undefined,
  cert: undefined,
  key: undefined,
  timeout: undefined,
  protocol: 'http',
} as const;

/** Every call to the engine goes through here: each has a bound, and each failure is an `EngineError`. */
export class EngineClient {
  readonly #address: EngineAddress;
  #docker: Promise<Docker> | null = null;
  #place = '';

  constructor(address: EngineAddress) {
    this.#address = address;
  }

  /** Where the engine is, for people. */
  get place(): string {
    return this.#place || (this.#address.host ?? 'the usual sockets');
  }

  /**
   * @param what is being done, for the message: "Docker did not answer while it ..."
   * @throws EngineError, also when `timeoutMs` have passed or the signal aborts
   */
  async call<T>(
    what: string,
    timeoutMs: number,
    ask: (docker: Docker, abortSignal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
    const gone = Promise.withResolvers<never>();
    const leave = () => gone.reject(either.reason);
    either.addEventListener('abort', leave, { once: true });
    try {
      // The client itself may wait where the signal does not reach, such as for an SSH handshake.
      return await Promise.race([this.#connect().then((docker) => ask(docker, either)), gone.promise]);
    } catch (error) {
      throw this.#explain(error, what, timeout.aborted);
    } finally {
      either.removeEventListener('abort', leave);
    }
  }

  /** Some of a container's streams, as one connection that can be closed in one direction. */
  attach(
    id: string,
    streams: readonly ('stdin' | 'stdout' | 'stderr')[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Duplex> {
    const ask = (docker: Docker, abortSignal: AbortSignal) => {
      const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
      // dockerode's own attach sends a body, which some engines would hand to the program as its input.
      docker.modem.dial(
        {
          path: `/containers/${id}/attach?`,
          method: 'POST',
          file: Buffer.alloc(0),
          isStream: true,
          hijack: true,
          openStdin: false,
          statusCodes: { 200: true },
          options: { stream: true, ...Object.fromEntries(streams.map((name) => [name, true])) },
        },
        (error, stream) => {
          if (error) reject(error);
          else if (!(stream instanceof Duplex)) reject(new Error('the connection was not upgraded'));
          else if (abortSignal.aborted) stream.destroy();
          // Whoever uses it hears of it by its end.
          else resolve(stream.on('error', () => {}));
        },
      );
      return promise;
    };
    return this.call('attaching to a container', timeoutMs, ask, signal);
  }

  async #connect(): Promise<Docker> {
    // Without a given host the socket may be another one the next time.
    if (!this.#address.host) this.#docker = null;
    this.#docker ??= this.#open();
    this.#docker.catch(() => {
      this.#docker = null;
    });
    return this.#docker;
  }

  async #open(): Promise<Docker> {
    const { default: Docker } = await import('dockerode');
    const host = this.#address.host ?? usualHost();
    this.#place = host;
    if (/^(unix|npipe):\/\//.test(host)) {
      return new Docker({ ...blank, socketPath: host.replace(/^\w+:\/\//, '') });
    }
    const url = new URL(host.includes('://') ? host : `tcp://${host}`);
    if (url.protocol === 'ssh:') {
      return new Docker({
        ...blank,
        protocol: 'ssh',
        host: url.hostname,
        port: Number(url.port) || 22,
        ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
        sshOptions: { agentForward: false, ...sshAgent() },
      });
    }
    const { certPath } = this.#address;
    const read = (name: string) => readFileSync(join(certPath ?? '', name));
    const tls = certPath ? { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') } : {};
    const secure = certPath !== undefined || url.protocol === 'https:' || url.port === '2376';
    const port = Number(url.port) || (secure ? 2376 : 2375);
    return new Docker({ ...blank, protocol: secure ? 'https' : 'http', host: url.hostname, port, ...tls });
  }

  #explain(error: unknown, what: string, timedOut: boolean): EngineError {
    if (error instanceof EngineError) return error;
    const options = { cause: error };
    if (timedOut) return new EngineError(`Docker (${this.place}) did not answer in time: ${what}.`, null, options);
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
      const answer = text
        .replace(/^\(HTTP code \d+\) [^-]*- /, '')
        .trim()
        .replace(/\.$/, '');
      return new EngineError(`Docker refused: ${what}: ${answer}.`, error.statusCode, options);
    }
    const reason = text.replace(/\.$/, '');
    return new EngineError(
      `No Docker engine answers at ${this.place} (${reason}). Start Docker, or set DOCKER_HOST to where it is.`,
      null,
      options,
    );
  }
}

/** The key agent that every SSH client uses; the address of it is not an option of ours. */
function sshAgent(): { agent?: string } {
  const agent = process.env['SSH_AUTH_SOCK'];
  return agent ? { agent } : {};
}

/** Docker's own socket, Docker Desktop's, a rootless engine's; the first that is there. */
function usualHost(): string {
  if (process.platform === 'win32') return 'npipe:////./pipe/docker_engine';
  const home = homedir();
  const uid = process.getuid?.();
  const candidates = [
    '/var/run/docker.sock',
    join(home, '.docker/run/docker.sock'),
    join(home, '.docker/desktop/docker.sock'),
    ...(uid === undefined ? [] : [`/run/user/${uid}/docker.sock`]),
  ];
  const found = candidates.find((path) => {
    try {
      accessSync(path);
      return true;
    } catch {
      return false;
    }
  });
  return `unix://${found ?? candidates[0]}`;
}
