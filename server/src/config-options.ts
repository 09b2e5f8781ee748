import { availableParallelism, homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfiguredInstances } from '@devlm/protocol/instances.ts';
import * as z from 'zod';
import {
  addressBlock,
  DatedPrice,
  flag,
  flagUrl,
  ImageOverrides,
  imageList,
  listenAddress,
  Price,
  RateLimitValue,
  redisUrl,
  wholeNumber,
} from './config-values.ts';

/*
 * The table of options. The names of the flag and of the environment variable of an option are derived from its name.
 */

/** Returns the default data folder of the user. It is the same for every editor, so that all windows share one server. */
export function defaultDataDir(env: NodeJS.ProcessEnv = process.env, platform = process.platform): string {
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'DevLM');
  if (platform === 'win32') return join(env['APPDATA'] ?? join(homedir(), 'AppData', 'Roaming'), 'DevLM');
  return join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'devlm');
}

/** A row of the table. */
export interface Option {
  readonly schema: z.ZodType;
  readonly help: string;
  /** Environment variable; null for none. Default: DEVLM_ and the name in capitals. */
  readonly env?: string | null;
  /** Additional schema for the value of the flag; null for no flag. Secrets have none: other users can read arguments. */
  readonly flag?: z.ZodType | null;
  /** Whether the value may be in a file that the environment variable with the suffix _FILE names, as with Docker secrets. */
  readonly isSecret?: true;
  /** Whether the flag takes no value. */
  readonly isSwitch?: true;
}

/** All options by name, which is also their key in the configuration file. */
export const options = {
  embedded: {
    schema: flag.default(false),
    help: 'serve a single user on this machine, with SQLite and on a loopback address',
    isSwitch: true,
    env: null,
  },
  dataDir: { schema: z.string().min(1).default(defaultDataDir()), help: 'folder for the database, backups and logs' },
  workspacesDir: {
    schema: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional(),
    help: 'folder for the files of projects that have no editor; default: the folder "workspaces" in the data folder',
  },
  host: {
    schema: listenAddress.default('127.0.0.1'),
    help: 'IP address to listen on; 0.0.0.0 means all. For TLS, put a reverse proxy in front. Not with --embedded',
  },
  port: { schema: wholeNumber(0, 65_535).default(0), help: 'port to listen on; 0 selects a free port' },
  metricsPort: {
    schema: wholeNumber(1, 65_535).optional(),
    help: 'port that serves /metrics to Prometheus without authentication; default: none',
  },
  databaseUrl: {
    schema: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
    help: 'URL of a PostgreSQL database to use instead of SQLite: postgres://user:password@host/database',
    flag: flagUrl,
    isSecret: true,
  },
  answerCacheMinutes: {
    schema: wholeNumber(0, 10_080).default(30),
    help: 'time for which an answer of the Messages API is cached for identical requests, in minutes; 0 disables the cache',
  },
  redisUrl: {
    schema: z.string().max(4096).regex(redisUrl, 'expected a Redis URL').optional(),
    help: 'URL of the Redis server that nodes share: redis://, rediss://, or redis+sentinel://host:port,host:port/name',
    flag: flagUrl,
    isSecret: true,
  },
  trustedProxies: {
    schema: z
      .union([z.array(z.string()), z.string().transform((text) => text.split(','))])
      .pipe(z.array(addressBlock).max(100))
      .default([]),
    help: 'proxies whose X-Forwarded-For header is trusted, separated by commas: addresses, blocks such as 10.0.0.0/8, loopback',
  },
  limitAddress: {
    schema: RateLimitValue.optional(),
    help: 'RATE,BURST: limit of unauthenticated requests per second from one address; default: 10,5',
  },
  limitUser: {
    schema: RateLimitValue.optional(),
    help: 'RATE,BURST: limit of requests per second of one user, for each kind of route; default: 10,5',
  },
  limitGlobal: {
    schema: RateLimitValue.optional(),
    help: 'RATE,BURST: limit of requests per second of all users; default: 100,10. With --embedded all three are 1000,2000',
  },
  dataKey: {
    schema: z.string().min(1).max(100).optional(),
    help: 'key that encrypts stored secrets, 32 bytes in base64; default: the file data.key in the data folder',
    flag: null,
    isSecret: true,
  },
  demo: { schema: flag.default(false), help: 'show a notice that the answers are scripted', isSwitch: true },
  apiKey: {
    schema: z.string().min(1).max(4096).optional(),
    help: 'Claude API key',
    env: 'ANTHROPIC_API_KEY',
    flag: null,
    isSecret: true,
  },
  baseUrl: {
    schema: z.url({ protocol: /^https?$/ }).default('https://api.anthropic.com'),
    help: 'base URL of the Messages API',
    env: 'ANTHROPIC_BASE_URL',
  },
  model: {
    schema: z.string().min(1).max(200).optional(),
    help: 'model of a turn that does not name one; default: the newest Sonnet in the list of models',
  },
  maxOutputTokens: {
    schema: wholeNumber(256, 1_000_000).default(32_000),
    help: 'maximum length of an answer, in tokens',
  },
  // Node's own fetch fails after 300 s of silence, whatever this option says.
  streamIdleMs: {
    schema: wholeNumber(50, 300_000).default(60_000),
    help: 'time without data after which a stream of the model is ended, in ms',
  },
  idleExitMs: {
    schema: wholeNumber(0, 86_400_000).optional(),
    help: 'time after the last client before the server exits, in ms; 0 disables it; default: 600000 with --embedded, else 0',
  },
  retryBaseMs: {
    schema: wholeNumber(1, 60_000).default(500),
    help: 'delay before the first retry of a failed call, in ms',
  },
  sandbox: {
    schema: z.enum(['auto', 'docker', 'embedded', 'off']).default('auto'),
    help: 'sandbox that runs programs; auto: Docker if an engine is available, else embedded',
  },
  dockerHost: {
    schema: z.string().min(1).max(2048).optional(),
    help: 'address of the Docker engine: unix:///path, tcp://host:port or ssh://user@host',
    env: 'DOCKER_HOST',
  },
  dockerCertPath: {
    schema: z.string().min(1).max(4096).optional(),
    help: 'folder with ca.pem, cert.pem and key.pem, for a Docker engine on tcp:// with TLS',
    env: 'DOCKER_CERT_PATH',
  },
  sandboxRuntime: {
    schema: z
      .string()
      .regex(/^[a-zA-Z0-9._-]{1,64}$/)
      .optional(),
    help: "OCI runtime of the containers, such as runsc; default: the engine's default",
  },
  sandboxImages: {
    schema: z
      .union([z.record(z.string(), z.string().min(1).max(512)), imageList])
      .pipe(ImageOverrides)
      .default({}),
    help: 'container images to use instead of the official ones: language=image,language=image',
  },
  sandboxConcurrency: {
    schema: wholeNumber(1, 1024).default(Math.max(2, availableParallelism())),
    help: 'maximum number of programs that run at the same time',
  },
  sandboxQueue: { schema: wholeNumber(0, 10_000).default(100), help: 'maximum number of programs that wait to run' },
  sandboxWarmMin: {
    schema: wholeNumber(0, 64).default(0),
    help: 'minimum number of containers kept ready for a language in use',
  },
  sandboxWarmMax: {
    schema: wholeNumber(0, 256).default(4),
    help: 'maximum number of containers kept ready for a language',
  },
  sandboxMemoryMb: {
    schema: wholeNumber(16, 65_536).default(2_048),
    help: 'maximum memory that a program can request, in MiB',
  },
  sandboxCpus: {
    schema: wholeNumber(1, 256).default(4),
    help: 'maximum number of processors that a program can request',
  },
  sandboxWallMs: {
    schema: wholeNumber(100, 3_600_000).default(300_000),
    help: 'maximum run time that a program can request, in ms',
  },
  runtimesDir: {
    schema: z.string().min(1).optional(),
    help: 'folder of the embedded runtimes; default: the folder "runtimes" in the data folder',
  },
  search: {
    schema: z.enum(['claude', 'brave', 'tavily', 'searxng', 'none']).default('claude'),
    help: "web search engine; claude: the search of the model's provider",
  },
  searchKey: {
    schema: z
      .string()
      .regex(/^[\x21-\x7e]{1,512}$/, 'expected a key without spaces')
      .optional(),
    help: 'API key of Brave Search or Tavily',
    flag: null,
    isSecret: true,
  },
  searxngUrl: {
    schema: z.url({ protocol: /^https?$/ }).optional(),
    help: 'URL of a SearXNG server with the JSON format enabled',
  },
  compactAt: {
    schema: wholeNumber(10, 95).default(80),
    help: "percentage of the model's context window beyond which the beginning of a conversation is summarized",
  },
  sentinel: {
    schema: flag.default(true),
    help: 'ask the user before a turn continues that shows unusual costs, a failing prompt cache or repetition',
  },
  executionKeepDays: {
    schema: wholeNumber(1, 36_500).default(30),
    help: 'number of days for which records of program runs are kept',
  },
  mcpStdio: {
    schema: flag.optional(),
    help: 'start MCP servers that editors configure as commands; default: only with --embedded',
  },
  mcpCallMs: {
    schema: wholeNumber(100, 3_600_000).default(120_000),
    help: 'time without progress after which a call to an MCP server is abandoned, in ms',
  },
  mcpIdleMs: {
    schema: wholeNumber(100, 86_400_000).default(600_000),
    help: 'idle time after which an MCP server is stopped, in ms',
  },
  logLevel: {
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    help: 'minimum level of log messages',
  },
  logFile: { schema: z.string().min(1).optional(), help: 'file to log to instead of standard error' },
  prices: {
    schema: z.record(z.string(), z.union([Price, z.array(DatedPrice).min(1).max(100)])).default({}),
    help: 'prices by model id prefix, in US dollars per million tokens, or a list of prices with start dates (file only)',
    env: null,
    flag: null,
  },
  instances: {
    schema: ConfiguredInstances.default([]),
    help: 'more Claude credentials and endpoints: id, provider, apiKey or apiKeyEnv, models, … (file only)',
    env: null,
    flag: null,
  },
  aliases: {
    schema: z.record(z.string().max(200), z.array(z.string().min(1).max(200)).max(10)).default({}),
    help: 'models by alias, the preferred one first (file only)',
    env: null,
    flag: null,
  },
} as const satisfies Record<string, Option>;
