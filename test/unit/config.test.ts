import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultDataDir, helpText, readConfig } from '../../server/src/config.ts';

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

  it('counts flags before the environment before the file before defaults', () => {
    expect(read().port).toBe(0);
    file({ port: 1 });
    expect(read().port).toBe(1);
    expect(read([], { DEVLM_PORT: '2' }).port).toBe(2);
    expect(read(['--port', '3'], { DEVLM_PORT: '2' }).port).toBe(3);
    // An empty variable is how a shell says "not set".
    expect(read([], { DEVLM_PORT: '' }).port).toBe(1);
  });

  it('reads every kind of value', () => {
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
  ])('says which key of %j %j is wrong, and what is allowed', (args, env, key, allowed) => {
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
  ])('refuses the file %j and names it', (content) => {
    file(content);
    expect(problem().detail).toContain('config.json');
  });

  it('has help for every option', () => {
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

  it('has one data folder for a user on each platform', () => {
    expect(defaultDataDir({ XDG_DATA_HOME: '/x' }, 'linux')).toBe('/x/devlm');
    expect(defaultDataDir({}, 'linux')).toMatch(/\.local\/share\/devlm$/);
    expect(defaultDataDir({}, 'darwin')).toMatch(/Application Support\/DevLM$/);
    expect(defaultDataDir({ APPDATA: 'C:/A' }, 'win32')).toMatch(/DevLM$/);
  });
});
