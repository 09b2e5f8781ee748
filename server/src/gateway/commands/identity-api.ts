import type { TokenInfo } from '@devlm/protocol/tokens.ts';
import type { UserInfo } from '@devlm/protocol/users.ts';
import { Tokens } from '../identity/tokens.ts';
import type { Invocation } from './command-line.ts';
import { callServer, discoveryOf } from './local-server.ts';

/** Operations of commands on users and tokens. */
export interface IdentityApi extends Pick<Tokens, 'create' | 'revoke' | 'rotateKey' | 'addUser' | 'disableUser'> {
  list(): Promise<TokenInfo[]>;
  users(): Promise<UserInfo[]>;
}

/** Runs `work` through the running server, or on the store if there is none. */
export async function withIdentityApi<T>(call: Invocation, work: (api: IdentityApi) => Promise<T>): Promise<T> {
  const server = discoveryOf(call.config.dataDir);
  if (server)
    return work({
      create: (body) => callServer(server, 'tokens.create', { body }),
      list: async () => (await callServer(server, 'tokens.list')).items,
      revoke: (id) => callServer(server, 'tokens.revoke', { id }),
      rotateKey: (body) => callServer(server, 'tokens.rotateKey', { body }),
      addUser: (body) => callServer(server, 'users.add', { body }),
      users: async () => (await callServer(server, 'users.list')).items,
      disableUser: (id) => callServer(server, 'users.disable', { id }),
    });
  return call.withStore(async (store) => {
    const tokens = await Tokens.open(store, call.config.dataDir);
    return work({
      create: (asked) => tokens.create(asked),
      list: async () => tokens.list(),
      revoke: (id) => tokens.revoke(id),
      rotateKey: (how) => tokens.rotateKey(how),
      addUser: (user) => tokens.addUser(user),
      users: async () => tokens.users(),
      disableUser: (id) => tokens.disableUser(id),
    });
  });
}
