import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ServerConnection } from '../../extension/src/connection/connection.ts';
import { RemoteServer } from '../../extension/src/connection/remote.ts';
import { problemsOf } from '../../extension/src/problems.ts';
import { addUser, devlm } from '../support/devlm.ts';
import { freePort } from '../support/redis.ts';
import { TestServer } from '../support/server.ts';

const say = (text: string, ...args: (string | number)[]) => text.replaceAll(/\{(\d)\}/g, (_, at) => String(args[at]));
const problems = problemsOf(say, 'the server');
const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Tests the extension against a remote server. */
describe('a remote server', { timeout: 60_000 }, () => {
  let server: TestServer;
  let ann: Awaited<ReturnType<typeof addUser>>;
  let other: Server | undefined;
  let connection: ServerConnection | undefined;

  beforeAll(async () => {
    const port = await freePort();
    server = await TestServer.start({ team: true, args: ['--port', String(port)] });
    ann = await addUser(server.dataDir, 'ann');
  }, 60_000);
  afterEach(async () => {
    connection?.dispose();
    other?.closeAllConnections();
    await new Promise((resolve) => (other ? other.close(resolve) : resolve(undefined)));
    other = undefined;
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  const remote = (token: string | null, origin = server.origin) =>
    new RemoteServer({ origin, token: async () => token, problems });
  const reached = (token: string | null, origin?: string) =>
    remote(token, origin).connect(new AbortController().signal);
  const refusal = (code: string, detail: RegExp) => ({ problem: { code, detail: expect.stringMatching(detail) } });
  const listen = async (answer: RequestListener) => {
    other = createServer(answer);
    await new Promise<void>((resolve) => other?.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  };

  it('a valid token connects to a remote server', async () => {
    const { endpoint, info } = await reached(ann.token);
    expect(endpoint).toEqual({ origin: server.origin, secret: ann.token });
    expect(info).toMatchObject({ mode: 'team', protocol: protocolVersion });
  });

  it('an unusable remote server or token is reported with its reason', async () => {
    const made = await devlm(server.dataDir, ['token', 'create', '--name', 'x', '--user', 'ann', '--scopes', 'llm']);
    await expect(reached(null)).rejects.toMatchObject(refusal('token_missing', /requires a token/));
    await expect(reached('a.b.c')).rejects.toMatchObject(refusal('token_refused', /not valid on this server/));
    await expect(reached(made.out.trim())).rejects.toMatchObject(
      refusal('token_refused', /does not have the scope "backend"/),
    );
    await expect(reached(ann.token, `http://127.0.0.1:${await freePort()}`)).rejects.toMatchObject(
      refusal('server_unreachable', /Cannot reach/),
    );
    const pages: [RequestListener, string][] = [
      [(_, response) => response.end('<html>Welcome</html>'), 'not_devlm'],
      [(_, response) => response.writeHead(502).end('Bad gateway'), 'not_devlm'],
      [(_, response) => response.end('{}'), 'not_devlm'],
      [(_, response) => response.writeHead(301, { location: 'http://example.com' }).end(), 'server_unreachable'],
    ];
    for (const [page, code] of pages) {
      await expect(reached(ann.token, await listen(page))).rejects.toMatchObject({ problem: { code } });
      other?.close();
    }
  });

  it('a remote server with another protocol is reported as newer or older', async () => {
    const { info } = await reached(ann.token);
    for (const [protocol, code] of [
      [protocolVersion + 1, 'server_newer'],
      [protocolVersion - 1, 'server_older'],
    ] as const) {
      const origin = await listen((_, response) => response.end(JSON.stringify({ ...info, protocol })));
      await expect(reached(ann.token, origin)).rejects.toMatchObject({ problem: { code } });
      other?.close();
    }
  });

  it('a remote server is waited for without a limit, unless it rejects the token', async () => {
    connection = new ServerConnection({
      source: remote(ann.token),
      credential: async () => ({ apiKey: null, baseUrl: null }),
      version: '99.0.0',
      problems,
      log,
      t: say,
      timing: { firstMs: 10, maxMs: 50, stableMs: 10, graceMs: 10, waitMs: 60_000 },
    });
    expect(connection.state.remote).toBe(new URL(server.origin).host);
    await connection.ready();
    expect(connection.state).toMatchObject({ state: 'ready', key: 'set' });
    await server.kill();
    await expect
      .poll(() => connection?.state, { timeout: 20_000 })
      .toMatchObject({
        state: 'reconnecting',
        problem: { code: 'server_unreachable' },
      });
    // This is far more often than a local server is tried.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(connection.state.state).toBe('reconnecting');
    await server.start();
    await expect.poll(() => connection?.state.state, { timeout: 20_000 }).toBe('ready');
    expect(await devlm(server.dataDir, ['token', 'revoke', ann.info.id])).toMatchObject({ code: 0, err: '' });
    await expect(connection.call('conversations.list', { query: {} })).rejects.toMatchObject(
      refusal('token_refused', /revoked/),
    );
    expect(connection.state).toMatchObject({ state: 'failed', problem: { action: 'set-token' } });
  });
});
