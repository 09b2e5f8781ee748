import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { helpText, readConfig } from '../../server/src/config.ts';
import { defaultDataDir } from '../../server/src/config-options.ts';

describe('configuration', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'devlm-config-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const file = (content: unknown) =>
    writeFileSync(join(dir, 'config.json'), typeof content === 'string' ? content : JSON.stringify(content));
  const read = (args: string[] = [], env: Record<string, string> = {}) => readConfig(['--data-dir', dir, ...args], env);
  function problem(args: string[] = [], env: Record<string, string> = {}) {
    try {
      read(args, env);
    } catch (error) {
      if (error instanceof ProblemError) return error.problem;
    }
    return expect.fail('it was accepted');
  }

  it('flags override the environment, which overrides the file, which overrides defaults', () => {
    expect(read().port).toBe(0);
    file({ port: 1 });
    expect(read().port).toBe(1);
    expect(read([], { DEVLM_PORT: '2' }).port).toBe(2);
    expect(read(['--port', '3'], { DEVLM_PORT: '2' }).port).toBe(3);
    // An empty variable means "not set" in a shell.
    expect(read([], { DEVLM_PORT: '' }).port).toBe(1);
  });

  it('the configuration reads every kind of value', () => {
    file({ prices: { mine: { input: 1, output: 2, cacheRead: 0.1, cacheWrite: 1.25 } }, demo: true });
    expect(
      read(['--embedded', '--idle-exit-ms', '0'], {
        ANTHROPIC_BASE_URL: 'http://localhost:11434',
        DEVLM_LOG_LEVEL: 'debug',
      }),
    ).toMatchObject({
      embedded: true,
      demo: true,
      idleExitMs: 0,
      baseUrl: 'http://localhost:11434',
      logLevel: 'debug',
      prices: { mine: { output: 2 } },
    });
  });

  it.each([
    [['--port', '70000'], {}, 'port (--port)', '65535'],
    [['--port', 'x'], {}, 'port (--port)', 'number'],
    [[], { DEVLM_LOG_LEVEL: 'loud' }, 'logLevel (environment variable DEVLM_LOG_LEVEL)', '"info"'],
    [[], { ANTHROPIC_BASE_URL: 'file:///etc/passwd' }, 'baseUrl (environment variable ANTHROPIC_BASE_URL)', 'URL'],
    [['--no-such-thing'], {}, 'command line', '--no-such-thing'],
    [['stray'], {}, 'command line', 'stray'],
    [['--api-key', 'sk-x'], {}, 'command line', '--api-key'],
  ])('an invalid value is reported with the key and the allowed values: %j %j', (args, env, key, allowed) => {
    const { code, detail } = problem(args, env as Record<string, string>);
    expect(code).toBe('config_invalid');
    expect(detail).toContain(key);
    expect(detail).toContain(allowed);
  });

  it.each([
    '{',
    '[]',
    '"x"',
    { prot: 1 },
    { port: 'x' },
    { port: null },
    { idleExitMs: '' },
    { dataDir: '/elsewhere' },
    { prices: { a: { input: -1 } } },
  ])('the invalid configuration file %j is refused and named', (content) => {
    file(content);
    expect(problem().detail).toContain('config.json');
  });

  it('the configuration reads limits, proxies and the Redis URL, and says what it expects otherwise', () => {
    const env = {
      DEVLM_LIMIT_USER: '20,40',
      DEVLM_TRUSTED_PROXIES: '10.0.0.0/8,fd00::/8,192.0.2.1,loopback',
      DEVLM_REDIS_URL: 'rediss://user:p%40ss@redis.example:6380/1',
    };
    expect(read([], env)).toMatchObject({
      limitUser: { rate: 20, burst: 40 },
      trustedProxies: ['10.0.0.0/8', 'fd00::/8', '192.0.2.1', 'loopback'],
    });
    expect(read([], { DEVLM_REDIS_URL: 'redis+sentinel://:p@a:26379,b/team/1' }).redisUrl).toContain('sentinel');
    for (const value of ['10', '0,5', '10,0', '10,5,1', '-1,5', '1e3,5', '10.5,5', '99999999,1', ' 10,5'])
      expect(problem([], { DEVLM_LIMIT_USER: value }).detail).toContain('limitUser');
    for (const value of ['10.0.0.0/33', 'everybody', '::/129', '10.0.0.1;', '300.1.1.1'])
      expect(problem([], { DEVLM_TRUSTED_PROXIES: value }).detail).toContain('trustedProxies');
    for (const value of ['http://redis', 'redis', 'redis://', 'redis+sentinel://a:1'])
      expect(problem([], { DEVLM_REDIS_URL: value }).detail).toContain('redisUrl');
  });

  it('the configuration reads secrets from files, and none from the command line', () => {
    const path = join(dir, 'secret');
    writeFileSync(path, 'postgres://devlm:secret@db/devlm\n');
    expect(read([], { DEVLM_DATABASE_URL_FILE: path }).databaseUrl).toBe('postgres://devlm:secret@db/devlm');
    expect(read([], { DEVLM_DATABASE_URL_FILE: path, DEVLM_DATABASE_URL: 'postgres://a/b' }).databaseUrl).toBe(
      'postgres://a/b',
    );
    expect(read(['--database-url', 'postgres://devlm@db/devlm', '--redis-url', 'redis://db']).redisUrl).toBe(
      'redis://db',
    );
    // Other users can read the list of processes.
    for (const args of [
      ['--redis-url', 'redis://:secret@db'],
      ['--database-url', 'postgres://devlm:secret@db/devlm'],
    ]) {
      const { detail } = problem(args);
      expect(detail).toContain('other users can read the command line');
      expect(detail).not.toContain('secret');
    }
    expect(problem([], { DEVLM_DATABASE_URL_FILE: join(dir, 'missing') }).detail).toContain('DEVLM_DATABASE_URL_FILE');
    writeFileSync(path, 'not a url');
    expect(problem([], { DEVLM_REDIS_URL_FILE: path }).detail).toContain(`redisUrl (file ${path})`);
    // Only a secret can be read from a file.
    expect(read([], { DEVLM_PORT_FILE: path }).port).toBe(0);
  });

  it('the server listens on loopback by default, and always with --embedded', () => {
    expect(read().host).toBe('127.0.0.1');
    expect(read(['--host', '0.0.0.0']).host).toBe('0.0.0.0');
    expect(read(['--embedded', '--host', '::1']).host).toBe('::1');
    expect(problem(['--embedded', '--host', '0.0.0.0']).detail).toContain('host (--embedded)');
    for (const host of ['example.com', 'localhost', '1.2.3', '', ' 127.0.0.1'])
      expect(problem(['--host', host]).detail).toContain('host (--host)');
  });

  it('the configuration reads instances, with keys by value or by the name of a variable', () => {
    const instance = { id: 'a', apiKeyEnv: 'TEAM_KEY' };
    file({ instances: [instance, { id: 'b', apiKey: 'k', models: ['claude-*'] }], aliases: { fast: ['x'] } });
    expect(read([], { TEAM_KEY: 'sk-1' })).toMatchObject({
      instances: [
        { id: 'a', apiKey: 'sk-1', weight: 1 },
        { id: 'b', apiKey: 'k', models: ['claude-*'] },
      ],
      aliases: { fast: ['x'] },
    });
    expect(problem().detail).toContain('the environment variable TEAM_KEY contains no key');
    for (const instances of [
      [{ id: 'a' }],
      [{ ...instance, apiKey: 'k' }],
      [{ id: 'own', apiKey: 'k' }],
      [{ id: '../a', apiKey: 'k' }],
      [{ id: 'a', apiKey: 'secret words' }],
      [{ id: 'a', apiKey: 'k', baseUrl: 'file:///etc' }],
      [{ id: 'a', apiKey: 'k', weight: 0 }],
      [instance, instance],
      [{ id: 'a', provider: 'azure', apiKey: 'k' }],
      [{ id: 'a', apiKey: 'k', region: 'us-east-1' }],
      [{ id: 'a', provider: 'bedrock' }],
      [{ id: 'a', provider: 'bedrock', region: 'us east' }],
      [{ id: 'a', provider: 'bedrock', region: 'us-east-1', projectId: 'p' }],
      [{ id: 'a', provider: 'bedrock', region: 'us-east-1', accessKeyId: 'AKIA0123456789ABCDEF' }],
      [{ id: 'a', provider: 'vertex', region: 'us-east5' }],
      [{ id: 'a', provider: 'vertex', region: 'us-east5', projectId: 'p', apiKey: 'secret words' }],
    ]) {
      file({ instances });
      expect(problem([], { TEAM_KEY: 'sk-1' }).detail, JSON.stringify(instances)).toMatch(
        /^instances \(config\.json\)/,
      );
      expect(problem([], { TEAM_KEY: 'sk-1' }).detail).not.toContain('secret words');
    }
  });

  it('the configuration reads instances at Bedrock and Vertex with or without a credential', () => {
    const key = JSON.stringify({ type: 'service_account', client_email: 'a@b.example', private_key: '-----BEGIN x y' });
    const bedrock = { id: 'a', provider: 'bedrock', region: 'us-east-1' };
    const vertex = { id: 'v', provider: 'vertex', region: 'global', projectId: 'p' };
    file({
      instances: [
        { ...bedrock, modelIds: { 'claude-sonnet-5-5': 'us.anthropic.claude-sonnet-5-5-v1:0' } },
        { ...bedrock, id: 'b', accessKeyId: 'AKIA0123456789ABCDEF', apiKeyEnv: 'AWS_SECRET' },
        { ...vertex, apiKeyEnv: 'GOOGLE_KEY' },
        { ...vertex, id: 'w' },
      ],
    });
    const { instances } = read([], { AWS_SECRET: 'secret/key', GOOGLE_KEY: key });
    expect(instances.map(({ apiKey }) => apiKey)).toEqual([undefined, 'secret/key', key, undefined]);
  });

  it('the help describes every option', () => {
    for (const name of [
      '--embedded',
      '--data-dir',
      '--port',
      '--demo',
      'DEVLM_PORT',
      'ANTHROPIC_API_KEY',
      'DEVLM_DATABASE_URL',
    ])
      expect(helpText).toContain(name);
  });

  it('the default data folder is one per user on each platform', () => {
    expect(defaultDataDir({ XDG_DATA_HOME: '/x' }, 'linux')).toBe('/x/devlm');
    expect(defaultDataDir({}, 'linux')).toMatch(/\.local\/share\/devlm$/);
    expect(defaultDataDir({}, 'darwin')).toMatch(/Application Support\/DevLM$/);
    expect(defaultDataDir({ APPDATA: 'C:/A' }, 'win32')).toMatch(/DevLM$/);
  });
});
