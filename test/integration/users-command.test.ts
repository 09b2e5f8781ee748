import { TokenInfo } from '@devlm/protocol/tokens.ts';
import { UserInfo } from '@devlm/protocol/users.ts';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { devlm } from '../support/devlm.ts';
import { TestServer } from '../support/server.ts';

test('users are added, listed and disabled, beside a running server and without one', {
  timeout: 120_000,
}, async () => {
  await using server = await TestServer.start({ team: true });
  const { dataDir } = server;
  const json = async (...args: string[]): Promise<unknown> => {
    const { code, out, err } = await devlm(dataDir, [...args, '--json']);
    expect({ args, code, err }).toEqual({ args, code: 0, err: '' });
    return JSON.parse(out);
  };
  const ann = UserInfo.parse(await json('user', 'add', 'ann', '--role', 'admin', '--email', 'ann@example.org'));
  expect(ann).toMatchObject({ name: 'ann', role: 'admin', email: 'ann@example.org', disabledAt: null });
  const made = await json('token', 'create', '--name', 'hers', '--user', 'ann', '--scopes', 'admin');
  const { token, info } = z.object({ token: z.string(), info: TokenInfo }).parse(made);
  expect(info.userId).toBe(ann.id);
  const status = async () =>
    (await fetch(`${server.origin}/admin/users`, { headers: { authorization: `Bearer ${token}` } })).status;
  expect(await status()).toBe(200);

  await server.kill('SIGTERM');
  expect(UserInfo.parse(await json('user', 'add', 'bob'))).toMatchObject({ role: 'member', email: null });
  expect(UserInfo.parse(await json('user', 'disable', 'ann')).disabledAt).not.toBeNull();
  const names = z.array(UserInfo).parse(await json('user', 'list'));
  expect(names.map(({ name }) => name)).toEqual(['ann', 'bob', 'local']);
  await server.start();
  expect(await status()).toBe(401);

  for (const args of [
    ['add'],
    ['add', 'ann'],
    ['add', 'two words'],
    ['add', 'eve', '--role', 'owner'],
    ['add', 'eve', '--email', 'nowhere'],
    ['disable', 'nobody'],
    ['disable', 'local'],
    ['list', 'extra'],
    ['forget', 'ann'],
  ]) {
    const { code, out, err } = await devlm(dataDir, ['user', ...args]);
    expect({ args, code, out }).toEqual({ args, code: 1, out: '' });
    expect(err).toContain('"problem"');
  }
  const foreign = await devlm(dataDir, ['token', 'create', '--name', 'x', '--user', 'nobody']);
  expect(foreign).toMatchObject({ code: 1, err: expect.stringContaining('The user does not exist or is disabled') });
});
