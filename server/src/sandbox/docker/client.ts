import { accessSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import type Docker from 'dockerode';

/** Error for a failed call to the engine. The message is a sentence for the user. */
export class EngineError extends Error {
  /** HTTP status of the engine's response; 0 for another failure, null if the engine did not respond. */
  readonly statusCode: number | null;

  constructor(message: string, statusCode: number | null, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.statusCode = statusCode;
  }

  /** Whether the engine does not respond at all. */
  get away(): boolean {
    return this.statusCode === null;
  }
}

/** Address of a Docker engine. */
export interface EngineAddress {
  /** URL as in DOCKER_HOST. Default: the first of Docker's usual sockets that exists. */
  readonly host?: string | undefined;
  /** Folder with ca.pem, cert.pem and key.pem, for an engine with TLS. */
  readonly certPath?: string | undefined;
}

/** Options that dockerode would otherwise take from the environment, which the configuration has already read. */
const noEnvironment = {
  host: undefined,
  port: undefined,
  username: undefined,
  ca: undefined,
  cert: undefined,
  key: undefined,
  timeout: undefined,
  protocol: 'http',
} as const;

/** Client for all calls to the engine. Each call has a timeout, and each failure is an `EngineError`. */
export class EngineClient {
  readonly #address: EngineAddress;
  #docker: Promise<Docker> | null = null;
  #place = '';

  constructor(address: EngineAddress) {
    this.#address = address;
  }

  /** Address of the engine, for messages to the user. */
  get place(): string {
    return this.#place || (this.#address.host ?? 'the default sockets');
  }

  /**
   * Calls the engine.
   * @param what describes the call in error messages, such as "listing containers"
   * @param timeoutMs maximum duration, in milliseconds
   * @throws EngineError if the call fails, times out or the signal aborts
   */
  async call<T>(
    what: string,
    timeoutMs: number,
    request: (docker: Docker, abortSignal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const eitherSignal = signal ? AbortSignal.any([signal, timeout]) : timeout;
    try {
      // dockerode may wait where the signal has no effect, such as for an SSH handshake.
      const answer = this.#connect().then((docker) => request(docker, eitherSignal));
      return await untilAborted(answer, eitherSignal);
    } catch (error) {
      throw this.#explain(error, what, timeout.aborted);
    }
  }

  /** Attaches to some of a container's streams with one connection, which can be closed in one direction. */
  attach(
    id: string,
    streams: readonly ('stdin' | 'stdout' | 'stderr')[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Duplex> {
    const request = (docker: Docker, abortSignal: AbortSignal) => {
      const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
      // dockerode's own attach sends a body, which some engines would pass to the program as its input.
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
          // The consumer notices an error by the end of the stream.
          else resolve(stream.on('error', () => {}));
        },
      );
      return promise;
    };
    return this.call('attaching to a container', timeoutMs, request, signal);
  }

  async #connect(): Promise<Docker> {
    // Without a configured host, the next call may find a different socket.
    if (!this.#address.host) this.#docker = null;
    this.#docker ??= this.#open();
    this.#docker.catch(() => {
      this.#docker = null;
    });
    return this.#docker;
  }

  async #open(): Promise<Docker> {
    const { default: Docker } = await import('dockerode');
    const host = this.#address.host ?? defaultHost();
    this.#place = host;
    if (/^(unix|npipe):\/\//.test(host)) {
      return new Docker({ ...noEnvironment, socketPath: host.replace(/^\w+:\/\//, '') });
    }
    const url = new URL(host.includes('://') ? host : `tcp://${host}`);
    if (url.protocol === 'ssh:') {
      return new Docker({
        ...noEnvironment,
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
    return new Docker({ ...noEnvironment, protocol: secure ? 'https' : 'http', host: url.hostname, port, ...tls });
  }

  #explain(error: unknown, what: string, timedOut: boolean): EngineError {
    if (error instanceof EngineError) return error;
    const options = { cause: error };
    if (timedOut) return new EngineError(`Docker (${this.place}) did not answer in time while ${what}.`, null, options);
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
      const answer = text
        .replace(/^\(HTTP code \d+\) [^-]*- /, '')
        .trim()
        .replace(/\.$/, '');
      return new EngineError(`Docker failed while ${what}: ${answer}.`, error.statusCode, options);
    }
    const reason = text.replace(/\.$/, '');
    return new EngineError(
      `No Docker engine answers at ${this.place} (${reason}). Start Docker, or set DOCKER_HOST to its address.`,
      null,
      options,
    );
  }
}

/** Returns the SSH agent from SSH_AUTH_SOCK, which every SSH client uses; it is not an option of the server. */
function sshAgent(): { agent?: string } {
  const agent = process.env['SSH_AUTH_SOCK'];
  return agent ? { agent } : {};
}

/** Returns the first socket that exists: Docker's own, Docker Desktop's or that of a rootless engine. */
function defaultHost(): string {
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
