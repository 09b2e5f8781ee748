import { readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Language, languageOf, languages } from '@devlm/protocol/execution.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';

/*
 * The only reader of process.env and of command-line arguments. One row an option: the flag, the
 * environment variable and the key in the configuration file come from the row's name.
 */

/** US dollars for a million tokens. `cacheWrite` is the 5-minute kind, the only one DevLM asks for. */
export const Price = z.object({
  input: z.number().min(0),
  output: z.number().min(0),
  cacheRead: z.number().min(0),
  cacheWrite: z.number().min(0),
});
export type Price = z.infer<typeof Price>;

/** A number in the file, digits elsewhere. An empty text or null is a mistake, not a 0. */
const wholeNumber = (min: number, max: number) =>
  z
    .union([z.number(), z.string().regex(/^\d+$/).transform(Number)], { error: 'expected a whole number' })
    .pipe(z.int().min(min).max(max));
/** Language names and aliases to images. */
const Images = z.record(z.string(), z.string()).transform((images, context) => {
  const known: Partial<Record<Language, string>> = {};
  for (const [name, image] of Object.entries(images)) {
    const language = languageOf(name);
    if (language) known[language] = image;
    else context.addIssue({ code: 'custom', message: `${name} is not a language; they are ${languages.join(', ')}` });
  }
  return known;
});
const imageList = z
  .string()
  .max(8192)
  .regex(/^[^=,]+=[^=,]+(,[^=,]+=[^=,]+)*$/, 'expected language=image,language=image')
  .transform((text) => Object.fromEntries(text.split(',').map((pair) => pair.split('=', 2) as [string, string])));
const flag = z.union([z.boolean(), z.stringbool()]);

interface Option {
  readonly schema: z.ZodType;
  readonly help: string;
  /** Environment variable; default: DEVLM_ and the name in capitals. Null: none. */
  readonly env?: string | null;
  /** Null: not a flag. Secrets are none, because other users can read a process's arguments. */
  readonly flag?: null;
  readonly isSwitch?: true;
}

const options = {
  embedded: {
    schema: flag.default(false),
    help: 'serve one person on this machine (SQLite, loopback)',
    isSwitch: true,
    env: null,
  },
  dataDir: { schema: z.string().min(1).default(defaultDataDir()), help: 'folder for the database, backups and logs' },
  port: { schema: wholeNumber(0, 65_535).default(0), help: 'port on the loopback interface; 0 takes a free one' },
  databaseUrl: {
    schema: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
    help: 'PostgreSQL instead of SQLite, postgres://user:password@host/database',
    flag: null,
  },
  demo: { schema: flag.default(false), help: 'say on every page that the answers are scripted', isSwitch: true },
  apiKey: {
    schema: z.string().min(1).max(4096).optional(),
    help: 'Claude API key',
    env: 'ANTHROPIC_API_KEY',
    flag: null,
  },
  baseUrl: {
    schema: z.url({ protocol: /^https?$/ }).default('https://api.anthropic.com'),
    help: 'where the Messages API is',
    env: 'ANTHROPIC_BASE_URL',
  },
  model: {
    schema: z.string().min(1).max(200).optional(),
    help: 'model of a turn that names none; default: the newest Sonnet listed',
  },
  maxOutputTokens: { schema: wholeNumber(256, 1_000_000).default(32_000), help: 'longest answer, tokens' },
  // Node's own fetch gives up after 300 s of silence, whatever is set here.
  streamIdleMs: { schema: wholeNumber(50, 300_000).default(60_000), help: 'a model stream this quiet is ended, ms' },
  idleExitMs: {
    schema: wholeNumber(0, 86_400_000).default(600_000),
    help: 'exit this long after the last client, ms; 0 never',
  },
  retryBaseMs: {
    schema: wholeNumber(1, 60_000).default(500),
    help: 'first wait before a failed call is made again, ms',
  },
  sandbox: {
    schema: z.enum(['auto', 'docker', 'embedded', 'off']).default('auto'),
    help: 'what runs programs; auto: Docker where an engine answers, else embedded',
  },
  dockerHost: {
    schema: z.string().min(1).max(2048).optional(),
    help: 'Docker engine, unix:///path, tcp://host:port or ssh://user@host',
    env: 'DOCKER_HOST',
  },
  dockerCertPath: {
    schema: z.string().min(1).max(4096).optional(),
    help: 'folder with ca.pem, cert.pem and key.pem for a tcp engine with TLS',
    env: 'DOCKER_CERT_PATH',
  },
  sandboxRuntime: {
    schema: z
      .string()
      .regex(/^[a-zA-Z0-9._-]{1,64}$/)
      .optional(),
    help: "OCI runtime of the containers, such as runsc; default: the engine's own",
  },
  sandboxImages: {
    schema: z
      .union([z.record(z.string(), z.string().min(1).max(512)), imageList])
      .pipe(Images)
      .default({}),
    help: 'language=image,language=image instead of the official ones',
  },
  sandboxConcurrency: {
    schema: wholeNumber(1, 1024).default(Math.max(2, availableParallelism())),
    help: 'programs that run at one time',
  },
  sandboxQueue: { schema: wholeNumber(0, 10_000).default(100), help: 'programs that may wait for their turn' },
  sandboxWarmMin: {
    schema: wholeNumber(0, 64).default(0),
    help: 'containers kept warm for a language in use, at least',
  },
  sandboxWarmMax: { schema: wholeNumber(0, 256).default(4), help: 'containers kept warm for a language, at most' },
  sandboxMemoryMb: { schema: wholeNumber(16, 65_536).default(2_048), help: 'most memory a program may ask for, MiB' },
  sandboxCpus: { schema: wholeNumber(1, 256).default(4), help: 'most processors a program may ask for' },
  sandboxWallMs: {
    schema: wholeNumber(100, 3_600_000).default(300_000),
    help: 'longest time a program may ask for, ms',
  },
  runtimesDir: {
    schema: z.string().min(1).optional(),
    help: 'folder with the embedded runtimes; default: runtimes in the data folder',
  },
  search: {
    schema: z.enum(['claude', 'brave', 'tavily', 'searxng', 'none']).default('claude'),
    help: "what searches the web; claude: the search of the model's provider",
  },
  searchKey: {
    schema: z
      .string()
      .regex(/^[\x21-\x7e]{1,512}$/, 'expected a key without spaces')
      .optional(),
    help: 'API key of Brave Search or Tavily',
    flag: null,
  },
  searxngUrl: {
    schema: z.url({ protocol: /^https?$/ }).optional(),
    help: 'where SearXNG is; it must answer in JSON',
  },
  compactAt: {
    schema: wholeNumber(10, 95).default(80),
    help: "percent of the model's window beyond which the beginning of a conversation is summarised",
  },
  executionKeepDays: { schema: wholeNumber(1, 36_500).default(30), help: 'days that records of runs are kept' },
  mcpStdio: {
    schema: flag.optional(),
    help: 'start MCP servers that editors name as commands; default: only with --embedded',
  },
  mcpCallMs: {
    schema: wholeNumber(100, 3_600_000).default(120_000),
    help: 'a call of an MCP server without news for this long is given up, ms',
  },
  mcpIdleMs: {
    schema: wholeNumber(100, 86_400_000).default(600_000),
    help: 'an MCP server that nobody used for this long is ended, ms',
  },
  logLevel: {
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    help: 'least level that is logged',
  },
  logFile: { schema: z.string().min(1).optional(), help: 'log to this file instead of standard error' },
  prices: {
    schema: z.record(z.string(), Price).default({}),
    help: 'model id prefix -> US dollars a million tokens (file only)',
    env: null,
    flag: null,
  },
} as const satisfies Record<string, Option>;

type Name = keyof typeof options;
export type Config = { readonly [N in Name]: z.output<(typeof options)[N]['schema']> };

const names = Object.keys(options) as Name[];
const row = (name: Name): Option => options[name];
const flagOf = (name: Name): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const envOf = (name: Name): string | null => {
  const { env } = row(name);
  return env === undefined ? `DEVLM_${flagOf(name).replaceAll('-', '_').toUpperCase()}` : env;
};

/** One place for a user, whatever the editor: every window shares the server that it belongs to. */
export function defaultDataDir(env: NodeJS.ProcessEnv = process.env, platform = process.platform): string {
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'DevLM');
  if (platform === 'win32') return join(env['APPDATA'] ?? join(homedir(), 'AppData', 'Roaming'), 'DevLM');
  return join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'devlm');
}

export const helpText = `usage: devlm serve [options]
       devlm doctor [--json] [options]
       devlm token --help

Flags count before the environment, the environment before the file <data-dir>/config.json.

${names
  .map((name) => {
    const left = row(name).flag === null ? `  (${name})` : `  --${flagOf(name)}${row(name).isSwitch ? '' : ' VALUE'}`;
    const env = envOf(name);
    return `${left.padEnd(28)} ${row(name).help}${env ? `  [${env}]` : ''}`;
  })
  .join('\n')}
`;

/** `code: config_invalid`, naming the key, where it was set and what is allowed. */
function invalid(name: string, where: string, why: string): ProblemError {
  return new ProblemError({
    code: 'config_invalid',
    status: 400,
    title: 'Wrong configuration',
    detail: `${name} (${where}): ${why}. See devlm serve --help.`,
  });
}

/**
 * @param args what stands after `serve` on the command line
 * @throws ProblemError `config_invalid`
 */
export function readConfig(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Config {
  const flags = readFlags(args);
  // The file's place depends on one option, which therefore cannot stand in the file.
  const dataDir = resolve(String(flags['dataDir'] ?? env['DEVLM_DATA_DIR'] ?? defaultDataDir(env)));
  const file = readFile(join(dataDir, 'config.json'));
  const config: Record<string, unknown> = {};
  for (const name of names) {
    const variable = envOf(name);
    const fromEnv = variable === null ? undefined : env[variable] || undefined;
    const [value, where] =
      flags[name] !== undefined
        ? [flags[name], `--${flagOf(name)}`]
        : fromEnv !== undefined
          ? [fromEnv, `environment variable ${variable}`]
          : [file[name], 'config.json'];
    const checked = row(name).schema.safeParse(value);
    if (!checked.success) throw invalid(name, where, sentence(checked.error));
    config[name] = checked.data;
  }
  config['dataDir'] = dataDir;
  // Each key was checked by its own row just above.
  return config as Config;
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
    // Going on without it could mean another database.
    throw invalid('config.json', path, `cannot be read: ${error instanceof Error ? error.message : ''}`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid('config.json', path, `not JSON: ${error instanceof Error ? error.message : ''}`);
  }
  const object = z.record(z.string(), z.unknown()).safeParse(parsed);
  if (!object.success) throw invalid('config.json', path, 'must be a JSON object');
  if (Object.hasOwn(object.data, 'dataDir')) throw invalid('dataDir', path, 'cannot stand in the file that is in it');
  const unknown = Object.keys(object.data).find((key) => !Object.hasOwn(options, key));
  if (unknown !== undefined) throw invalid(unknown, path, `is not an option; the options are ${names.join(', ')}`);
  return object.data;
}

function sentence(error: z.ZodError): string {
  return error.issues.map((issue) => [issue.path.join('.'), issue.message].filter(Boolean).join(': ')).join('; ');
}
