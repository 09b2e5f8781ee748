import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';

/**
 * Timeouts and retry delays, in milliseconds. Timeouts are short because requests of users wait for Redis, but long
 * enough for a busy node to notice a response.
 */
const bounds = { command: 1_000, silence: 1_000, connect: 2_000, firstRetry: 100, lastRetry: 2_000 } as const;

/** Prefix of all keys, so that Redis can be shared with other programs. */
export const keyPrefix = 'devlm:';

const sentinelUrl = /^redis(s?)\+sentinel:\/\/(?:([^:@/]*):([^@/]*)@)?([^@/]+)\/([\w.-]+)(?:\/(\d+))?$/;
const defaultSentinelPort = 26_379;

/**
 * Connection to Redis that may be lost at any time. While it is lost, `ask` returns `undefined` at once; it reconnects by
 * itself. Redis holds nothing that is not stored elsewhere, so its users continue without it.
 */
export class RedisConnection implements AsyncDisposable {
  readonly #client: Redis;
  readonly #logger: Logger;
  #isAvailable = true;

  private constructor(client: Redis, logger: Logger) {
    this.#client = client;
    this.#logger = logger;
  }

  /**
   * Connects to Redis. Waits at most 2 seconds, then continues without the connection.
   *
   * @param url `redis://`, `rediss://` (TLS), or for Sentinel `redis+sentinel://user:password@host:port,host/name/database`
   */
  static async open(url: string, logger: Logger): Promise<RedisConnection> {
    const { path, ...options } = redisOptions(url);
    const client = path === undefined ? new Redis(options) : new Redis(path, options);
    // Each failure is reported to the command that it ends. Without a listener, ioredis would print it as well.
    client.on('error', () => undefined);
    const connection = new RedisConnection(client, logger);
    await Promise.race([
      client.connect().catch(() => undefined),
      new Promise((resolve) => setTimeout(resolve, bounds.connect).unref()),
    ]);
    await connection.ask((redis) => redis.ping());
    return connection;
  }

  /** Defines a Lua script as a command of the client. Its text is sent to Redis once. */
  define(name: string, lua: string): void {
    this.#client.defineCommand(name, { lua });
  }

  /** Receives the messages of a channel whenever Redis is available. The connection cannot be used for anything else. */
  subscribe(channel: string, onMessage: (message: string) => void): void {
    const subscribe = () => void this.ask((client) => client.subscribe(channel));
    this.#client.on('message', (_channel, message) => onMessage(message));
    this.#client.on('ready', subscribe);
    if (this.#client.status === 'ready') subscribe();
  }

  /** Runs a command. Returns undefined if Redis is not available or the command fails. */
  async ask<T>(command: (client: Redis) => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await command(this.#client);
      this.#noteAvailability(true);
      return answer;
    } catch (error) {
      this.#noteAvailability(false, error);
      return undefined;
    }
  }

  /** Logs once when Redis becomes available or unavailable. */
  #noteAvailability(available: boolean, error?: unknown): void {
    if (available === this.#isAvailable) return;
    this.#isAvailable = available;
    if (available) this.#logger.info('Redis is back');
    else
      this.#logger.warn(
        { err: error },
        'Redis is unavailable: this node applies rate limits on its own and caches nothing',
      );
  }

  /** Closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.disconnect();
  }
}

function redisOptions(url: string): RedisOptions & { readonly path?: string } {
  const sentinel = sentinelUrl.exec(url);
  const common: RedisOptions = {
    keyPrefix,
    lazyConnect: true,
    // No command waits for a connection or is sent twice: a token must not be taken for a request that no longer
    // exists.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: bounds.command,
    socketTimeout: bounds.silence,
    connectTimeout: bounds.connect,
    retryStrategy,
  };
  if (!sentinel) return { ...common, path: url };
  const [, tls, username, password, hosts = '', name = '', db] = sentinel;
  return {
    ...common,
    sentinels: hosts.split(',').map((host) => {
      const { hostname, port } = new URL(`redis://${host}`);
      return { host: hostname, port: Number(port || defaultSentinelPort) };
    }),
    name,
    sentinelRetryStrategy: retryStrategy,
    ...(tls ? { tls: {}, enableTLSForSentinelMode: true } : {}),
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(password ? { password: decodeURIComponent(password) } : {}),
    ...(db ? { db: Number(db) } : {}),
  };
}

function retryStrategy(times: number): number {
  return Math.min(bounds.lastRetry, bounds.firstRetry * 2 ** Math.min(times, 10));
}
