import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { NewInstance } from '@devlm/protocol/instances.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';
import { defaultDataDir, type Option, options } from './config-options.ts';
import { isLoopback } from './config-values.ts';

/* The only reader of process.env and of command-line arguments. */

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
