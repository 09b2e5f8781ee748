import type { EditorHello } from '@devlm/protocol/editor.ts';
import * as z from 'zod';
import { sha256Hex } from '../../../sha256.ts';

/*
 * Reads the MCP servers that a window names in the user's settings and in files of the workspace, in the format of
 * VS Code's mcp.json.
 */

const Text = z.string().max(8192);
const Stdio = z.object({
  type: z.literal('stdio').optional(),
  command: z.string().min(1).max(4096),
  args: z.array(Text).max(200).default([]),
  /** A null value counts as absent. */
  env: z.record(z.string().regex(/^\w+$/).max(200), z.union([Text, z.number(), z.null()])).default({}),
  cwd: z.string().min(1).max(4096).optional(),
});
const Http = z.object({
  type: z.enum(['http', 'sse']).default('http'),
  url: z.string().min(1).max(4096),
  headers: z.record(z.string().min(1).max(200), Text).default({}),
});
const ServerConfig = z.union([Stdio, Http], { error: 'its configuration needs a command or a url' });
type ServerConfig = z.infer<typeof ServerConfig>;

const ServerMap = z.record(z.string().min(1).max(100), z.unknown());
/** The configuration files of a workspace, as an editor window sends them; `content` is null for an invalid file. */
const WorkspaceConfigFiles = z
  .array(z.object({ path: z.string().max(4096), content: z.object({ servers: ServerMap.default({}) }).nullable() }))
  .max(100);

/** Maximum number of servers per project. */
const maxServers = 20;

/** How a server is reached, with all variables substituted. */
export type ServerTarget =
  | {
      readonly kind: 'stdio';
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string | undefined;
    }
  | {
      readonly kind: 'http';
      readonly url: URL;
      readonly headers: Readonly<Record<string, string>>;
      /** Whether only the older transport, server-sent events, is tried. */
      readonly sse: boolean;
    };

/** A server in the configuration of a window. */
export interface NamedServer {
  readonly name: string;
  /** Its part of the names of its tools. */
  readonly slug: string;
  readonly from: 'user' | 'workspace';
  /** The command line or the address as written, without the values of variables. */
  readonly shown: string;
  /** Hash of the configuration as written. An agreement to start the server is valid for this hash only. */
  readonly hash: string;
  readonly target: ServerTarget;
}

/** A server that cannot be used, with the reason. */
export interface UnusableServer {
  readonly name: string;
  readonly why: string;
}

/** Parses the servers of a window. If two have the same name, the one in the user's settings takes precedence. */
export function readServers(
  mcp: EditorHello['mcp'],
  options: { readonly stdio: boolean; readonly folder: string | null },
): { servers: NamedServer[]; unusable: UnusableServer[] } {
  const servers: NamedServer[] = [];
  const unusable: UnusableServer[] = [];
  for (const { name, from, config } of configuredServers(mcp, unusable)) {
    const slug = slugOf(name);
    const refused = servers.some((server) => server.slug === slug)
      ? 'another server has the same name'
      : servers.length === maxServers
        ? `there are more than ${maxServers} servers`
        : 'command' in config && !options.stdio
          ? 'this DevLM server does not start programs for editors'
          : null;
    if (refused !== null) {
      unusable.push({ name, why: refused });
      continue;
    }
    try {
      const target = targetOf(config, mcp?.variables ?? {}, options.folder);
      const hash = sha256Hex(JSON.stringify([name, config]));
      servers.push({ name, slug, from, shown: shownOf(config), hash, target });
    } catch (error) {
      unusable.push({ name, why: error instanceof Error ? error.message : String(error) });
    }
  }
  return { servers, unusable };
}

function configuredServers(mcp: EditorHello['mcp'], unusable: UnusableServer[]) {
  const found: { name: string; from: NamedServer['from']; config: ServerConfig }[] = [];
  const add = (from: NamedServer['from'], servers: Readonly<Record<string, unknown>>) => {
    for (const [name, value] of Object.entries(servers)) {
      const config = ServerConfig.safeParse(value);
      if (config.success) found.push({ name, from, config: config.data });
      else unusable.push({ name, why: config.error.issues[0]?.message ?? 'its configuration is not valid' });
    }
  };
  const user = ServerMap.safeParse(mcp?.user ?? {});
  if (user.success) add('user', user.data);
  else unusable.push({ name: 'devlm.mcp.servers', why: 'the value of the setting is not valid' });
  const files = WorkspaceConfigFiles.safeParse(mcp?.workspace ?? []);
  for (const { path, content } of files.data ?? []) {
    if (content) add('workspace', content.servers);
    else unusable.push({ name: path.slice(0, 100), why: 'the file is not valid' });
  }
  if (!files.success) unusable.push({ name: 'mcp.json', why: 'the file does not have the form {"servers": {...}}' });
  return found;
}

function targetOf(
  config: ServerConfig,
  variables: Readonly<Record<string, string>>,
  folder: string | null,
): ServerTarget {
  const fill = (text: string) => substitute(text, variables);
  const fillAll = (values: Readonly<Record<string, string | number | null>>) =>
    Object.fromEntries(
      Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [[name, fill(String(value))]])),
    );
  if ('command' in config) {
    const { command, args, env, cwd } = config;
    return {
      kind: 'stdio',
      command: fill(command),
      args: args.map(fill),
      env: fillAll(env),
      cwd: cwd === undefined ? (folder ?? undefined) : fill(cwd),
    };
  }
  const address = fill(config.url);
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new Error('its url is not an http or https address');
  return { kind: 'http', url, headers: fillAll(config.headers), sse: config.type === 'sse' };
}

function substitute(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{([^}]{1,300})\}/g, (_, name: string) => {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (value === undefined) throw new Error(`the variable \${${name}} is not defined`);
    return value;
  });
}

/** Returns a server as it is shown to the user who is asked. Values may be secrets, therefore only names are shown. */
function shownOf(config: ServerConfig): string {
  const [first, values] =
    'command' in config
      ? [[config.command, ...config.args].map(quoted).join(' '), config.env]
      : [config.url, config.headers];
  const names = Object.entries(values).map(([name, value]) => [name, ...variablesIn(String(value))].join(' '));
  const where = 'command' in config && config.cwd !== undefined ? `\nin ${config.cwd}` : '';
  return `${first}${where}${names.length > 0 ? `\nwith ${names.join(', ')}` : ''}`;
}

/** Returns the variables that a value refers to. */
const variablesIn = (value: string): string[] => value.match(/\$\{[^}]{1,300}\}/g) ?? [];

const quoted = (word: string): string => (/^[\w@%+=:,./$-]+$/.test(word) ? word : JSON.stringify(word));

/**
 * Returns the part of a tool's name that stands for the server. It never has two underscores in a row, which separate
 * the parts.
 */
function slugOf(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9-]+/g, '_').slice(0, 24);
}
