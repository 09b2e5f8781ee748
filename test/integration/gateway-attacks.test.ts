import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logsFolder } from '@devlm/protocol/discovery.ts';
import { Problem } from '@devlm/protocol/problem.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { text } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { databaseHash } from '../support/database-hash.ts';
import { isDeep } from '../support/deep.ts';
import { type Attack, bearer, type Edge, json } from '../support/gateway-attacks/attack.ts';
import { jsonAttacks, messagesAttacks, patternAttacks } from '../support/gateway-attacks/bodies.ts';
import { pathAttacks } from '../support/gateway-attacks/paths.ts';
import { type Forge, forgeries } from '../support/gateway-attacks/tokens.ts';
import { headerAttacks, smugglingAttacks } from '../support/gateway-attacks/wire.ts';
import { bodyOf, bytesOf, exchange, statusesOf } from '../support/raw-http.ts';
import { newConversation, Reader, send as sendMessage, TestServer } from '../support/server.ts';
import { signingKeyOf, tokenKeysOf } from '../support/token-keys.ts';

const AnthropicError = z.object({
  type: z.literal('error'),
  error: z.object({ type: z.string().regex(/_error$|^request_too_large$/), message: z.string().min(10) }),
  request_id: z.string().startsWith('req_devlm_'),
});

const AddressInfo = z.object({ port: z.int() });
const logOf = (dataDir: string) =>
  readFileSync(join(dataDir, logsFolder, 'server.log'), 'utf8')
    .trimEnd()
    .split('\n');
const LogEntry = z.object({ level: z.number(), for: z.string().optional() });

/** Each attack gets its expected status and has no other effect: not in the store, at the provider or in the log. */
describe.each([
  { whose: 'an embedded server', team: false },
  { whose: 'a team', team: true },
])('attacks on the gateway of $whose', ({ team }) => {
  let claude: Claude;
  let dataDir: string;
  let server: TestServer;
  let edge: Edge;
  beforeAll(async () => {
    claude = await startClaude();
    dataDir = mkdtempSync(join(tmpdir(), 'devlm-attacks-'));
    const often = '1000,2000';
    server = await TestServer.start({
      dataDir,
      team,
      claudeUrl: claude.url,
      // The rate limits are not under test here.
      env: {
        DEVLM_LOG_LEVEL: 'debug',
        DEVLM_SANDBOX: 'off',
        DEVLM_LIMIT_ADDRESS: often,
        DEVLM_LIMIT_USER: often,
        DEVLM_LIMIT_GLOBAL: often,
      },
      args: ['--log-file', join(dataDir, logsFolder, 'server.log')],
    });
    await newConversation(server);
    const { token } = await server.client.call('tokens.create', { body: { name: 'a', scopes: ['llm'], days: 1 } });
    edge = { host: `127.0.0.1:${server.discovery.port}`, secret: server.discovery.secret, llmToken: token };
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  });

  let before: string;
  const outside = () => JSON.stringify([databaseHash(server.dataDir), claude.requests.length]);
  beforeEach(() => {
    before = outside();
  });
  afterEach(async () => {
    expect(await server.client.call('server.info', {})).toMatchObject({ pid: server.discovery.pid, busyTurns: 0 });
    expect(outside()).toBe(before);
    expect(server.stderr).toBe('');
  });

  const send = (bytes: string) => exchange(server.discovery.port, bytes);

  async function meet({ bytes, statuses }: Attack): Promise<void> {
    const sent = bytes(edge);
    const answer = await send(sent);
    expect(statusesOf(answer), answer.slice(0, 1000)).toEqual(statuses);
    expect(answer).not.toMatch(/\r\n(set-cookie|x-evil):/i);
    for (const secret of [edge.secret, edge.llmToken]) expect(answer).not.toContain(secret);
    // Node itself answers these two, without a body.
    const bare = /^GET \/healthz HTTP\/1\.1\r\nConnection|Expect:/.test(sent) || sent.startsWith('HEAD ');
    if ((statuses.at(-1) ?? 0) < 400 || bare) return;
    const refusal: unknown = JSON.parse(bodyOf(answer));
    if (/^\w+ \/llm\//.test(sent)) AnthropicError.parse(refusal);
    else expect(Problem.parse(refusal)).toMatchObject({ status: statuses.at(-1) });
  }

  const tables = { paths: pathAttacks, smuggling: smugglingAttacks, headers: headerAttacks, JSON: jsonAttacks };
  describe.each(Object.entries(tables))('%s', (_name, attacks) => {
    it.each(attacks)('$name', { timeout: 60_000 }, meet);
  });
  describe('bad calls of the Messages API', () => {
    it.each(messagesAttacks)('$name', { timeout: 60_000 }, meet);
  });
  describe('texts for careless patterns', () => {
    it.each(patternAttacks)('$name', { timeout: 60_000 }, async (attack) => {
      const start = performance.now();
      await meet(attack);
      expect(performance.now() - start).toBeLessThan(10_000);
    });
  });

  describe('forged tokens', () => {
    let known: Forge;
    let foreign: Server;
    let fetched = 0;
    beforeAll(async () => {
      foreign = createServer((_request, response) => {
        fetched++;
        response.end('{"keys":[]}');
      }).listen(0, '127.0.0.1');
      await once(foreign, 'listening');
      const { token, info } = await server.client.call('tokens.create', {
        body: { name: 'b', scopes: ['llm'], days: 1 },
      });
      await server.client.call('tokens.revoke', { params: { tokenId: info.id } });
      const key = await signingKeyOf(server);
      known = {
        good: edge.llmToken,
        revoked: token,
        kid: key.kid,
        privateKey: createPrivateKey(key.privateKey),
        foreignUrl: `http://127.0.0.1:${AddressInfo.parse(foreign.address()).port}`,
      };
    });
    afterAll(() => {
      foreign.closeAllConnections();
      foreign.close();
    });

    it.each(forgeries)('$name', async ({ forge }) => {
      const token = forge(known);
      for (const path of ['/llm/v1/models', '/execute/x', '/backend/info', '/admin/tokens'])
        for (const header of [bearer(token), `x-api-key: ${token}`]) {
          const answer = await send(bytesOf(edge.host, { path, headers: [header] }));
          expect(statusesOf(answer), header).toEqual([401]);
        }
      expect(fetched).toBe(0);
    });

    it.each([
      ['a cookie', [`Cookie: token={}; authorization={}`]],
      ["the proxy's header", ['Proxy-Authorization: Bearer {}']],
      ['a header of another service', ['X-Auth-Token: {}', 'X-Access-Token: {}', 'Api-Key: {}']],
      ['a protocol of WebSocket', ['Sec-WebSocket-Protocol: {}']],
      ['a scheme in small letters', ['Authorization: bearer {}']],
      ['two spaces', ['Authorization: Bearer  {}']],
      ['another scheme', ['Authorization: Token {}']],
      ['a list', ['Authorization: Bearer {}, Bearer {}']],
      ['the key beside a bad token', ['Authorization: Bearer x', 'x-api-key: {}']],
    ])('a valid token in the wrong place is refused: %s', async (_name, headers) => {
      const path = `/llm/v1/models?token=${edge.llmToken}&access_token=${edge.llmToken}`;
      const filled = headers.map((header) => header.replaceAll('{}', edge.llmToken));
      expect(statusesOf(await send(bytesOf(edge.host, { path, headers: filled })))).toEqual([401]);
    });
  });

  it('guessed credentials do not make the server compute keys', async () => {
    await using fresh = await TestServer.start({ claudeUrl: claude.url });
    const bytes = bytesOf(`127.0.0.1:${fresh.discovery.port}`, { path: '/llm/v1/models', headers: [bearer('a.b.c')] });
    expect(statusesOf(await exchange(fresh.discovery.port, bytes))).toEqual([401]);
    expect(await tokenKeysOf(fresh)).toEqual([]);
  });

  it('the log has one entry per line, without secrets or terminal escape sequences', async () => {
    const entries = logOf(server.dataDir);
    expect(entries.length).toBeGreaterThan(100);
    for (const entry of entries) {
      expect(LogEntry.parse(JSON.parse(entry)).level, entry).toBeLessThan(50);
      expect(entry).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      for (const secret of [edge.secret, edge.llmToken]) expect(entry).not.toContain(secret);
    }
  });

  it('the name of a client cannot add lines to the log', async () => {
    await using other = await TestServer.start({ claudeUrl: claude.url, env: { DEVLM_LOG_LEVEL: 'info' } });
    const version = '1\n{"level":60,"msg":"forged"}\u001b[2J\u009b31m\u0085\u2028\u2029\u007f';
    await other.client.call('server.shutdown', { body: { version } });
    await other.ended();
    const entries = logOf(other.dataDir);
    expect(entries.map((entry) => LogEntry.parse(JSON.parse(entry)).for)).toContain(version);
    expect(entries.join('')).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
  });
});

describe('invalid Unicode', () => {
  const odd = '\u0000 \ud800 \udfff\ud83d \ufffe \u202e \u001b[2J';

  it('invalid Unicode passes through a chat and a restart without harm', { timeout: 60_000 }, async () => {
    await using claude = await startClaude();
    await using server = await TestServer.start({ claudeUrl: claude.url });
    const conversationId = await newConversation(server);
    claude.on(any, [text(`You said ${odd}`)]);
    const turnId = await sendMessage(server, conversationId, `a${odd}b`);
    using reader = new Reader(() => server, conversationId);
    expect(await reader.ended(turnId)).toMatchObject({ status: 'completed' });
    await server.client.call('conversations.rename', { params: { conversationId }, body: { title: `c${odd}d` } });
    await server.client.call('conversations.list', { query: { search: odd } });
    await server.kill('SIGTERM');
    await server.start();
    const { items } = await server.client.call('conversations.list', { query: {} });
    expect(items).toMatchObject([{ id: conversationId, turns: 1, title: expect.stringMatching(/^c.*d$/s) }]);
    expect(claude.messages).toHaveLength(1);
  });

  it('invalid text does not become a header of the provider when a call is forwarded', async () => {
    await using claude = await startClaude();
    await using server = await TestServer.start({ claudeUrl: claude.url });
    const { port, secret } = server.discovery;
    const path = '/llm/v1/models?x=%0d%0aX-Evil:%201%0d%0a%0d%0aGET%20/&__proto__=1';
    const headers = [
      bearer(secret),
      'anthropic-version: 2023-06-01',
      '__proto__: x',
      'constructor: y',
      'x-odd: %0d%0aé',
    ];
    expect(statusesOf(await exchange(port, bytesOf(`127.0.0.1:${port}`, { path, headers })))).toEqual([200]);
    const [got, ...others] = claude.requests;
    expect(others).toEqual([]);
    expect(got?.path).toBe(path.slice('/llm'.length));
    expect(Object.keys(got?.headers ?? {})).not.toContain('x-evil');
  });
});

/** A client that sends a word per second and never ends. */
describe('slow requests', () => {
  const drip = 1_000;
  /** Resolves with the received bytes when the server has closed the connection. */
  function slowly(port: number, start: string, piece: string): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    socket.write(start);
    const timer = setInterval(() => socket.write(piece), drip);
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString();
    });
    socket.on('error', () => {});
    return once(socket, 'close').then(() => {
      clearInterval(timer);
      return heard;
    });
  }

  it('slow requests are ended while others are served', { timeout: 180_000 }, async () => {
    await using claude = await startClaude();
    await using server = await TestServer.start({ claudeUrl: claude.url });
    const { port, secret } = server.discovery;
    const head = (path: string, credential: string) =>
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${json}\r\nContent-Length: 100000\r\n${bearer(credential)}\r\n\r\n`;
    const many = (start: string, piece: string) =>
      Promise.all(Array.from({ length: 30 }, () => slowly(port, start, piece)));
    const before = databaseHash(server.dataDir);
    const silent = many('', '');
    const headers = many('GET /backend/info HTTP/1.1\r\n', 'X-A: b\r\n');
    const strangers = many(head('/llm/v1/messages', 'wrong'), '[');
    // A body may take a minute, for which only a deep run waits.
    const bodies = isDeep ? many(head('/backend/conversations', secret), '[') : [];
    const messages = isDeep ? many(head('/llm/v1/messages', secret), '[') : [];
    let served = 0;
    const others = setInterval(() => {
      server.client.call('server.info', {}).then(
        () => served++,
        () => undefined,
      );
    }, 200);
    for (const heard of await strangers) expect(statusesOf(heard)).toEqual([401]);
    for (const heard of [...(await headers), ...(await silent)]) expect(statusesOf(heard)).toEqual([408]);
    for (const heard of await bodies) expect(Problem.parse(JSON.parse(bodyOf(heard)))).toMatchObject({ status: 408 });
    for (const heard of await messages) AnthropicError.parse(JSON.parse(bodyOf(heard)));
    clearInterval(others);
    expect(served).toBeGreaterThan(20);
    expect(databaseHash(server.dataDir)).toBe(before);
    expect(claude.requests).toHaveLength(0);
  });
});
