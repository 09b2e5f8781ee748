import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewAttachment } from '@devlm/protocol/events.ts';
import { ProblemError, ReceivedProblem } from '@devlm/protocol/problem.ts';
import type { StepState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawSse, toolUse } from '../support/claude/answer.ts';
import { model } from '../support/claude/models.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { stdio } from '../support/mcp/agent.ts';
import { canary, env, leaksIn, planted, textOf } from '../support/planted-secrets.ts';
import { Reader, send, TestServer } from '../support/server.ts';
import { TestWeb } from '../support/web/pages.ts';
import { secretTexts } from '../unit/guards/secrets-data.ts';

const resultsOf = (turn: TurnState | undefined): ToolResult[] =>
  (turn?.steps ?? []).flatMap((step: StepState) => Object.values(step.results));
const placeholder = /DEVLM_SECRET_[0-9A-F]{20}/;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('credentials', { timeout: 180_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let web: TestWeb;
  let server: TestServer;
  let window: EditorWindow;
  let folder: string;
  let dataDir: string;
  const lentInputs: unknown[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'devlm-secrets-'));
    dataDir = mkdtempSync(join(tmpdir(), 'devlm-secrets-data-'));
    web = await TestWeb.start();
    claude = await startClaude({
      models: [model({ id: 'claude-small-1', name: 'Small', created: '2026-01-01', line: 'sonnet', input: 60_000 })],
    });
    server = await TestServer.start({
      dataDir,
      claudeUrl: claude.url,
      args: ['--sandbox', 'embedded'],
      env: { ...web.env, DEVLM_MODEL: 'claude-small-1', DEVLM_LOG_LEVEL: 'trace' },
    });
    window = new EditorWindow(() => server, folder);
    window.mcp = {
      user: { everything: { ...stdio, env: { PLANTED: `${canary}\n${textOf('mcp')}` } } },
      workspace: [],
      variables: {},
    };
    window.tools = [{ name: 'lent', description: 'A tool.', inputSchema: { type: 'object', properties: {} } }];
    window.callTool = (_, input) => {
      lentInputs.push(input);
      if (input['fail']) {
        const detail = `It failed with ${textOf('toolError')}`;
        throw new ProblemError(ReceivedProblem.parse({ code: 'lent_failed', status: 500, title: 'Failed', detail }));
      }
      return { text: `${canary}\n${textOf('lent')}`, images: [] };
    };
    window.write('AGENTS.md', `${canary}\n${textOf('rules')}`);
    window.write('notes.txt', `${canary}\n${textOf('file')}\nlast line\n`);
    window.write('found.txt', textOf('search'));
    window.write('command.txt', `${canary}\n${textOf('command')}`);
    window.write('failure.txt', textOf('failure'));
    window.write('program.txt', `${canary}\n${textOf('program')}`);
    window.write(
      '.env',
      `APP_TOKEN=${env.APP_TOKEN}\r\nADMIN_PASSWORD="${env.ADMIN_PASSWORD}"\r\nUNREAD_SECRET=${env.UNREAD_SECRET}\r\nA=1\r\n`,
    );
    web.page('/page', `${canary}\n${textOf('page')}`, 'text/plain');
    await window.attach();
  });
  afterAll(async () => {
    window[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
    await web[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
    rmSync(dataDir, { recursive: true });
  });

  let conversationId: string;
  let head: string | null = null;
  const asked: string[] = [];
  /** Runs a turn of the conversation in which the model makes these calls, with a user who allows everything. */
  const turn = async (message: string, calls: [name: string, input: object][], attachments: NewAttachment[] = []) => {
    if (calls.length > 0) claude.on(any, `All done. ${canary}`, { times: 1 });
    for (const [name, input] of calls.toReversed()) claude.on(any, toolUse(name, input), { times: 1 });
    using reader = new Reader(() => server, conversationId);
    reader.answerAsks((ask) => {
      if (ask.kind === 'question') return { kind: ask.kind, text: `${canary} ${textOf('answer')}` };
      asked.push(`${ask.title}\n${ask.detail}`);
      return { kind: ask.kind, allow: true };
    });
    head = await send(server, conversationId, message, { parent: head, attachments });
    return await reader.ended(head, 90_000);
  };
  const placeholderIn = (text: string | undefined, before: string): string => {
    const found = new RegExp(`${before}(${placeholder.source})`).exec(text ?? '')?.[1];
    if (!found) throw new Error(`no placeholder after ${before} in ${text}`);
    return found;
  };

  const leaks = () => leaksIn(dataDir, claude.requests, server.stderr);

  it('credentials from every source are neither sent, stored nor logged', async () => {
    expect(planted.length).toBeGreaterThan(30);
    const { id } = await server.client.call('conversations.create', {
      body: { id: crypto.randomUUID(), projectId: 'project', title: '' },
    });
    conversationId = id;
    // The title is the beginning of the first message.
    const ended = await turn(
      `${textOf('title').split('\n')[0]} ${canary}\n${textOf('message')}\n${textOf('title')}`,
      [
        ['file_read', { path: 'notes.txt' }],
        ['file_read', { path: '.env' }],
        ['file_search', { pattern: '.', isRegex: true }],
        ['run_command', { command: 'cat command.txt; echo; cat .env' }],
        ['run_command', { command: 'cat failure.txt >&2; exit 3' }],
        ['run_command', { command: `printf '%s' me:"$(sed -n 's/^APP_TOKEN=//p' .env | tr -d '\\r')" | base64` }],
        [
          'run_code',
          {
            language: 'javascript',
            source: "import fs from 'node:fs'; console.log(fs.readFileSync('program.txt', 'utf8'));",
            workspaceFiles: ['program.txt'],
          },
        ],
        ['vscode__lent', {}],
        ['vscode__lent', { fail: true }],
        ['mcp__everything__get-env', {}],
        ['web_fetch', { url: 'http://pages.example.com/page' }],
        ['ask_user', { question: 'Which key?' }],
        ['file_edit', { path: 'notes.txt', edits: [{ oldText: 'last line', newText: 'the last line' }] }],
      ],
      [
        { kind: 'file', path: 'config.txt', text: `${canary}\n${textOf('attachment')}` },
        { kind: 'file', path: 'deploy/.env', text: `UNREAD_SECRET=${env.UNREAD_SECRET}` },
      ],
    );
    expect(ended.status).toBe('completed');
    const results = resultsOf(ended);
    expect(results.map(({ ok }) => ok)).toEqual([
      ...[true, true, true, true, true, true, true, true, false, true, true, true, true],
    ]);
    // Each was replaced with a placeholder, and none was just left out.
    for (const at of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) expect(results[at]?.text, `${at}`).toMatch(placeholder);
    expect(ended.text).toMatch(placeholder);
    expect(window.text('notes.txt')).toContain('the last line');
    expect(window.text('notes.txt')).toContain(textOf('file'));
    await server.client.call('conversations.rename', {
      params: { conversationId },
      body: { title: `Renamed ${env.APP_TOKEN}` },
    });
    const { found, places } = leaks();
    expect(found).toEqual([]);
    expect(places.find(({ where }) => where.endsWith('server.log'))?.text).toContain('ready');
    for (const where of [/devlm\.db/, /^request/])
      expect(places.some((place) => where.test(place.where) && place.text.includes(canary))).toBe(true);
  });

  it('a command, a program and a tool get the real credentials once the user allows the placeholder', async () => {
    window.rules = { user: [{ verdict: 'allow', tool: '*' }], workspace: null };
    await window.attach();
    const before = await turn('Read it.', [['file_read', { path: '.env' }]]);
    const token = placeholderIn(resultsOf(before)[0]?.text, 'APP_TOKEN=');
    asked.length = 0;
    const sum = `let sum = 0; for (const c of "${token}") sum = sum * 31 % 1000003 + c.charCodeAt(0); console.log(sum);`;
    const ended = await turn('Use it.', [
      ['run_command', { command: `printf %s ${token} | sha256sum; echo ${token}` }],
      ['run_command', { command: 'sha256sum', stdin: token }],
      ['run_code', { language: 'javascript', source: sum }],
      ['vscode__lent', { key: token, nested: { list: [token] } }],
      ['web_fetch', { url: `http://pages.example.com/page?key=${token}` }],
      ['run_command', { command: 'printf %s DEVLM_SECRET_00000000000000000000' }],
      ['web_fetch', { url: `http://pages.example.com/page?key=${token.replace('_', '_\n')}` }],
    ]);
    const [line, stdin, program, , , unknown, disguised] = resultsOf(ended);
    expect(line?.text).toContain(sha256(env.APP_TOKEN));
    expect(line?.text).toContain(token);
    expect(stdin?.text).toContain(sha256(env.APP_TOKEN));
    const expected = [...env.APP_TOKEN].reduce((total, c) => ((total * 31) % 1000003) + c.charCodeAt(0), 0);
    expect(program?.text).toContain(String(expected));
    expect(lentInputs.at(-1)).toEqual({ key: env.APP_TOKEN, nested: { list: [env.APP_TOKEN] } });
    expect(web.seen.at(-1)).toContain(`key=${env.APP_TOKEN}`);
    expect(unknown).toMatchObject({ ok: false, text: expect.stringContaining('does not know or no longer knows') });
    expect(disguised).toMatchObject({ ok: false, text: expect.stringContaining('control characters') });
    // Each of them was asked about, whatever the rules allow.
    expect(asked.filter((text) => text.includes(token))).toHaveLength(5);
    expect(leaks().found).toEqual([]);
  });

  it('a credential is asked about however its placeholder is written', async () => {
    const before = await turn('Read it.', [['file_read', { path: '.env' }]]);
    const token = placeholderIn(resultsOf(before)[0]?.text, 'APP_TOKEN=');
    const json = `{"command": "printf %s ${token.replace('_', '\\u005f')} | sha256sum"}`;
    expect(json).not.toContain('DEVLM_SECRET');
    const usage = { input_tokens: 1, output_tokens: 1 };
    const message = { id: 'msg_1', type: 'message', role: 'assistant', content: [], model: 'claude-small-1', usage };
    const call = { type: 'tool_use', id: 'toolu_1', name: 'run_command', input: {} };
    const events: [string, object][] = [
      ['message_start', { message: { ...message, stop_reason: null, stop_sequence: null } }],
      ['content_block_start', { index: 0, content_block: call }],
      ['content_block_delta', { index: 0, delta: { type: 'input_json_delta', partial_json: json } }],
      ['content_block_stop', { index: 0 }],
      ['message_delta', { delta: { stop_reason: 'tool_use', stop_sequence: null }, usage }],
      ['message_stop', {}],
    ];
    const sse = events.map(([type, data]) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
    claude.on(any, 'All done.', { times: 1 });
    claude.on(any, rawSse(sse.join('')), { times: 1 });
    const ended = await turn('Use it.', []);
    expect(resultsOf(ended)[0]?.text).toContain(sha256(env.APP_TOKEN));
    const calls = ended.steps.flatMap((step) => Object.values(step.calls));
    expect(calls.map(({ ask }) => ask)).toEqual([expect.objectContaining({ detail: expect.stringContaining(token) })]);
  });

  it('a credential cannot become shell syntax in a command line', async () => {
    const before = await turn('Read it.', [['file_read', { path: '.env' }]]);
    const password = placeholderIn(resultsOf(before)[0]?.text, 'ADMIN_PASSWORD="');
    const ended = await turn('Use it.', [
      ['run_command', { command: `echo ${password}` }],
      ['run_command', { command: 'sha256sum', stdin: password }],
    ]);
    const [line, stdin] = resultsOf(ended);
    expect(line).toMatchObject({ ok: false, text: expect.stringContaining('characters that a shell') });
    expect(stdin?.text).toContain(sha256(env.ADMIN_PASSWORD));
  });

  it('credentials stay in an edited file, and are not written to another', async () => {
    const before = await turn('Read it.', [['file_read', { path: '.env' }]]);
    const text = resultsOf(before)[0]?.text;
    const token = placeholderIn(text, 'APP_TOKEN=');
    const password = placeholderIn(text, 'ADMIN_PASSWORD="');
    const original = window.text('.env');
    const ended = await turn('Edit it.', [
      ['file_write', { path: 'copy.env', content: `APP_TOKEN=${token}\n` }],
      ['file_edit', { path: '.env', edits: [{ oldText: 'A=1', newText: `A=${token}` }] }],
      ['file_edit', { path: 'found.txt', edits: [{ oldText: 'x', newText: token.toLowerCase() }] }],
      [
        'file_edit',
        {
          path: '.env',
          edits: [
            {
              oldText: `APP_TOKEN=${token}\nADMIN_PASSWORD="${password}"`,
              newText: `ADMIN_PASSWORD="${password}"\nB=2\nAPP_TOKEN=${token}`,
            },
          ],
        },
      ],
      [
        'apply_patch',
        { patch: `*** Begin Patch\n*** Update File: .env\n@@\n APP_TOKEN=${token}\n+C=3\n*** End Patch` },
      ],
    ]);
    const results = resultsOf(ended);
    expect(results.map(({ ok }) => ok)).toEqual([false, false, false, true, true]);
    expect(results[0]?.text).toContain('is a placeholder');
    const [first, second, ...rest] = original.split('\r\n');
    expect(window.text('.env')).toBe([second, 'B=2', first, 'C=3', ...rest].join('\r\n'));
    // The original content can be restored byte for byte.
    await server.client.call('files.restore', {
      params: { conversationId, turnId: ended.id },
      body: { what: 'files' },
    });
    expect(window.text('.env')).toBe(original);
    expect(leaks().found).toEqual([]);
  });

  it('credentials keep their placeholders after a restart, are known again, and are not in a summary', async () => {
    const before = await turn('Read it.', [['file_read', { path: '.env' }]]);
    const token = placeholderIn(resultsOf(before)[0]?.text, 'APP_TOKEN=');
    window[Symbol.dispose]();
    await server.kill('SIGTERM');
    await server.start();
    window = new EditorWindow(() => server, folder);
    window.rules = { user: [{ verdict: 'allow', tool: '*' }], workspace: null };
    await window.attach();
    const ended = await turn(`Go on with ${env.UNREAD_SECRET}.`, [
      ['run_command', { command: `printf %s ${token} | sha256sum` }],
      ['file_read', { path: '.env' }],
    ]);
    expect(resultsOf(ended)[0]?.text).toContain(sha256(env.APP_TOKEN));
    expect(placeholderIn(resultsOf(ended)[1]?.text, 'APP_TOKEN=')).toBe(token);
    claude.on('Write only the summary', `A summary. ${canary}`, { times: 1 });
    using reader = new Reader(() => server, conversationId);
    head = await send(server, conversationId, '/compact', { parent: head, compact: true });
    expect((await reader.ended(head)).status).toBe('completed');
    expect(leaks().found).toEqual([]);
  });

  it('a command that a dead server started still has the credentials that only that server knew', async () => {
    const [, , pasted = ''] = secretTexts[0] ?? [];
    claude.on(any, 'All done.', { times: 1 });
    const line = (text: string) =>
      `printf %s ${placeholderIn(text, 'Use ')} | sha256sum; while [ ! -e go ]; do sleep 0.05; done`;
    claude.on(any, ({ text }) => toolUse('run_command', { command: line(text) }), { times: 1 });
    let killed = false;
    window.after = async ({ kind }) => {
      if (kind !== 'command.poll' || killed) return;
      killed = true;
      await server.kill();
      window.write('go', '');
      await server.start();
      await window.attach();
    };
    conversationId = crypto.randomUUID();
    await server.client.call('conversations.create', { body: { id: conversationId, projectId: 'project' } });
    head = null;
    const ended = await turn(`Use ${pasted}`, []);
    expect(killed).toBe(true);
    const text = resultsOf(ended)[0]?.text;
    expect(text).toContain(sha256(pasted));
    // It was not started again, because the credential is no longer known.
    const again = await turn('Again.', [['run_command', { command: `echo ${placeholderIn(ended.text, 'Use ')}` }]]);
    expect(resultsOf(again)[0]).toMatchObject({
      ok: false,
      text: expect.stringContaining('does not know or no longer knows'),
    });
  });

  it('credentials have the same placeholders in a copy of the conversation', async () => {
    const before = await turn('Read it.', [['file_read', { path: '.env' }]]);
    const token = placeholderIn(resultsOf(before)[0]?.text, 'APP_TOKEN=');
    const id = crypto.randomUUID();
    await server.client.call('conversations.branch', { params: { conversationId }, body: { id, turnId: before.id } });
    conversationId = id;
    const ended = await turn('Use it.', [['run_command', { command: `printf %s ${token} | sha256sum; cat .env` }]]);
    expect(resultsOf(ended)[0]?.text).toContain(sha256(env.APP_TOKEN));
    expect(placeholderIn(resultsOf(ended)[0]?.text, 'APP_TOKEN=')).toBe(token);
  });

  it('credentials that the model makes up are written to files unchanged, and to no proposal', async () => {
    const [, text = ''] = secretTexts.find(([name]) => name === 'github classic') ?? [];
    const made = text.replaceAll('a', 'b');
    const ended = await turn('Write a test.', [
      ['file_write', { path: 'fixture.txt', content: `one ${made}\n` }],
      ['file_edit', { path: 'fixture.txt', edits: [{ oldText: `one ${made}`, newText: `two ${made}` }] }],
      ['propose', { text: made }],
    ]);
    expect(resultsOf(ended).map(({ ok }) => ok)).toEqual([true, true, false]);
    expect(window.text('fixture.txt')).toBe(`two ${made}\n`);
  });
});
