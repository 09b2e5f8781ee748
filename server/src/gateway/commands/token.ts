import { NewToken, type TokenInfo } from '@devlm/protocol/tokens.ts';
import { type Command, readCommandLine, type Terminal, word, yes } from './command-line.ts';
import { withIdentityApi } from './identity-api.ts';

const help = `usage: devlm token create --name NAME [--scopes llm,execute,backend,admin] [--days 90] [--user NAME]
       devlm token list
       devlm token revoke ID
       devlm token rotate-key [--forget]

All commands accept --json and --data-dir. A token is shown only once, when it is created. Scopes are the prefixes of
the routes that the token gives access to; default: llm. --user names the user of the token; default: the server itself.
rotate-key creates a new signing key; existing tokens stay valid. With --forget the older keys are deleted, and every
token must be created again.
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
      return call.say(rotated, `New tokens are signed with the key ${rotated.kid}.\n`);
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
