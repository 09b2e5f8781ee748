import { NewUser, type UserInfo } from '@devlm/protocol/users.ts';
import { type Command, readCommandLine, type Terminal, word } from './command-line.ts';
import { withIdentityApi } from './identity-api.ts';

const help = `usage: devlm user add NAME [--role admin|member] [--email ADDRESS]
       devlm user list
       devlm user disable NAME

All commands accept --json and --data-dir. Default for --role: member. To create a token for a user, run
devlm token create --user NAME.
Tokens of a disabled user are no longer valid.
`;

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { call, values, positionals } = readCommandLine('user', args, terminal, { role: word, email: word });
  const [command, name, ...rest] = positionals;
  const show = (users: readonly UserInfo[], value: unknown) => call.say(value, users.map(line).join(''));
  if (rest.length > 0 || (command === 'list') !== (name === undefined)) throw call.wrong();
  switch (command) {
    case 'add': {
      const asked = call.check(NewUser, { name, role: values.role, email: values.email });
      const made = await withIdentityApi(call, (api) => api.addUser(asked));
      return show([made], made);
    }
    case 'list': {
      const items = await withIdentityApi(call, (api) => api.users());
      return show(items, items);
    }
    case 'disable': {
      const disabled = await withIdentityApi(call, async (api) => {
        const user = (await api.users()).find((one) => one.name === name);
        if (!user) throw call.wrong('the user does not exist');
        return api.disableUser(user.id);
      });
      return show([disabled], disabled);
    }
  }
  throw call.wrong();
}

function line({ id, name, role, disabledAt }: UserInfo): string {
  return `${id}  ${role}  ${name}${disabledAt ? `  disabled ${disabledAt.slice(0, 10)}` : ''}\n`;
}

/** The command `devlm user`. */
export const userCommand: Command = { help, run };
