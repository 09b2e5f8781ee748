import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ServerState } from '@devlm/protocol/page.ts';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import { ServerInfo } from '@devlm/protocol/views.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type ConnectionOptions,
  type Credential,
  ServerConnection,
} from '../../extension/src/connection/connection.ts';
import type { FoundServer } from '../../extension/src/connection/discovery.ts';
import { problemsOf } from '../../extension/src/problems.ts';

/*
 * Tests what the connection sends, and when. A bare HTTP server records the requests, and a launcher that fails on
 * demand simulates a failing system.
 */

const problems = problemsOf((text) => text);
const info = ServerInfo.parse({
  version: '1.0.0',
  protocol: protocolVersion,
  mode: 'embedded',
  pid: process.pid,
  startedAt: '2026-01-01T00:00:00.000Z',
  key: 'missing',
  demo: false,
  baseUrl: 'api.anthropic.com',
  busyTurns: 0,
});

describe('server connection', { timeout: 20_000 }, () => {
  let told: unknown[];
  let others: string[];
  let port: number;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/backend/credential') {
        told.push(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        response.setHeader('content-type', 'application/json').end(JSON.stringify(info));
      } else if (request.url === '/backend/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`event: hello\ndata: ${JSON.stringify({ type: 'hello', info })}\n\n`);
      } else {
        others.push(`${request.method} ${request.url}`);
        response.setHeader('content-type', 'application/json').end(JSON.stringify(info));
      }
    });
  });
  let connections: ServerConnection[];

  const found = (): FoundServer => {
    const { version, protocol, pid, startedAt } = info;
    const secret = 'a'.repeat(64);
    const endpoint = { origin: `http://127.0.0.1:${port}`, secret };
    return { discovery: { version, protocol, pid, startedAt, host: '127.0.0.1', port, secret }, endpoint, info };
  };
  const connect = (credential: Credential, source: Partial<ConnectionOptions['source']> = {}) => {
    const known = { credential };
    const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
    const connection = new ServerConnection({
      source: { remote: null, connect: async () => found(), end: async () => undefined, ...source },
      credential: async () => known.credential,
      version: '1.0.0',
      problems,
      log,
      t: (text) => text,
      timing: { firstMs: 20, maxMs: 100, stableMs: 50, graceMs: 100, waitMs: 300 },
    });
    connections.push(connection);
    return { connection, known };
  };

  beforeEach(async () => {
    [told, others, connections] = [[], [], []];
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    for (const connection of connections) connection.dispose();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('a call without a server is given up, and not sent later', async () => {
    const late = Promise.withResolvers<FoundServer>();
    const { connection } = connect({ apiKey: null, baseUrl: null }, { connect: async () => await late.promise });
    const input = { body: { id: 'c-1' } };
    await expect(connection.call('conversations.create', input)).rejects.toMatchObject({
      problem: { code: 'server_unreachable' },
    });
    late.resolve(found());
    await connection.ready();
    await connection.call('server.info', {});
    expect(others.filter((line) => line.startsWith('POST'))).toEqual([]);
  });

  it('the server is started again although the previous one could not be ended', async () => {
    const end = async () => {
      throw new Error('EPERM');
    };
    const { connection } = connect({ apiKey: null, baseUrl: null }, { end });
    await connection.ready();
    await Promise.all([connection.restart(), connection.restart()]);
    await connection.ready();
    expect(connection.state.state).toBe('ready');
  });

  it('only the parts of the credential that this editor has are sent', async () => {
    const { connection: keyed, known } = connect({ apiKey: 'sk-1', baseUrl: null });
    await keyed.ready();
    await connect({ apiKey: null, baseUrl: 'http://127.0.0.1:11434' }).connection.ready();
    await connect({ apiKey: null, baseUrl: null }).connection.ready();
    expect(told).toEqual([{ apiKey: 'sk-1' }, { baseUrl: 'http://127.0.0.1:11434' }]);
    known.credential = { apiKey: null, baseUrl: null };
    await keyed.credentialChanged('apiKey');
    expect(told.slice(2)).toEqual([{ apiKey: null }]);
    // The removal was reported; from now on the key may be another editor's.
    await keyed.restart();
    await keyed.ready();
    expect(told.slice(3)).toEqual([]);
  });

  it('an invalid base URL is reported, and the key is still sent', async () => {
    for (const baseUrl of ['http://', 'http://my host', 'ftp://host']) {
      const { connection, known } = connect({ apiKey: 'sk-1', baseUrl });
      const problem = (): ServerState['problem'] => connection.state.problem;
      await connection.ready();
      expect(told.splice(0)).toEqual([{ apiKey: 'sk-1' }]);
      expect(connection.state).toMatchObject({ state: 'ready', problem: { code: 'bad_base_url' } });
      known.credential = { apiKey: 'sk-1', baseUrl: 'https://gateway.example' };
      await connection.credentialChanged('baseUrl');
      expect(told.splice(0)).toEqual([{ apiKey: 'sk-1', baseUrl: 'https://gateway.example' }]);
      expect(problem()).toBeUndefined();
      // A key for the new address is not sent to the previous one.
      known.credential = { apiKey: 'sk-2', baseUrl };
      await connection.credentialChanged('baseUrl');
      expect(told.splice(0)).toEqual([]);
      expect(problem()?.action).toBe('open-settings');
      known.credential = { apiKey: null, baseUrl };
      await connection.credentialChanged('apiKey');
      expect(told.splice(0)).toEqual([{ apiKey: null }]);
    }
  });
});
