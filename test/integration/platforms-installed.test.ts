import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { serverSources, TestServer } from '../support/server.ts';

const model = 'claude-sonnet-5-5';
const bedrock = { id: 'cloud', provider: 'bedrock', region: 'eu-west-3' };
const vertex = { id: 'cloud', provider: 'vertex', region: 'europe-west1', projectId: 'our-project' };
const ask = { model, max_tokens: 100, messages: [{ role: 'user' as const, content: 'Hello' }] };

describe('the SDKs of the platforms', { timeout: 120_000 }, () => {
  let claude: Claude;
  const folder = mkdtempSync(join(tmpdir(), 'devlm-platforms-'));
  beforeAll(async () => {
    claude = await startClaude();
  });
  afterAll(async () => {
    await claude?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A server whose environment has no credentials of any platform. */
  async function serverWith(name: string, instances: readonly object[], env: Record<string, string> = {}) {
    const dataDir = join(folder, name);
    rmSync(dataDir, { recursive: true, force: true });
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ instances }));
    const bare = {
      HOME: dataDir,
      AWS_EC2_METADATA_DISABLED: 'true',
      METADATA_SERVER_DETECTION: 'none',
      ANTHROPIC_API_KEY: '',
    };
    const server = await TestServer.start({ dataDir, bundle: serverSources, env: { ...bare, ...env } });
    const sdk = new Anthropic({ baseURL: `${server.origin}/llm`, authToken: server.discovery.secret, maxRetries: 0 });
    return { server, sdk };
  }

  it('the SDK of a platform is loaded with the first call of such an instance, and no other SDK', async () => {
    const file = join(folder, 'imports.txt');
    const preload = new URL('../support/note-imports.ts', import.meta.url).pathname;
    const env = { NODE_OPTIONS: `--import=${preload}`, DEVLM_TEST_IMPORTS: file };
    const loaded = () => {
      const names = readFileSync(file, 'utf8').matchAll(/(bedrock-sdk|vertex-sdk|@aws-sdk|google-auth-library)\//g);
      return [...new Set([...names].map(([, name]) => name))].sort();
    };
    const own = { id: 'own-key', apiKey: 'k', baseUrl: claude.url };
    for (const [instances, wanted] of [
      [[own], []],
      [[{ ...bedrock, baseUrl: claude.url }], ['@aws-sdk', 'bedrock-sdk']],
      [[{ ...vertex, baseUrl: `${claude.url}/v1` }], ['google-auth-library', 'vertex-sdk']],
    ] as const) {
      writeFileSync(file, '');
      const { server, sdk } = await serverWith('imports', instances, env);
      await using _server = server;
      expect(readFileSync(file, 'utf8')).toContain('server/src/main.ts');
      expect(loaded()).toEqual([]);
      await sdk.messages.create(ask).catch(() => undefined);
      expect(loaded()).toEqual(wanted);
    }
  });

  it('the SDK of a platform reports where it did not find credentials', async () => {
    for (const [instance, credentials] of [
      [bedrock, 'AWS'],
      [vertex, 'Google Cloud'],
    ] as const) {
      claude.reset();
      const { server, sdk } = await serverWith('bare', [{ ...instance, baseUrl: claude.url }]);
      await using _server = server;
      await expect(sdk.messages.create(ask)).rejects.toMatchObject({
        status: 403,
        type: 'permission_error',
        message: expect.stringContaining(`Cannot find ${credentials} credentials.`),
      });
      const tested = await server.client.call('instances.test', { params: { instanceId: 'cloud' }, body: { model } });
      expect(tested).toMatchObject({
        ok: false,
        detail: expect.stringContaining(`Cannot find ${credentials} credentials`),
      });
      expect(claude.requests).toEqual([]);
    }
  });

  it('the SDKs of the platforms are not in the VSIX, and its server says what to do', async () => {
    const outdir = join(folder, 'vsix');
    await build({ vsix: true, outdir });
    expect(await readdir(outdir)).not.toContain('platforms');
    const bundle = await readFile(join(outdir, 'server.mjs'), 'utf8');
    expect(bundle).not.toMatch(/AnthropicBedrock|AnthropicVertex|google-auth-library/);
    expect(await readFile(join(outdir, 'ThirdPartyNotices.txt'), 'utf8')).not.toContain('@aws-sdk');
    const devlm = async (...args: string[]) => {
      const env = { PATH: process.env['PATH'] };
      const child = spawn(process.execPath, [join(outdir, 'server.mjs'), ...args], { env, stdio: 'pipe' });
      child.stdin.end();
      const [[code], err] = await Promise.all([once(child, 'exit'), readText(child.stderr)]);
      return { code, err };
    };
    const dataDir = join(folder, 'small');
    mkdirSync(dataDir, { recursive: true });
    const add = ['instance', 'add', 'cloud', '--provider', 'bedrock', '--region', 'eu-west-3', '--data-dir', dataDir];
    expect(await devlm(...add)).toMatchObject({ code: 1, err: expect.stringMatching(/Amazon Bedrock.*team server/) });
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ instances: [vertex] }));
    const started = await devlm('serve', '--embedded', '--data-dir', dataDir);
    expect(started).toMatchObject({ code: 1, err: expect.stringMatching(/Google Vertex AI.*team server/) });
  });
});
