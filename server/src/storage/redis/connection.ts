import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';

/** Milliseconds. What waits for Redis is somebody's request; a busy node needs a while to hear of an answer. */
const bounds = { command: 1_000, silence: 1_000, connect: 2_000, firstRetry: 100, lastRetry: 2_000 } as const;

/** All keys begin with it, so that a Redis can be shared. */
export const keyPrefix = 'devlm:';

const sentinelUrl = /^redis(s?)\+sentinel:\/\/(?:([^:@/]*):([^@/]*)@)?([^@/]+)\/([\w.-]+)(?:\/(\d+))?$/;
const defaultSentinelPort = 26_379;

/**
 * A connection to Redis that may go away at any time: what is asked then is answered `undefined` at once, and it is
 * connected again by itself. Redis holds nothing that is not elsewhere, so its users go on without it.
 */
export class RedisConnection implements AsyncDisposable {
  readonly #client: Redis;
  readonly #logger: Logger;
  #answers = true;

  private constructor(client: Redis, logger: Logger) {
    this.#client = client;
    this.#logger = logger;
  }

  /**
   * Waits 2 s at most for the connection, and goes on without it.
   *
   * @param url `redis://`, `rediss://` (TLS), or of Sentinel `redis+sentinel://user:password@host:port,host/name/database`
   */
  static async open(url: string, logger: Logger): Promise<RedisConnection> {
    const { path, ...options } = redisOptions(url);
    const client = path === undefined ? new Redis(options) : new Redis(path, options);
    // Each failure reaches the command that it ends; without a listener they would be printed.
    client.on('error', () => undefined);
    const connection = new RedisConnection(client, logger);
    await Promise.race([
      client.connect().catch(() => undefined),
      new Promise((resolve) => setTimeout(resolve, bounds.connect).unref()),
    ]);
    await connection.ask((redis) => redis.ping());
    return connection;
  }

  /** Makes a Lua script a command of the client; Redis is sent its text once. */
  define(name: string, lua: string): void {
    this.#client.defineCommand(name, { lua });
  }

  /** Hears what is published to a channel, whenever Redis is there. The connection is good for nothing else then. */
  subscribe(channel: string, hear: (message: string) => void): void {
    const subscribe = () => void this.ask((client) => client.subscribe(channel));
    this.#client.on('message', (_channel, message) => hear(message));
    this.#client.on('ready', subscribe);
    if (this.#client.status === 'ready') subscribe();
  }

  /** Undefined: Redis is away, or refused. */
  async ask<T>(command: (client: Redis) => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await command(this.#client);
      this.#note(true);
      return answer;
    } catch (error) {
      this.#note(false, error);
      return undefined;
    }
  }

  /** Once a change, not once a command. */
  #note(answers: boolean, error?: unknown): void {
    if (answers === this.#answers) return;
    this.#answers = answers;
    if (answers) this.#logger.info('Redis is back');
    else this.#logger.warn({ err: error }, 'Redis is away: limits are those of this node alone, nothing is cached');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.disconnect();
  }
}

function redisOptions(url: string): RedisOptions & { readonly path?: string } {
  const sentinel = sentinelUrl.exec(url);
  const common: RedisOptions = {
    keyPrefix,
    lazyConnect: true,
    // Nothing waits for a connection, and nothing is sent twice: a token must not be taken for a request that is gone.
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
