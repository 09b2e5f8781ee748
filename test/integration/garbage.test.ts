import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { Problem } from '@devlm/protocol/problem.ts';
import { routes } from '@devlm/protocol/routes.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newConversation, TestServer } from '../support/server.ts';

/** Sends bad input of every kind. Each leads to a clear problem, the server continues, and nothing is stored. */
describe('invalid requests to the gateway', () => {
  let server: TestServer;
  let conversationId: string;
  beforeAll(async () => {
    server = await TestServer.start({ claudeUrl: 'http://127.0.0.1:9' });
    conversationId = await newConversation(server);
  });
  afterAll(async () => server[Symbol.asyncDispose]());
  afterEach(async () => {
    expect(await server.client.call('server.info', {})).toMatchObject({ pid: server.discovery.pid, busyTurns: 0 });
    const { items } = await server.client.call('conversations.list', { query: {} });
    expect(items).toMatchObject([{ id: conversationId, turns: 0, title: '' }]);
  });

  interface Sent {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Record<string, string | undefined>;
    readonly body?: string | Buffer;
    readonly secret?: string;
  }
  /** Sends a raw request, because fetch would correct the deliberate errors. */
  function send({
    method = 'GET',
    path = '/backend/info',
    headers = {},
    body,
    secret = server.discovery.secret,
  }: Sent) {
    return new Promise<{ status: number; type: string; text: string; headers: Record<string, unknown> }>(
      (resolve, reject) => {
        const all = { authorization: `Bearer ${secret}`, ...headers };
        const outgoing = request(
          {
            host: '127.0.0.1',
            port: server.discovery.port,
            method,
            path,
            headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
          },
          (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (chunk) => {
              text += chunk;
            });
            response.on('end', () =>
              resolve({
                status: response.statusCode ?? 0,
                type: response.headers['content-type'] ?? '',
                text,
                headers: response.headers,
              }),
            );
          },
        );
        outgoing.on('error', reject);
        outgoing.end(body);
      },
    );
  }
  async function refused(sent: Sent, status: number, code: string) {
    const answer = await send(sent);
    expect(answer.type).toContain('application/problem+json');
    const problem = Problem.parse(JSON.parse(answer.text));
    expect({ status: answer.status, code: problem.code }).toEqual({ status, code });
    expect(problem.detail.length).toBeGreaterThan(10);
    expect(problem.requestId).toBe(answer.headers['x-request-id']);
    expect(answer.text).not.toContain(server.discovery.secret);
    expect(answer.text).not.toMatch(/\bat .*:\d+:\d+/);
    return { problem, headers: answer.headers };
  }
  const json = (body: unknown) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const turns = () => ({ method: 'POST', path: `/backend/conversations/${conversationId}/turns` });
  const turn = (more: object = {}) => ({ turnId: randomUUID(), parent: null, text: 'hello', ...more });

  it.each([
    '/',
    '/nothing',
    '/backend',
    '/backend/',
    '/backend/conversationsx',
    '/BACKEND/../etc/passwd',
    '/%2e%2e/x',
    `/${'a'.repeat(5000)}`,
  ])(
    'the gateway answers 404 to an unknown route %s',
    async (path) => void (await refused({ path }, 404, 'not_found')),
  );
  it('the gateway answers 405 with Allow to every wrong method of every route', async () => {
    for (const path of new Set(Object.values(routes).map((route) => route.path))) {
      const allowed = Object.values(routes)
        .filter((route) => route.path === path)
        .map((route) => route.method as string);
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'].filter(
        (name) => !allowed.includes(name),
      )) {
        const { headers } = await refused({ method, path: path.replaceAll(/:\w+/g, 'x') }, 405, 'method_not_allowed');
        expect(headers['allow']).toBe(allowed.join(', '));
      }
    }
  });
  it.each([undefined, '', 'Bearer', 'Bearer ', 'Bearer wrong', 'Basic eDp5', 'bearer x', `Bearer ${'x'.repeat(8000)}`])(
    'the gateway answers 401 to the secret %s, on every route',
    async (authorization) => {
      for (const { method, path } of Object.values(routes))
        await refused({ method, path: path.replaceAll(/:\w+/g, 'x'), headers: { authorization } }, 401, 'unauthorized');
    },
  );
  it.each([{ origin: 'https://evil.example' }, { origin: 'null' }, { origin: '' }, { origin: 'http://127.0.0.1' }])(
    'the gateway answers 403 to a web page: %o',
    async (headers) => {
      await refused({ headers }, 403, 'forbidden_origin');
      const answer = await send({ headers, method: 'OPTIONS' });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    },
  );
  it.each(['evil.example', 'localhost', '127.0.0.1', '127.0.0.1:1', 'localhost.evil.example', '0.0.0.0:80', '[::]:1'])(
    'the gateway answers 403 to the host %s',
    async (host) => void (await refused({ headers: { host } }, 403, 'forbidden_host')),
  );
  it('the gateway answers 413 to a body over the limit, with and without Content-Length', async () => {
    const body = JSON.stringify(turn({ text: 'x'.repeat(10_000_000) }));
    await refused({ ...turns(), headers: { 'content-type': 'application/json' }, body }, 413, 'body_too_large');
    await refused(
      { ...turns(), headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }, body },
      413,
      'body_too_large',
    );
  });
  it.each(['', '{', '{"a":1}}', 'undefined', "{'a':1}", '[1,', '\u0000', '{"a":\u0001}'])(
    'the gateway answers 400 or 422 to the body %j',
    async (body) => {
      const answer = await send({ ...turns(), headers: { 'content-type': 'application/json' }, body });
      expect([400, 422]).toContain(answer.status);
      Problem.parse(JSON.parse(answer.text));
    },
  );
  it('the gateway answers 400 to bytes that are not UTF-8, and stores none of them', async () => {
    const body = Buffer.concat([
      Buffer.from('{"turnId":"a","parent":null,"text":"'),
      Buffer.from([0xff, 0xfe, 0xc3, 0x28]),
      Buffer.from('"}'),
    ]);
    await refused({ ...turns(), headers: { 'content-type': 'application/json' }, body }, 400, 'bad_encoding');
  });
  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    undefined,
    'application/json; charset=latin1',
    'application/json; charset=utf-16',
  ])(
    'the gateway answers 415 to the content type %s',
    async (type) =>
      void (await refused(
        { ...turns(), headers: { 'content-type': type }, body: JSON.stringify(turn()) },
        415,
        'unsupported_media_type',
      )),
  );
  it('the gateway answers 415 to a compressed body', async () => {
    await refused(
      { ...turns(), headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' }, body: 'x' },
      415,
      'unsupported_media_type',
    );
  });
  it.each([
    ['no fields', {}],
    ['null', null],
    ['an array', []],
    ['a wrong type', { turnId: 'a', parent: null, text: 1 }],
    ['an id with a path in it', { turnId: '../../x', parent: null, text: 'x' }],
    ['a long id', { turnId: 'x'.repeat(65), parent: null, text: 'x' }],
    ['too long a text', { turnId: 'a', parent: null, text: 'x'.repeat(400_001) }],
    [
      'too many attachments',
      { turnId: 'a', parent: null, text: 'x', attachments: Array(21).fill({ kind: 'file', path: 'a', text: '' }) },
    ],
    [
      'an unknown attachment',
      { turnId: 'a', parent: null, text: 'x', attachments: [{ kind: 'exe', path: 'a', text: '' }] },
    ],
    [
      'an image that is not base64',
      {
        turnId: 'a',
        parent: null,
        text: 'x',
        attachments: [{ kind: 'image', name: 'a', mediaType: 'image/png', data: '***' }],
      },
    ],
    [
      'an invalid image type',
      {
        turnId: 'a',
        parent: null,
        text: 'x',
        attachments: [{ kind: 'image', name: 'a', mediaType: 'image/svg+xml', data: '' }],
      },
    ],
    ['prototype pollution', JSON.parse('{"__proto__":{"text":"x"},"turnId":"a","parent":null}')],
  ])(
    'the gateway answers 422 to %s',
    async (_name, body) => void (await refused({ ...turns(), ...json(body) }, 422, 'invalid_input')),
  );
  it('the gateway answers 422 to an empty message', async () =>
    void (await refused({ ...turns(), ...json(turn({ text: '  \n' })) }, 422, 'empty_message')));
  it('the gateway answers 404 to a turn with a missing parent or in a missing conversation', async () => {
    await refused({ ...turns(), ...json(turn({ parent: 'nobody' })) }, 404, 'not_found');
    await refused({ method: 'POST', path: '/backend/conversations/nobody/turns', ...json(turn()) }, 404, 'not_found');
    await refused({ path: '/backend/conversations/nobody/events' }, 404, 'not_found');
  });
  it.each([
    'limit=0',
    'limit=101',
    'limit=x',
    'limit=1&limit=2',
    `search=${'x'.repeat(201)}`,
    'cursor=%00',
    'projectId=..',
  ])('the gateway answers with a problem to the query %s', async (query) => {
    const answer = await send({ path: `/backend/conversations?${query}` });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    Problem.parse(JSON.parse(answer.text));
  });
  it('the gateway answers 400 to a path that is not valid percent-encoding', async () =>
    void (await refused({ path: '/backend/conversations/%E0%A4%A' }, 400, 'bad_request')));
  it.each(['x', '-1', '1.5', '99999999999999999999'])(
    'the gateway answers 422 to Last-Event-ID %s',
    async (id) =>
      void (await refused(
        { path: `/backend/conversations/${conversationId}/events`, headers: { 'last-event-id': id } },
        422,
        'invalid_input',
      )),
  );

  /** Returns the server's response to bytes that no HTTP client would send. */
  function raw(bytes: string | Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(server.discovery.port, '127.0.0.1');
      let text = '';
      socket.setTimeout(4_000, () => socket.destroy());
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
      socket.write(bytes);
      socket.end();
    });
  }
  const head = () => `Host: 127.0.0.1:${server.discovery.port}\r\nAuthorization: Bearer ${server.discovery.secret}\r\n`;
  it.each([
    [
      'two lengths',
      () => `POST /backend/conversations HTTP/1.1\r\n${head()}Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}`,
    ],
    [
      'length and chunked',
      () =>
        `POST /backend/conversations HTTP/1.1\r\n${head()}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
    ],
    [
      'an obfuscated chunked',
      () => `POST /backend/conversations HTTP/1.1\r\n${head()}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    ],
    ['a folded header', () => `GET /backend/info HTTP/1.1\r\n${head()}X: a\r\n b\r\n\r\n`],
    [
      'a bare line feed in a chunk size',
      () =>
        `POST /backend/conversations HTTP/1.1\r\n${head()}Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n4c\r\n0\r\n\r\n`,
    ],
    ['a negative length', () => `POST /backend/conversations HTTP/1.1\r\n${head()}Content-Length: -1\r\n\r\n`],
    ['a space before the colon', () => `GET /backend/info HTTP/1.1\r\n${head()}X : a\r\n\r\n`],
    ['NUL in a header', () => `GET /backend/info HTTP/1.1\r\n${head()}X: a\u0000b\r\n\r\n`],
    ['no HTTP at all', () => 'hello\r\n\r\n'],
    ['TLS', () => Buffer.from('160301020001000001fc0303', 'hex')],
    ['a header over 16 KB', () => `GET /backend/info HTTP/1.1\r\n${head()}X: ${'a'.repeat(20_000)}\r\n\r\n`],
  ])('the gateway refuses %s and closes the connection', async (_name, bytes) => {
    const answer = await raw(bytes());
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).toContain('application/problem+json');
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    Problem.parse(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)));
  });
});
