import { NewToken, type TokenInfo } from '@devlm/protocol/tokens.ts';
import { type Command, readCommandLine, type Terminal, word, yes } from './command-line.ts';
import { withIdentityApi } from './identity-api.ts';

const help = `usage: devlm token create --name NAME [--scopes llm,execute,backend,admin] [--days 90] [--user NAME]
       devlm token list
       devlm token revoke ID
       devlm token rotate-key [--forget]

All take --json and --data-dir. A token is shown once, when it is made. Scopes are the prefixes of the
routes that it opens; without --scopes it is llm alone. --user names whose it is; without it, the server's own.
rotate-key makes a new key that signs from now on; tokens made before go on. With --forget the older keys are removed,
and every token has to be made again.
`;

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { call, values, positionals } = readCommandLine('token', args, terminal, {
    name: word,
    scopes: { type: 'string', default: 'llm' },
    days: { type: 'string', default: '90' },
    user: word,
    forget: yes,
  });
  const [command, id, ...rest] = positionals;
  switch (rest.length === 0 ? command : undefined) {
    case 'create': {
      if (id !== undefined) break;
      const asked = call.check(NewToken, {
        name: values.name,
        scopes: values.scopes.split(','),
        days: Number(values.days),
        user: values.user,
      });
      const made = await withIdentityApi(call, (api) => api.create(asked));
      return call.say(made, `${made.token}\n`);
    }
    case 'list': {
      if (id !== undefined) break;
      const items = await withIdentityApi(call, (api) => api.list());
      return call.say(items, items.map((item) => `${line(item)}\n`).join(''));
    }
    case 'revoke': {
      if (id === undefined) break;
      const revoked = await withIdentityApi(call, (api) => api.revoke(id));
      return call.say(revoked, `${line(revoked)}\n`);
    }
    case 'rotate-key': {
      if (id !== undefined) break;
      const rotated = await withIdentityApi(call, (api) => api.rotateKey({ forget: values.forget }));
      return call.say(rotated, `The key ${rotated.kid} signs from now on.\n`);
    }
  }
  throw call.wrong();
}

function line({ id, name, scopes, expiresAt, revokedAt }: TokenInfo): string {
  const state = revokedAt ? `revoked ${revokedAt.slice(0, 10)}` : `until ${expiresAt.slice(0, 10)}`;
  return `${id}  ${state}  ${scopes.join(',')}  ${name}`;
}

/** The command `devlm token`. */
export const tokenCommand: Command = { help, run };
