import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RouteName, type RouteShape, routes } from '@devlm/protocol/routes.ts';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

/*
 * Compares the document at /openapi.json with the running server: every route is called, and has to respond as the
 * document says.
 */

const Operation = z.looseObject({
  operationId: z.string(),
  requestBody: z.unknown().optional(),
  responses: z.record(z.string(), z.unknown()),
});
const Document = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), Operation)) });

let claude: Awaited<ReturnType<typeof startClaude>>;
let server: TestServer;
let folder: string;
let window: EditorWindow;
let document: z.infer<typeof Document>;
let ajv: Ajv2020;
const called = new Set<string>();

beforeAll(async () => {
  claude = await startClaude();
  server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'embedded'] });
  folder = mkdtempSync(join(tmpdir(), 'devlm-openapi-'));
  window = new EditorWindow(() => server, folder);
  window.rules = { user: [{ verdict: 'allow', tool: '*', path: '**' }], workspace: null };
  await window.attach();
  document = Document.parse(await (await request('GET', '/openapi.json')).json());
  ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addFormat('base64', /^[A-Za-z0-9+/]*={0,2}$/);
  ajv.addSchema(document, 'devlm');
}, 60_000);
afterAll(async () => {
  window[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  await claude[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  return fetch(server.origin + path, {
    method,
    headers: {
      authorization: `Bearer ${server.discovery.secret}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Returns how a value violates a schema of the document, or null. */
function wrong(pointer: readonly string[], value: unknown): string | null {
  const escaped = pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')));
  const validate = ajv.getSchema(`devlm#/${escaped.join('/')}`);
  if (!validate) return `there is no schema at ${pointer.join(' ')}`;
  return validate(value) ? null : ajv.errorsText(validate.errors);
}

interface Input {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Calls a route, and checks the request and the response against the document. */
async function call(name: RouteName, { params = {}, query = {}, body }: Input = {}, expected = 'ok') {
  called.add(name);
  const route: RouteShape = routes[name];
  const template = route.path.replaceAll(/:(\w+)/g, '{$1}');
  const method = route.method.toLowerCase();
  const operation = document.paths[template]?.[method];
  expect(operation?.operationId).toBe(name);
  const at = ['paths', template, method];
  if (body !== undefined)
    expect(wrong([...at, 'requestBody', 'content', 'application/json', 'schema'], body), `${name} body`).toBeNull();
  const path = route.path.replaceAll(/:(\w+)/g, (_, key: string) => encodeURIComponent(params[key] ?? 'none'));
  const search = new URLSearchParams(query).toString();
  const accept = route.stream ? 'text/event-stream' : 'application/json';
  const response = await request(route.method, search ? `${path}?${search}` : path, body, { accept });
  const type = response.headers.get('content-type')?.split(';', 1)[0] ?? '';
  if (!response.ok) {
    const problem: unknown = await response.json();
    expect(type).toBe('application/problem+json');
    expect(wrong(['components', 'responses', 'Problem', 'content', type, 'schema'], problem), name).toBeNull();
    expect(problem, name).toMatchObject({ code: expected });
    return undefined;
  }
  expect(expected, name).toBe('ok');
  if (response.status === 204) {
    expect(operation?.responses['204'], name).toBeDefined();
    return undefined;
  }
  const value: unknown = type === 'text/event-stream' ? await firstOf(response) : await response.json();
  expect(wrong([...at, 'responses', '200', 'content', type, 'schema'], value), name).toBeNull();
  return value;
}

/** Returns the data of the first event of a stream. */
async function firstOf(response: Response): Promise<unknown> {
  let text = '';
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    const data = /^data: (.*)$/m.exec(text)?.[1];
    if (data !== undefined && text.includes('\n\n')) return JSON.parse(data);
  }
  return undefined;
}

test('the OpenAPI document is valid OpenAPI 3.1', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(document)));
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
  expect(validator.version).toBe('3.1');
  const ids = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(expect.arrayContaining([...Object.keys(routes), 'llm.messages']));
});

test('the OpenAPI document requires authentication', async () => {
  const response = await fetch(`${server.origin}/openapi.json`);
  expect(response.status).toBe(401);
});

test('conversations and turns respond as the OpenAPI document says', async () => {
  const conversationId = randomUUID();
  const params = { conversationId };
  await call('conversations.create', { body: { id: conversationId, title: 'Birds', projectId: 'project' } });
  claude.on(any, 'They sing.');
  using reader = new Reader(() => server, conversationId);
  const turnId = randomUUID();
  await call('turns.create', { params, body: { turnId, parent: null, text: 'Birds?' } });
  await reader.ended(turnId);
  await call('conversations.get', { params });
  await call('conversations.list', { query: { search: 'birds', limit: '5' } });
  await call('conversations.events', { params, query: { after: '1' } });
  await call('conversations.rename', { params, body: { title: 'Songs' } });
  await call('conversations.export', { params });
  await call('turns.list', { params, query: { at: turnId } });
  await call('conversations.show', { params, body: { turnId } });
  const branch = randomUUID();
  await call('conversations.branch', { params, body: { id: branch, turnId } });
  await call('turns.stop', { params: { ...params, turnId } });
  const of = { ...params, turnId };
  const { requests } = await server.client.call('sentRequests.list', { params: of });
  await call('sentRequests.list', { params: of });
  await call('sentRequests.get', { params: { ...of, stepId: requests[0]?.stepId ?? '' } });
  await call('sentRequests.get', { params: { ...of, stepId: 'none' } }, 'not_found');
  await call('conversations.delete', { params: { conversationId: branch } });
  await call('conversations.restore', { params: { conversationId: branch } });
  await call('conversations.get', { params: { conversationId: 'none' } }, 'not_found');
  await call('usage.today', { query: { offset: '60' } });
});

test('changes, reviews and questions of tools respond as the OpenAPI document says', async () => {
  const conversationId = await newConversation(server, 'project');
  const params = { conversationId };
  using reader = new Reader(() => server, conversationId);
  claude.on(any, 'Done.');
  claude.on(any, toolUse('file_write', { path: 'a.txt', content: 'one\n' }), { times: 1 });
  const turnId = await send(server, conversationId, 'Write it.');
  const turn = await reader.ended(turnId);
  const blob = Object.values(turn.steps[0]?.results ?? {})[0]?.details?.changes?.[0]?.after ?? '';
  await call('blobs.get', { params: { hash: blob } });
  await call('files.preview', { params: { ...params, turnId } });
  await call('changes.hunks', { params: { ...params, turnId }, body: { path: 'a.txt' } });
  const files = [{ path: 'a.txt', base: null, now: blob }];
  const decided = await call('changes.review', { params: { ...params, turnId }, body: { verdict: 'reject', files } });
  const { reviewId } = z.object({ reviewId: z.string() }).parse(decided);
  await call('changes.undo', { params: { ...params, turnId, reviewId } });
  await call('files.restore', { params: { ...params, turnId }, body: { what: 'both' } });

  claude.on(any, toolUse('ask_user', { question: 'Which?', options: ['a', 'b'] }), { times: 1 });
  const asking = await send(server, conversationId, 'Ask me.');
  const state = await reader.until(
    ({ turns }) => Object.values(turns[asking]?.steps[0]?.calls ?? {})[0]?.ask !== undefined,
  );
  const callId = Object.keys(state.turns[asking]?.steps[0]?.calls ?? {})[0] ?? '';
  await call('asks.answer', { params: { ...params, turnId: asking, callId }, body: { kind: 'question', text: 'a' } });
  await reader.ended(asking);
});

test('programs respond as the OpenAPI document says', async () => {
  const id = randomUUID();
  const record = await call('executions.run', { body: { id, language: 'javascript', source: 'console.log(1)' } });
  const { programHash } = z.object({ programHash: z.string() }).parse(record);
  await call('executions.get', { params: { executionId: id } });
  await call('executions.cancel', { params: { executionId: id } });
  await call('executions.list', { query: { conversationId: 'none' } });
  await call('snippets.get', { params: { hash: programHash } });
  await call('sandbox.status');
}, 60_000);

test('the window, its tools and the server itself respond as the OpenAPI document says', async () => {
  await call('server.info');
  await call('server.events');
  await call('server.credential', { body: { apiKey: 'sk-test-0123456789abcdef' } });
  await call('models.list');
  await call('symbols.find', { params: { projectId: 'project' }, query: { query: 'main' } });
  await call('pages.read', { body: { url: 'http://127.0.0.1:1/' } }, 'fetch_refused');
  const search = { projectId: 'project', input: { query: 'main' } };
  await call('actions.run', { params: { tool: 'symbol_search' }, body: search });
  await call('editor.answer', { params: { requestId: 'none' }, body: { ok: true, value: null } });
  const hello = {
    windowId: 'w2',
    projectId: 'other',
    trusted: true,
    acceptsEdits: false,
    folders: [],
    rules: { user: null, workspace: null },
  };
  called.add('editor.attach');
  const attached = await request('POST', '/backend/editor', hello, { accept: 'text/event-stream' });
  expect(attached.headers.get('content-type')).toContain('text/event-stream');
  await attached.body?.cancel();
  const sent = window.requests[0];
  const schema = ['paths', '/backend/editor', 'post', 'responses', '200', 'content', 'text/event-stream', 'schema'];
  expect(sent && wrong(schema, sent)).toBeNull();
  const { info } = z
    .object({ info: z.object({ id: z.string() }) })
    .parse(await call('tokens.create', { body: { name: 'mine', scopes: ['llm'], days: 1 } }));
  await call('tokens.list');
  await call('tokens.rotateKey', { body: {} });
  const user = z.object({ id: z.string() }).parse(await call('users.add', { body: { name: 'ada' } }));
  await call('users.add', { body: { name: 'ada' } }, 'conflict');
  await call('users.list');
  await call('users.disable', { params: { userId: user.id } });
  await call('tokens.revoke', { params: { tokenId: info.id } });
});

test('instances, budgets and usage respond as the OpenAPI document says', async () => {
  const other = { id: 'other', apiKey: 'sk-test-other', baseUrl: claude.url };
  await call('instances.add', { body: other });
  await call('instances.add', { body: other }, 'conflict');
  await call('instances.list');
  const params = { instanceId: 'other' };
  await call('instances.test', { params, body: {} });
  await call('instances.rotate', { params, body: { apiKey: 'sk-test-another' } });
  await call('instances.drain', { params, body: { draining: true } });
  await call('instances.remove', { params });
  await call('usage.report', { query: { group: 'model' } });
  const budget = { params: { budgetId: 'mine' } };
  await call('budgets.set', { ...budget, body: { scope: 'user', period: 'day', limitUsd: 5, action: 'warn' } });
  await call('budgets.list');
  await call('budgets.remove', budget);
});

test('folders on the server respond as the OpenAPI document says', async () => {
  const params = { projectId: 'served' };
  await call('workspace.create', { params });
  const query = { path: 'a.txt' };
  await call('workspace.write', { params, query, body: { data: Buffer.from('one').toString('base64') } });
  await call('workspace.read', { params, query });
  await call('workspace.list', { params });
  await call('workspace.remove', { params, query });
  await call('workspace.delete', { params });
});

test('a body that the OpenAPI document does not allow is refused', async () => {
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { requestBody, operationId }] of Object.entries(methods)) {
      if (requestBody === undefined || operationId.startsWith('llm.')) continue;
      const response = await request(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'none'), ['not', 'this']);
      expect({ operationId, status: response.status }).toEqual({ operationId, status: 422 });
    }
  }
});

test('the OpenAPI document describes every route', async () => {
  await call('server.shutdown', { body: { version: '9.9.9' } });
  expect([...called].sort()).toEqual(Object.keys(routes).sort());
});
