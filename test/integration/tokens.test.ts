import { spawn } from 'node:child_process';
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { text as readText } from 'node:stream/consumers';
import { NewToken, TokenInfo } from '@devlm/protocol/tokens.ts';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { TokenKey } from '../../server/src/storage/ports/token-keys.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { serverCommand, TestServer } from '../support/server.ts';
import { signingKeyOf } from '../support/token-keys.ts';

const Made = z.object({ token: z.string(), info: TokenInfo });

const kidOf = (token: string) => jwt.decode(token, { complete: true })?.header.kid;

/** Runs the command line as an operator would. */
async function devlm(dataDir: string, ...args: string[]) {
  const child = spawn(process.execPath, [...serverCommand(), 'token', ...args, '--data-dir', dataDir], {
    env: { PATH: process.env['PATH'] },
  });
  const [[code], out, err] = await Promise.all([once(child, 'exit'), readText(child.stdout), readText(child.stderr)]);
  return { code, out, err };
}

async function make(dataDir: string, scopes = 'llm', name = 'test') {
  const { code, out, err } = await devlm(dataDir, 'create', '--name', name, '--scopes', scopes, '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return Made.parse(JSON.parse(out));
}

describe('tokens', () => {
  let claude: Claude;
  let server: TestServer;
  let dataDir: string;
  beforeAll(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url });
    dataDir = server.dataDir;
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  const routes = {
    llm: '/llm/v1/models',
    execute: `/execute/${randomUUID()}`,
    backend: '/backend/info',
    admin: '/admin/tokens',
  } as const;
  async function status(token: string, path: string = routes.llm, headers: Record<string, string> = {}) {
    const response = await fetch(`${server.origin}${path}`, {
      headers: { authorization: `Bearer ${token}`, 'anthropic-version': '2023-06-01', ...headers },
    });
    await response.body?.cancel();
    return response.status;
  }

  it('a token gives access to its scopes and to nothing else', async () => {
    for (const scope of ['llm', 'execute', 'backend', 'admin'] as const) {
      const { token, info } = await make(dataDir, scope);
      expect(info).toMatchObject({ name: 'test', scopes: [scope], revokedAt: null });
      for (const [name, path] of Object.entries(routes)) {
        const wanted = name !== scope ? 403 : name === 'execute' ? 404 : 200;
        expect(await status(token, path), `${scope} at ${path}`).toBe(wanted);
      }
      expect(await status(token, '/elsewhere')).toBe(404);
      expect(await status(token, '/llmx')).toBe(404);
    }
  });

  it('a token is accepted in the headers that clients of the Messages API use', async () => {
    const { token } = await make(dataDir);
    expect(await status('', routes.llm, { authorization: '', 'x-api-key': token })).toBe(401);
    const response = await fetch(`${server.origin}${routes.llm}`, {
      headers: { 'x-api-key': token, 'anthropic-version': '2023-06-01' },
    });
    expect(response.status).toBe(200);
    expect(await status(token, routes.llm, { origin: 'https://evil.example' })).toBe(403);
    expect(await status(token, routes.llm)).toBe(200);
  });

  it('tokens are listed without their values, and revoking takes effect at once', async () => {
    const { token, info } = await make(dataDir, 'llm,backend', 'to be revoked');
    const listed = await devlm(dataDir, 'list');
    expect(listed.out).toContain(info.id);
    expect(listed.out).toContain('to be revoked');
    expect(listed.out).not.toContain(token.slice(-20));
    expect(await status(token)).toBe(200);
    expect((await devlm(dataDir, 'revoke', info.id)).out).toContain('revoked');
    expect(await status(token)).toBe(401);
    expect(await devlm(dataDir, 'revoke', info.id)).toMatchObject({ code: 0 });
    expect(await devlm(dataDir, 'revoke', randomUUID())).toMatchObject({
      code: 1,
      err: expect.stringContaining('The token does not exist'),
    });
  });

  it('tokens survive a restart, also those created without a server, and revoked ones stay revoked', {
    timeout: 60_000,
  }, async () => {
    const [kept, revoked] = [await make(dataDir), await make(dataDir)];
    await devlm(dataDir, 'revoke', revoked.info.id);
    await server.kill('SIGTERM');
    const offline = await make(dataDir);
    expect((await devlm(dataDir, 'list')).out).toContain(kept.info.id);
    expect(await devlm(dataDir, 'rotate-key')).toMatchObject({ code: 0 });
    const rotated = await make(dataDir);
    expect(kidOf(rotated.token)).not.toBe(kidOf(kept.token));
    await server.start();
    expect(await status(kept.token)).toBe(200);
    expect(await status(offline.token)).toBe(200);
    expect(await status(rotated.token)).toBe(200);
    expect(await status(revoked.token)).toBe(401);
  });

  it('the command line of tokens reports what is wrong', async () => {
    for (const args of [
      ['create'],
      ['create', '--name', 'x', '--scopes', 'everything'],
      ['create', '--name', 'x', '--days', '0'],
      ['create', '--name', 'x', '--days', '1e9'],
      ['create', '--name', 'x'.repeat(101)],
      ['create', 'extra', '--name', 'x'],
      ['revoke'],
      ['forget'],
      ['list', '--nonsense'],
    ]) {
      const { code, out, err } = await devlm(dataDir, ...args);
      expect({ args, code, out }).toEqual({ args, code: 1, out: '' });
      expect(err).toContain('devlm token');
    }
    expect((await devlm(dataDir, '--help')).out).toContain('usage: devlm token create');
    expect(NewToken.safeParse({ name: ' ', scopes: ['llm'], days: 1 }).success).toBe(false);
  });

  describe('forged tokens', () => {
    let key: TokenKey;
    let good: string;
    let claims: jwt.JwtPayload;
    beforeAll(async () => {
      good = (await make(dataDir)).token;
      claims = z.record(z.string(), z.unknown()).parse(jwt.decode(good));
      key = await signingKeyOf({ dataDir });
    });

    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = (header: object, body: object, secret: string | Buffer) => {
      const head = `${part(header)}.${part(body)}`;
      return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
    };
    const resigned = (change: object, privateKey: string | KeyObject = key.privateKey, keyid = key.kid) =>
      jwt.sign({ ...claims, ...change }, privateKey, { algorithm: 'RS256', keyid });
    const publicPem = () => createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' });

    const attacks: Record<string, () => string> = {
      nothing: () => '..',
      'not a token': () => 'a.b.c',
      'alg none': () => `${part({ alg: 'none', typ: 'JWT', kid: key.kid })}.${part(claims)}.`,
      'alg None': () => `${part({ alg: 'None', typ: 'JWT', kid: key.kid })}.${part(claims)}.x`,
      'alg nOnE and our signature': () =>
        `${part({ alg: 'nOnE', kid: key.kid })}.${part(claims)}.${good.split('.')[2]}`,
      'the public key as an HMAC secret': () => signed({ alg: 'HS256', typ: 'JWT', kid: key.kid }, claims, publicPem()),
      'the public key without its last line end': () =>
        signed({ alg: 'HS256', typ: 'JWT', kid: key.kid }, claims, String(publicPem()).trimEnd()),
      'the kid as an HMAC secret': () => signed({ alg: 'HS256', kid: key.kid }, claims, key.kid),
      'an empty HMAC secret': () => signed({ alg: 'HS256', kid: key.kid }, claims, ''),
      'RS512 with our key': () => jwt.sign(claims, key.privateKey, { algorithm: 'RS512', keyid: key.kid }),
      'PS256 with our key': () => jwt.sign(claims, key.privateKey, { algorithm: 'PS256', keyid: key.kid }),
      'a foreign key': () => resigned({}, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
      'a foreign key in the header': () => {
        const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        const header = { alg: 'RS256' as const, kid: key.kid, jwk: publicKey.export({ format: 'jwk' }) };
        return jwt.sign(claims, privateKey, { algorithm: 'RS256', header });
      },
      'a kid that is a path': () => resigned({}, key.privateKey, '../../../../etc/passwd'),
      'a kid that is a property of objects': () => resigned({}, key.privateKey, '__proto__'),
      'a kid with SQL': () => resigned({}, key.privateKey, "' or 1=1 --"),
      'no kid': () => jwt.sign(claims, key.privateKey, { algorithm: 'RS256' }),
      'a kid that is not a string': () => {
        const head = part({ alg: 'RS256', kid: [key.kid] });
        return `${head}.${good.split('.').slice(1).join('.')}`;
      },
      expired: () => resigned({ iat: 1_000_000, exp: 1_000_001 }),
      'not valid yet': () => resigned({ nbf: Math.floor(Date.now() / 1000) + 3600 }),
      'of another issuer': () => resigned({ iss: 'devil' }),
      'for another audience': () => resigned({ aud: 'other' }),
      'unknown to the store': () => resigned({ jti: randomUUID() }),
      'without an id': () => resigned({ jti: undefined }),
      'without a subject': () => resigned({ sub: undefined }),
      'scopes that are a text': () => resigned({ scopes: 'llm' }),
      'unknown scopes': () => resigned({ scopes: ['llm', 'root'] }),
      'cut short': () => good.slice(0, -10),
      'one bit of the signature': () => good.slice(0, -5) + (good.at(-5) === 'A' ? 'B' : 'A') + good.slice(-4),
      'another payload under the same signature': () => {
        const [head, , signature] = good.split('.');
        return `${head}.${part({ ...claims, scopes: ['admin'] })}.${signature}`;
      },
      'four parts': () => `${good}.x`,
      padding: () => `${good}==`,
      'too long': () => `${good}${'A'.repeat(5000)}`,
      'deep JSON': () =>
        `${part({ alg: 'RS256', kid: key.kid })}.${Buffer.from('['.repeat(1500)).toString('base64url')}.x`,
      'text after it': () => `${good} x`,
    };
    it.for(Object.entries(attacks))('a forged token is refused: %s', async ([, forge]) => {
      const token = forge();
      expect(await status(token)).toBe(401);
      expect(await status(token, routes.admin)).toBe(401);
      expect(await status(good)).toBe(200);
    });

    it('a token is refused once it has expired, even if it was accepted a moment before', async () => {
      // Clocks may differ by 30 seconds.
      const endsIn = (seconds: number) => resigned({ exp: Math.floor(Date.now() / 1000) - 30 + seconds });
      const token = endsIn(6);
      expect(await status(token)).toBe(200);
      await expect.poll(() => status(token), { timeout: 20_000, interval: 500 }).toBe(401);
      expect(await status(good)).toBe(200);
    });

    it('a token with a valid signature but without expiry is refused', async () => {
      const { exp: _exp, ...endless } = claims;
      const token = jwt.sign({ ...endless, jti: randomUUID() }, key.privateKey, { algorithm: 'RS256', keyid: key.kid });
      expect(await status(token)).toBe(401);
    });
  });
});
