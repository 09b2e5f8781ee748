import { readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfiguredInstances, NewInstance } from '@devlm/protocol/instances.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';
import {
  addressBlock,
  DatedPrice,
  flag,
  flagUrl,
  ImageOverrides,
  imageList,
  isLoopback,
  listenAddress,
  Price,
  RateLimitValue,
  redisUrl,
  wholeNumber,
} from './config-values.ts';

/*
 * The only reader of process.env and of command-line arguments. Each option is one row of a table. The names of its flag,
 * its environment variable and its key in the configuration file are derived from the name of the row.
 */

interface Option {
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

const options = {
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

type Name = keyof typeof options;
type Checked = { readonly [N in Name]: z.output<(typeof options)[N]['schema']> };
/** The validated configuration of a server, with defaults. */
export type Config = Omit<Checked, 'instances'> & { readonly instances: readonly NewInstance[] };

const names = Object.keys(options) as Name[];
const row = (name: Name): Option => options[name];
const flagOf = (name: Name): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const envOf = (name: Name): string | null => {
  const { env } = row(name);
  return env === undefined ? `DEVLM_${flagOf(name).replaceAll('-', '_').toUpperCase()}` : env;
};

/** Returns the default data folder of the user. It is the same for every editor, so that all windows share one server. */
export function defaultDataDir(env: NodeJS.ProcessEnv = process.env, platform = process.platform): string {
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'DevLM');
  if (platform === 'win32') return join(env['APPDATA'] ?? join(homedir(), 'AppData', 'Roaming'), 'DevLM');
  return join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'devlm');
}

/** Output of `devlm --help`. */
export const helpText = `usage: devlm serve [options]
       devlm doctor [--json] [options]
       devlm user --help
       devlm token --help
       devlm instance --help
       devlm usage --help
       devlm budget --help

Flags override environment variables, which override the file <data-dir>/config.json.

${names
  .map((name) => {
    const left = row(name).flag === null ? `  (${name})` : `  --${flagOf(name)}${row(name).isSwitch ? '' : ' VALUE'}`;
    const env = envOf(name);
    return `${left.padEnd(28)} ${row(name).help}${env ? `  [${env}]` : ''}`;
  })
  .join('\n')}
`;

/** Creates the error `config_invalid`, which names the option, its source and what is wrong. */
function invalid(name: string, where: string, why: string): ProblemError {
  return new ProblemError({
    code: 'config_invalid',
    status: 400,
    title: 'Invalid configuration',
    detail: `${name} (${where}): ${why}. See devlm serve --help.`,
  });
}

/**
 * Reads and validates the configuration. Flags take precedence over the environment, which takes precedence over the file.
 * @param args the arguments after `serve`
 * @throws ProblemError `config_invalid`
 */
export function readConfig(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Config {
  const flags = readFlags(args);
  // The path of the file depends on this option, which therefore cannot be set in the file.
  const dataDir = resolve(String(flags['dataDir'] ?? env['DEVLM_DATA_DIR'] ?? defaultDataDir(env)));
  const file = readFile(join(dataDir, 'config.json'));
  const config: Record<string, unknown> = {};
  for (const name of names) {
    const [value, where] =
      flags[name] !== undefined
        ? [flags[name], `--${flagOf(name)}`]
        : (fromEnvironment(name, env) ?? [file[name], 'config.json']);
    const flagCheck = flags[name] === undefined ? undefined : row(name).flag?.safeParse(value);
    if (flagCheck && !flagCheck.success) throw invalid(name, where, sentence(flagCheck.error));
    const result = row(name).schema.safeParse(value);
    if (!result.success) throw invalid(name, where, sentence(result.error));
    config[name] = result.data;
  }
  config['dataDir'] = dataDir;
  if (config['embedded'] === true && !isLoopback(String(config['host'])))
    throw invalid('host', '--embedded', 'with --embedded, expected a loopback address such as 127.0.0.1');
  config['instances'] = withKeys(config['instances'] as Checked['instances'], env);
  // Each option was validated by its own schema above.
  return config as Config;
}

/** Returns the value of an option and its source; null if the environment has none. */
function fromEnvironment(name: Name, env: NodeJS.ProcessEnv): [value: string, where: string] | null {
  const variable = envOf(name);
  if (variable === null) return null;
  const value = env[variable];
  if (value) return [value, `environment variable ${variable}`];
  const path = row(name).isSecret ? env[`${variable}_FILE`] : undefined;
  if (!path) return null;
  try {
    return [readFileSync(path, 'utf8').trim(), `file ${path}`];
  } catch (error) {
    throw invalid(name, `${variable}_FILE`, `cannot be read: ${error instanceof Error ? error.message : ''}`);
  }
}

/** Replaces the names of environment variables with the API keys in them. */
function withKeys(instances: Checked['instances'], env: NodeJS.ProcessEnv): NewInstance[] {
  return instances.map(({ apiKeyEnv, ...instance }) => {
    const apiKey = apiKeyEnv === undefined ? instance.apiKey : env[apiKeyEnv]?.trim();
    const wrong = (why: string) => invalid('instances', 'config.json', `${instance.id}: ${why}`);
    if (apiKeyEnv !== undefined && !apiKey) throw wrong(`the environment variable ${apiKeyEnv} contains no key`);
    const result = NewInstance.safeParse({ ...instance, apiKey });
    if (!result.success) throw wrong(sentence(result.error));
    return result.data;
  });
}

function readFlags(args: readonly string[]): Partial<Record<Name, unknown>> {
  const byFlag = new Map(names.filter((name) => row(name).flag !== null).map((name) => [flagOf(name), name]));
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      options: Object.fromEntries(
        [...byFlag].map(([flag, name]) => [flag, { type: row(name).isSwitch ? 'boolean' : 'string' }]),
      ),
    });
    return Object.fromEntries(Object.entries(values).map(([flag, value]) => [byFlag.get(flag), value]));
  } catch (error) {
    throw invalid(
      'command line',
      args.join(' ').slice(0, 200),
      error instanceof Error ? (error.message.split('. ')[0] ?? '') : '',
    );
  }
}

function readFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    // Starting without the file could mean using another database.
    throw invalid('config.json', path, `cannot be read: ${error instanceof Error ? error.message : ''}`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid('config.json', path, `is not valid JSON: ${error instanceof Error ? error.message : ''}`);
  }
  const object = z.record(z.string(), z.unknown()).safeParse(parsed);
  if (!object.success) throw invalid('config.json', path, 'must be a JSON object');
  if (Object.hasOwn(object.data, 'dataDir'))
    throw invalid('dataDir', path, 'cannot be set in this file, because the file is in the data folder');
  const unknown = Object.keys(object.data).find((key) => !Object.hasOwn(options, key));
  if (unknown !== undefined) throw invalid(unknown, path, `is not an option. Options: ${names.join(', ')}`);
  return object.data;
}

function sentence(error: z.ZodError): string {
  return error.issues.map((issue) => [issue.path.join('.'), issue.message].filter(Boolean).join(': ')).join('; ');
}
