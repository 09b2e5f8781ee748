import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';
import { Problem, ProblemError } from '@devlm/protocol/problem.ts';
import { type RouteName, routes } from '@devlm/protocol/routes.ts';
import { NewToken, type TokenInfo } from '@devlm/protocol/tokens.ts';
import { readConfig } from '../../config.ts';
import { claimDataDir, openStore } from '../../context.ts';
import { openKeys, rotateKeys } from './keys.ts';
import { Tokens } from './tokens.ts';

/*
 * `devlm token`: through the server where one runs, which then knows at once; else in its store.
 */

export const tokenHelp = `usage: devlm token create --name NAME [--scopes llm,execute,backend,admin] [--days 90]
       devlm token list
       devlm token revoke ID
       devlm token rotate-key

All take --json and --data-dir. A token is shown once, when it is made. Scopes are the prefixes of the
routes that it opens; without --scopes it is llm alone.
`;

const callTimeoutMs = 10_000;

type Api = Pick<Tokens, 'create' | 'revoke'> & { list(): Promise<TokenInfo[]> };

/** @throws ProblemError */
export async function tokenCommand(args: readonly string[], print: (text: string) => void): Promise<void> {
  const { values, positionals } = parse(args);
  const [command, id, ...rest] = positionals;
  const { dataDir } = readConfig(values['data-dir'] === undefined ? [] : ['--data-dir', values['data-dir']]);
  const show = (value: unknown, text: string) => print(values.json ? `${JSON.stringify(value, null, 2)}\n` : text);
  switch (rest.length === 0 ? command : undefined) {
    case 'create': {
      if (id !== undefined) break;
      const asked = NewToken.safeParse({
        name: values.name,
        scopes: values.scopes.split(','),
        days: Number(values.days),
      });
      if (!asked.success)
        throw usage(asked.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`).join('; '));
      const made = await withApi(dataDir, (api) => api.create(asked.data));
      return show(made, `${made.token}\n`);
    }
    case 'list': {
      if (id !== undefined) break;
      const items = await withApi(dataDir, (api) => api.list());
      return show(items, items.map((item) => `${line(item)}\n`).join(''));
    }
    case 'revoke': {
      if (id === undefined) break;
      const revoked = await withApi(dataDir, (api) => api.revoke(id));
      return show(revoked, `${line(revoked)}\n`);
    }
    case 'rotate-key':
      if (id !== undefined) break;
      if (discoveryOf(dataDir)) throw usage('a server runs on this data folder: end it first');
      rotateKeys(dataDir);
      return;
  }
  throw usage('there is no such command');
}

function line({ id, name, scopes, expiresAt, revokedAt }: TokenInfo): string {
  const state = revokedAt ? `revoked ${revokedAt.slice(0, 10)}` : `until ${expiresAt.slice(0, 10)}`;
  return `${id}  ${state}  ${scopes.join(',')}  ${name}`;
}

/** On a server that runs, else on the store that no server holds. */
async function withApi<T>(dataDir: string, work: (api: Api) => Promise<T>): Promise<T> {
  const discovery = discoveryOf(dataDir);
  if (discovery) {
    const call = caller(discovery);
    return await work({
      create: async (body) => routes['tokens.create'].response.parse(await call('tokens.create', '', body)),
      list: async () => routes['tokens.list'].response.parse(await call('tokens.list')).items,
      revoke: async (id) => routes['tokens.revoke'].response.parse(await call('tokens.revoke', id)),
    });
  }
  using lock = claimDataDir(dataDir);
  if (!lock) throw usage('a server holds the data folder and does not answer yet: try again in a moment');
  const store = await openStore(readConfig(['--data-dir', dataDir]));
  try {
    const tokens = await Tokens.open(() => openKeys(dataDir), store);
    return await work({
      create: (asked) => tokens.create(asked),
      list: async () => tokens.list(),
      revoke: (id) => tokens.revoke(id),
    });
  } finally {
    await store.close();
  }
}

/** Null: no server runs there. */
function discoveryOf(dataDir: string): Discovery | null {
  try {
    const discovery = Discovery.parse(JSON.parse(readFileSync(join(dataDir, discoveryFile), 'utf8')));
    // Throws where the process is gone; the file of a killed server stays behind.
    process.kill(discovery.pid, 0);
    return discovery;
  } catch {
    return null;
  }
}

function caller({ port, secret }: Discovery) {
  return async (name: RouteName, id = '', body?: unknown): Promise<unknown> => {
    const { method, path } = routes[name];
    const response = await fetch(`http://127.0.0.1:${port}${path.replace(/:\w+/, encodeURIComponent(id))}`, {
      method,
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(callTimeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    if (!response.ok) throw new ProblemError(Problem.parse(answer));
    return answer;
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        scopes: { type: 'string', default: 'llm' },
        days: { type: 'string', default: '90' },
        json: { type: 'boolean', default: false },
        'data-dir': { type: 'string' },
      },
    });
  } catch (error) {
    throw usage(error instanceof Error ? (error.message.split('. ')[0] ?? '') : '');
  }
}

function usage(why: string): ProblemError {
  const detail = `devlm token: ${why}. See devlm token --help.`;
  return new ProblemError({ code: 'usage', status: 400, title: 'Wrong command line', detail });
}
