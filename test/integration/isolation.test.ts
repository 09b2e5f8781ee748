import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { type RouteName, type RouteShape, routes } from '@devlm/protocol/routes.ts';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { hello, type Ids, type Input, idNames, rowsFor } from '../support/isolation-rows.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { TestServer } from '../support/server.ts';
import { storeKinds } from '../support/stores.ts';
import { signingKeyOf } from '../support/token-keys.ts';

/* Two users on one server: the data of one does not exist for the other, on any route. */

const names = Object.keys(routes) as RouteName[];
const png = Buffer.from('89504e470d0a1a0a00000000', 'hex').toString('base64');
const unlimited = ['--limit-user', '10000,10000', '--limit-global', '10000,10000', '--limit-address', '10000,10000'];
const dataKey = randomBytes(32).toString('base64');

async function ask(server: TestServer, token: string, name: RouteName, { params = {}, query, body }: Input = {}) {
  const route: RouteShape = routes[name];
  const path = route.path.replaceAll(/:(\w+)/g, (_, key: string) => params[key] ?? 'none');
  const response = await fetch(`${server.origin}${path}${query ? `?${new URLSearchParams(query)}` : ''}`, {
    method: route.method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.headers.get('content-type')?.startsWith('text/event-stream'))
    return { status: response.status, text: await beginning(response) };
  // The only part that differs between requests.
  const text = (await response.text()).replace(/"requestId":"[^"]*"/, '');
  return { status: response.status, text };
}

/** Returns the first event of a stream. */
async function beginning(response: Response): Promise<string> {
  let text = '';
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    if (/^data: /m.test(text) && text.includes('\n\n')) break;
  }
  return text;
}

async function made<T>(schema: z.ZodType<T>, answer: ReturnType<typeof ask>): Promise<T> {
  const { status, text } = await answer;
  expect(status, text).toBeLessThan(300);
  return schema.parse(JSON.parse(text));
}

async function newUser(server: TestServer, name: string) {
  const { secret } = server.discovery;
  const { id } = await made(z.object({ id: z.string() }), ask(server, secret, 'users.add', { body: { name } }));
  const body = { name, user: name, days: 1, scopes: ['llm', 'execute', 'backend'] };
  const { token } = await made(z.object({ token: z.string() }), ask(server, secret, 'tokens.create', { body }));
  return { id, token };
}

let claude: Claude;
let postgres: PostgresServer;
beforeAll(async () => {
  claude = await startClaude();
  claude.on(any, 'A xylophone has bars of wood.');
  postgres = await startPostgres({ sync: false });
}, 60_000);
afterAll(async () => {
  await claude?.[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

const start = (env: Record<string, string>) =>
  TestServer.start({
    team: true,
    claudeUrl: claude.url,
    args: ['--sandbox', 'embedded', ...unlimited],
    env: { DEVLM_DATA_KEY: dataKey, ...env },
  });

describe('network access on a team server', () => {
  const run = { language: 'javascript', source: 'console.log(1)' };
  const forbidden = { status: 403, text: expect.stringContaining('"open_network_forbidden"') };

  test('a member cannot accept network access for the machine of the operator', async () => {
    await using server = await start({});
    const { token } = await newUser(server, 'ann');
    const body = { ...run, id: randomUUID(), acceptOpenNetwork: true };
    expect(await ask(server, token, 'executions.run', { body })).toMatchObject(forbidden);
    expect(await ask(server, server.discovery.secret, 'executions.run', { body })).toMatchObject(forbidden);
  });

  test.runIf(Number(process.versions.node.split('.')[0]) < 25)(
    'a machine that cannot block the network runs no programs, and asks no member for consent',
    async () => {
      // Without a PATH there is no bubblewrap.
      await using server = await start({ PATH: '/nowhere' });
      const { token } = await newUser(server, 'ann');
      const body = { ...run, id: randomUUID() };
      expect(await ask(server, token, 'executions.run', { body })).toMatchObject(forbidden);
    },
  );
});

describe.each(storeKinds)('two users on %s', (kind) => {
  let server: TestServer;
  let databaseUrl: string | undefined;
  let ann: string;
  let bob: string;
  let ids: Ids;
  const closing = new AbortController();

  beforeAll(async () => {
    databaseUrl = kind === 'postgres' ? await postgres.createDatabase() : undefined;
    server = await start(databaseUrl === undefined ? {} : { DEVLM_DATABASE_URL: databaseUrl });
    ann = (await newUser(server, 'ann')).token;
    bob = (await newUser(server, 'bob')).token;
    ids = await everythingOf(unknownIds());
  }, 60_000);
  afterAll(async () => {
    closing.abort();
    await server?.[Symbol.asyncDispose]();
  });

  /** Ann has an item of every kind. */
  async function everythingOf(own: Ids): Promise<Ids> {
    const params = { conversationId: own.conversationId };
    const { turnId, executionId, windowProject, projectId } = own;
    await made(z.unknown(), ask(server, ann, 'conversations.create', { body: { id: own.conversationId } }));
    const attachments = [{ kind: 'image', name: 'a.png', mediaType: 'image/png', data: png }];
    const body = { turnId, parent: null, text: 'What is a xylophone?', attachments };
    await made(z.unknown(), ask(server, ann, 'turns.create', { params, body }));
    const { text } = await vi.waitFor(
      async () => {
        const answer = await ask(server, ann, 'conversations.get', { params });
        expect(answer.text).toContain('turn.ended');
        return answer;
      },
      { timeout: 30_000, interval: 100 },
    );
    expect(text).toContain('"outcome":"completed"');
    const blob = /"blob":"([0-9a-f]{64})"/.exec(text)?.[1] ?? '';
    const run = { id: executionId, language: 'javascript', source: 'console.log("ann")' };
    const origin = { conversationId: own.conversationId, turnId, part: '1' };
    const record = ask(server, ann, 'executions.run', { body: { ...run, origin } });
    const { programHash } = await made(z.object({ programHash: z.string() }), record);
    expect((await ask(server, ann, 'workspace.create', { params: { projectId } })).status).toBe(200);
    const write = { params: { projectId }, query: { path: 'secret.txt' }, body: { data: 'YW5u' } };
    expect((await ask(server, ann, 'workspace.write', write)).status).toBe(200);
    const window = await fetch(`${server.origin}/backend/editor`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ann}`, 'content-type': 'application/json' },
      body: JSON.stringify(hello(own.windowId, windowProject)),
      signal: closing.signal,
    });
    const requestId = await firstRequest(window);
    return { ...own, blob, program: programHash, requestId };
  }

  /** Returns the first requests of the server to a new window. The stream stays open. */
  async function firstRequest(window: Response): Promise<string> {
    const reader = window.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { done: true };
      text += value ?? '';
      const id = /"id":"([^"]+)"/.exec(text)?.[1];
      if (id !== undefined) return id;
      if (done) throw new Error(`the window was asked nothing: ${text}`);
    }
  }

  /** Returns everything that Ann can see of her items. */
  async function seenByAnn() {
    const seen: RouteName[] = ['conversations.get', 'conversations.export', 'executions.get', 'executions.list'];
    const more: RouteName[] = ['snippets.get', 'blobs.get', 'workspace.list', 'workspace.read', 'conversations.list'];
    const rows = rowsFor(ids);
    return await Promise.all(
      [...seen, ...more].map(async (name) => ({ name, ...(await ask(server, ann, name, rows[name])) })),
    );
  }

  test.each(names)('%s', async (name) => {
    const before = await seenByAnn();
    for (const { status, name: read } of before) expect(status, read).toBe(200);
    const row = rowsFor(ids)[name];
    const { status, text } = await ask(server, bob, name, row);
    if (row.is === 'forbidden') expect({ status, text }).toMatchObject({ status: 403 });
    if (row.is === 'taken') expect([404, 409], text).toContain(status);
    if (row.is === 'hidden') {
      expect({ status, text }).toMatchObject({ status: 404, text: expect.stringContaining('"not_found"') });
      expect({ status, text }).toEqual(await ask(server, bob, name, rowsFor(unknownIds())[name]));
    }
    for (const id of [...Object.values(ids), 'xylophone', 'secret.txt']) expect(text).not.toContain(id);
    expect(await seenByAnn()).toEqual(before);
  });

  test('a user cannot attach new items to those of another user', async () => {
    const { conversationId, turnId, projectId } = ids;
    const id = randomUUID();
    const run = { id, language: 'javascript', source: 'console.log(1)' };
    const origin = { conversationId, turnId, part: '1' };
    expect((await ask(server, bob, 'executions.run', { body: { ...run, origin } })).status).toBe(404);
    expect((await ask(server, bob, 'conversations.create', { body: { id, projectId } })).status).toBe(404);
    // With the same program and input, the result of Ann's run is still only hers.
    const again = { ...run, source: 'console.log("ann")', reuse: true };
    const record = ask(server, bob, 'executions.run', { body: again });
    expect(await made(z.object({ reusedFrom: z.string().nullable() }), record)).toEqual({ reusedFrom: null });
    const usage = await made(z.object({ inputTokens: z.number() }), ask(server, bob, 'usage.today'));
    expect(usage).toEqual({ inputTokens: 0 });
    const spent = await made(z.object({ outputTokens: z.number() }), ask(server, ann, 'usage.today'));
    expect(spent.outputTokens).toBeGreaterThan(0);
  });

  test('notices go only to the users that they concern', async () => {
    const heard: Record<string, string> = { ann: '', bob: '' };
    const stop = new AbortController();
    const listening = Object.entries({ ann, bob }).map(async ([who, token]) => {
      const stream = await fetch(`${server.origin}/backend/events`, {
        headers: { authorization: `Bearer ${token}` },
        signal: stop.signal,
      });
      const read = async () => {
        for await (const piece of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) heard[who] += piece;
      };
      void read().catch(() => undefined);
    });
    await Promise.all(listening);
    const params = { conversationId: ids.conversationId };
    await ask(server, ann, 'conversations.rename', { params, body: { title: 'Bars of wood' } });
    const own = randomUUID();
    await ask(server, bob, 'conversations.create', { body: { id: own, title: 'Mine' } });
    await vi.waitFor(
      () =>
        expect([heard['ann'], heard['bob']]).toEqual([
          expect.stringContaining('Bars of wood'),
          expect.stringContaining(own),
        ]),
      20_000,
    );
    expect(heard['ann']).not.toContain(own);
    expect(heard['bob']).not.toContain(ids.conversationId);
    stop.abort();
  });

  test('a member gets no token for admin, and a disabled user is refused at once', async () => {
    const { secret } = server.discovery;
    const { id, token } = await newUser(server, 'carl');
    const body = { name: 'x', user: 'carl', days: 1, scopes: ['admin'] };
    expect((await ask(server, secret, 'tokens.create', { body })).status).toBe(409);
    expect((await ask(server, token, 'server.info')).status).toBe(200);
    expect((await ask(server, secret, 'users.disable', { params: { userId: id } })).status).toBe(200);
    expect((await ask(server, token, 'server.info')).status).toBe(401);
    expect((await ask(server, secret, 'tokens.create', { body: { ...body, scopes: ['llm'] } })).status).toBe(404);
    expect((await ask(server, secret, 'users.disable', { params: { userId: 'local' } })).status).toBe(409);
  });

  test('the guard of a team server accepts only its own tokens', async () => {
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${server.origin}/backend/info`, { headers })).status;
    const key = await signingKeyOf({ dataDir: server.dataDir, dataKey, databaseUrl });
    const claims = z.record(z.string(), z.unknown()).parse(jwt.decode(ann));
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const head = `${part({ alg: 'HS256', typ: 'JWT', kid: key.kid })}.${part(claims)}`;
    const pem = createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' });
    const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const signed = (change: object, by: KeyObject | string = key.privateKey) =>
      jwt.sign({ ...claims, ...change }, by, { algorithm: 'RS256', keyid: key.kid });
    const bad = {
      none: `${part({ alg: 'none', kid: key.kid })}.${part(claims)}.`,
      confused: `${head}.${createHmac('sha256', pem).update(head).digest('base64url')}`,
      foreign: signed({}, foreign),
      expired: signed({ exp: 1_000_000 }),
      early: signed({ nbf: Math.floor(Date.now() / 1000) + 3600 }),
      issuer: signed({ iss: 'other' }),
      audience: signed({ aud: 'other' }),
      unknown: signed({ jti: randomUUID() }),
      'of another user': signed({ sub: 'local' }),
      nothing: '',
    };
    for (const [what, token] of Object.entries(bad))
      expect(await status({ authorization: `Bearer ${token}` }), what).toBe(401);
    expect(await status({})).toBe(401);
    expect(await status({ 'x-api-key': ann })).toBe(200);
    expect(await status({ authorization: `Bearer ${ann}`, origin: 'https://evil.example' })).toBe(403);
    expect((await fetch(`${server.origin}/healthz`)).status).toBe(200);
  });
});

test('what one node revokes and disables, another refuses within seconds', { timeout: 120_000 }, async () => {
  const env = { DEVLM_DATABASE_URL: await postgres.createDatabase() };
  await using one = await start(env);
  const ann = await newUser(one, 'ann');
  await using two = await start(env);
  const late = await newUser(one, 'late');
  const status = async (token: string) => (await ask(two, token, 'server.info')).status;
  await vi.waitFor(async () => expect(await status(late.token)).toBe(200), 20_000);
  expect(await status(ann.token)).toBe(200);
  await ask(one, one.discovery.secret, 'users.disable', { params: { userId: ann.id } });
  await vi.waitFor(async () => expect(await status(ann.token)).toBe(401), 20_000);
  expect(await status(late.token)).toBe(200);
  const tokens = z.object({ items: z.array(z.object({ id: z.string(), userId: z.string() })) });
  const { items } = await made(tokens, ask(two, two.discovery.secret, 'tokens.list'));
  const tokenId = items.find(({ userId }) => userId === late.id)?.id ?? '';
  expect((await ask(two, two.discovery.secret, 'tokens.revoke', { params: { tokenId } })).status).toBe(200);
  expect(await status(late.token)).toBe(401);
  await vi.waitFor(async () => expect((await ask(one, late.token, 'server.info')).status).toBe(401), 20_000);
});

/** Ids that do not exist. */
function unknownIds(): Ids {
  const made = Object.fromEntries(idNames.map((name) => [name, randomUUID()]));
  const hash = () => randomBytes(32).toString('hex');
  return z
    .record(z.enum([...idNames, 'blob', 'program']), z.string())
    .parse({ ...made, blob: hash(), program: hash() });
}
