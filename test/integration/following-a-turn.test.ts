import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { planted, textOf } from '../support/planted-secrets.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

/* How a developer follows a turn: by the debug log, and by the requests that were sent to the model. */

const secrets = planted.filter(({ way }) => way === 'message').map(({ secret }) => secret);
const question = 'What is the answer to the question about bitterns?';
let claude: Claude;
let server: TestServer;
beforeAll(async () => {
  claude = await startClaude();
  server = await TestServer.start({
    claudeUrl: claude.url,
    args: ['--sandbox', 'embedded'],
    env: { DEVLM_LOG_LEVEL: 'debug' },
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await claude[Symbol.asyncDispose]();
});

const Line = z.looseObject({ msg: z.string() });
const logged = () =>
  [server.stderr, ...logFiles()]
    .join('\n')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => Line.parse(JSON.parse(line)));
const logFiles = () => {
  try {
    return [readFileSync(join(server.dataDir, 'logs/server.log'), 'utf8')];
  } catch {
    return [];
  }
};

/** Returns the secrets of the message that a JSON text contains. */
const secretsIn = (text: string) => secrets.filter((secret) => text.includes(JSON.stringify(secret).slice(1, -1)));

async function runTurn() {
  claude.reset();
  claude.on(any, 'They boom.');
  claude.on(any, toolUse('run_code', { language: 'javascript', source: 'console.log(1)' }), { times: 1 });
  const conversationId = await newConversation(server);
  using reader = new Reader(() => server, conversationId);
  const turnId = await send(server, conversationId, `${question}\n${textOf('message')}`);
  const turn = await reader.ended(turnId);
  expect(turn.status).toBe('completed');
  return { conversationId, turnId, steps: turn.steps };
}

test('the debug log follows a turn from the request to the end of the answer, by ids and without texts', async () => {
  const { conversationId, turnId, steps } = await runTurn();
  const stepIds = steps.map(({ id }) => id);
  const messages = () => logged().filter((line) => line['conversationId'] === conversationId);
  await expect.poll(() => messages().map(({ msg }) => msg)).toContain('lease released');
  const lines = messages();
  const order = [
    'request',
    'lease taken',
    'turn.started',
    'step.started',
    'instance chosen',
    'step.ended',
    'turn.ended',
  ];
  const found = order.map((msg) =>
    lines.findIndex((line) => line.msg === msg && line['route'] !== 'conversations.create'),
  );
  expect(found.every((index) => index >= 0)).toBe(true);
  const started = lines.find((line) => line['route'] === 'turns.create');
  expect(started).toMatchObject({ turnId, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  for (const stepId of stepIds) {
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'step.started', turnId, stepId }));
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'step.ended', turnId, stepId, instance: 'own' }));
  }
  const call = lines.find(({ msg }) => msg === 'tool.started');
  expect(call).toMatchObject({ turnId, callId: expect.any(String), executionId: expect.any(String) });
  const executionId = call?.['executionId'];
  expect(logged()).toContainEqual(expect.objectContaining({ msg: 'run started', executionId, language: 'javascript' }));
  expect(logged()).toContainEqual(expect.objectContaining({ msg: 'run ended', executionId, status: 'ok' }));
  const text = JSON.stringify(logged());
  expect(secretsIn(text)).toEqual([]);
  expect(text).not.toContain('bitterns');
});

test('the requests of a turn can be read as they were sent, step by step and without secrets', async () => {
  const { conversationId, turnId, steps } = await runTurn();
  const params = { conversationId, turnId };
  const { requests } = await server.client.call('sentRequests.list', { params });
  expect(requests.map(({ stepId }) => stepId)).toEqual(steps.map(({ id }) => id));
  const last = requests.at(-1);
  const { request } = await server.client.call('sentRequests.get', {
    params: { ...params, stepId: last?.stepId ?? '' },
  });
  const text = JSON.stringify(request);
  expect(text).toContain(question);
  expect(text).toContain('DEVLM_SECRET_');
  expect(text).toContain('tool_result');
  expect(secretsIn(text)).toEqual([]);
  await expect(
    server.client.call('sentRequests.get', {
      params: { ...params, conversationId: 'other', stepId: last?.stepId ?? '' },
    }),
  ).rejects.toMatchObject({ problem: { code: 'not_found' } });
});
