import { describe, expect, it } from 'vitest';
import {
  hostOf,
  isOpenToOthers,
  parseAddress,
  parseConnectLink,
  parseToken,
} from '../../extension/src/connection/address.ts';
import { accountOf, Profiles, profilesSecret } from '../../extension/src/connection/profiles.ts';

describe('the address of a server', () => {
  it.each([
    ['devlm.example.com', 'https://devlm.example.com'],
    [' https://DevLM.example.com/ ', 'https://devlm.example.com'],
    ['https://devlm.example.com:8443', 'https://devlm.example.com:8443'],
    ['devlm.example.com:8443', 'https://devlm.example.com:8443'],
    ['localhost:7000', 'http://localhost:7000'],
    ['127.0.0.1:7000', 'http://127.0.0.1:7000'],
    ['[::1]:7000', 'http://[::1]:7000'],
    ['http://10.1.2.3', 'http://10.1.2.3'],
    ['127.0.0.1.example.com', 'https://127.0.0.1.example.com'],
  ])('%s is accepted as a server address', (text, origin) => expect(parseAddress(text)).toBe(origin));

  it.each([
    '',
    ' ',
    'two words',
    'ftp://devlm.example.com',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'vscode://devlm.devlm',
    'https://',
    'https://user:password@devlm.example.com',
    'https://devlm.example.com/some/where',
    'https://devlm.example.com?x=1',
    'https://devlm.example.com#x',
    'https://[::1',
    'https://devlm.example.com:99999',
    `https://${'a'.repeat(600)}`,
  ])('%s is refused as a server address', (text) => expect(parseAddress(text)).toBeNull());

  it('an address that others on the network can read is recognized', () => {
    const open = [
      'http://10.1.2.3',
      'http://devlm.example.com',
      'http://127.0.0.1.example.com',
      'http://localhost.evil',
    ];
    const closed = ['https://devlm.example.com', 'http://localhost:7000', 'http://127.0.0.1:7000', 'http://[::1]:7000'];
    expect(open.filter((origin) => !isOpenToOthers(origin))).toEqual([]);
    expect(closed.filter(isOpenToOthers)).toEqual([]);
    expect(hostOf('https://devlm.example.com')).toBe('devlm.example.com');
  });
});

describe('a link to a server', () => {
  const link = (query: string, path = '/connect') => parseConnectLink(path, query);

  it('a connect link names a server, and may contain a token', () => {
    expect(link('server=https%3A%2F%2Fdevlm.example.com')).toEqual({
      origin: 'https://devlm.example.com',
      token: null,
    });
    expect(link('token=a.b.c&server=devlm.example.com')).toEqual({
      origin: 'https://devlm.example.com',
      token: 'a.b.c',
    });
  });

  it('other links are not connect links', () => {
    for (const query of [
      '',
      'server=',
      'server=javascript:alert(1)',
      'server=https://a@devlm.example.com',
      'server=devlm.example.com&token=',
      'server=devlm.example.com&token=a.b',
      'server=devlm.example.com&token=a.b.c%0d%0aX:1',
      `server=devlm.example.com&token=${'a'.repeat(5000)}.b.c`,
      '%',
    ])
      expect([query, link(query)]).toEqual([query, null]);
    expect(link('server=devlm.example.com', '/disconnect')).toBeNull();
    expect(parseToken(' Bearer a.b.c\n')).toBe('a.b.c');
  });
});

describe('the servers that a user knows', () => {
  const tokenOf = (sub: string) => `x.${Buffer.from(JSON.stringify({ sub })).toString('base64url')}.x`;
  const open = (secret?: string) => {
    const secrets = new Map(secret === undefined ? [] : [[profilesSecret, secret]]);
    const memory = new Map<string, unknown>();
    const profiles = new Profiles(
      { get: async (name) => secrets.get(name), store: async (name, value) => void secrets.set(name, value) },
      { get: (key) => memory.get(key), update: async (key, value) => void memory.set(key, value) },
    );
    return { profiles, secrets, memory };
  };
  const a = 'https://a.example.com';
  const b = 'https://b.example.com';

  it('profiles of servers are stored, used and removed', async () => {
    const { profiles, memory } = open();
    expect(await profiles.active()).toBeNull();
    await profiles.use(a, tokenOf('ann'));
    await profiles.use(b, tokenOf('bob'));
    expect(await profiles.active()).toEqual({ origin: b, user: 'bob', token: tokenOf('bob') });
    expect((await profiles.list()).map(({ origin }) => origin)).toEqual([a, b]);
    await profiles.useLocal();
    expect(await profiles.active()).toBeNull();
    await profiles.use(a, tokenOf('eve'));
    expect(await profiles.list()).toMatchObject([{ user: 'eve' }, { user: 'bob' }]);
    await profiles.forget(a);
    expect(await profiles.active()).toBeNull();
    expect(JSON.stringify([...memory])).not.toContain(tokenOf('bob'));
    for (let i = 0; i < 30; i++) await profiles.use(`https://${i}.example.com`, 'x.y.z');
    expect(await profiles.list()).toHaveLength(20);
  });

  it('profiles are read after the previous change is complete', async () => {
    const secrets = new Map<string, string>();
    const profiles = new Profiles(
      {
        get: async (name) => secrets.get(name),
        store: async (name, value) => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          secrets.set(name, value);
        },
      },
      { get: () => undefined, update: async () => undefined },
    );
    const changes = [profiles.use(a, tokenOf('ann')), profiles.use(b, tokenOf('bob')), profiles.forget(a)];
    expect((await profiles.list()).map(({ origin }) => origin)).toEqual([b]);
    await Promise.all(changes);
  });

  it('profiles without tokens are still known to an editor that has lost its secrets', async () => {
    const { profiles, secrets } = open();
    await profiles.use(a, tokenOf('ann'));
    secrets.clear();
    const active = await profiles.active();
    expect(active).toEqual({ origin: a, user: 'ann', token: null });
    expect(accountOf(active)).toBe(` ${a} ann`);
    await profiles.use(a, null);
    expect(await profiles.active()).toEqual(active);
  });

  it.each(['', 'nonsense', '{}', '{"active":1,"profiles":[]}', 'null'])(
    'no servers are known if %j is stored',
    async (secret) => {
      const { profiles } = open(secret);
      expect(await profiles.active()).toBeNull();
      await profiles.use(a, 'no.token.really');
      expect(await profiles.active()).toEqual({ origin: a, user: '', token: 'no.token.really' });
    },
  );
});
