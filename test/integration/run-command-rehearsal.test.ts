import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ToolCallState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { changesIn, imageFor } from '../../server/src/actions/effects/rehearsal.ts';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { dockerEngine } from '../support/docker-engine.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

const resultsOf = (turn: TurnState | undefined): ToolResult[] =>
  (turn?.steps ?? []).flatMap((step) => Object.values(step.results));
const callsOf = (turn: TurnState | undefined): [string, ToolCallState][] =>
  (turn?.steps ?? []).flatMap((step) => Object.entries(step.calls));

/** Tests commands in a copy of the workspace, in containers of a real Docker engine. */
describe('a rehearsal', { timeout: 120_000 }, () => {
  let claude: Claude;
  let server: TestServer;
  let window: EditorWindow;
  let folder: string;

  beforeAll(async () => {
    const { host, images } = await dockerEngine(['bash', 'python']);
    const named = Object.entries(images).map(([language, image]) => `${language}=${image}`);
    claude = await startClaude();
    server = await TestServer.start({
      claudeUrl: claude.url,
      args: ['--sandbox', 'docker', '--docker-host', host, '--sandbox-images', named.join(',')],
    });
  }, 240_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    claude.reset();
    folder = mkdtempSync(join(tmpdir(), 'devlm-rehearsal-'));
    window = new EditorWindow(() => server, folder);
    await window.attach();
    window.write('a.txt', 'one\n');
    window.write('sub/crlf.txt', 'one\r\ntwo\r\n');
    window.write('gone.txt', 'to be removed\n');
    window.write('same.txt', 'stays\n');
    window.write('out/a.txt', 'not an artifact\n');
  });
  afterEach(() => {
    window[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const begin = async (command: string, more: object = { rehearse: true }, projectId = 'project') => {
    claude.on(any, 'All done.');
    claude.on(any, toolUse('run_command', { command, ...more }), { times: 1 });
    const conversationId = await newConversation(server, projectId);
    const reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'Please work.');
    const answer = async (allow: boolean) => {
      await reader.until((state) => callsOf(state.turns[turnId]).some(([, { ask }]) => ask), 90_000);
      const [callId, call] = callsOf(reader.state.turns[turnId]).find(([, { ask }]) => ask) ?? [];
      const params = { conversationId, turnId, callId: callId ?? '' };
      await server.client.call('asks.answer', { params, body: { kind: 'approval', allow } });
      return call?.ask;
    };
    const result = async () => resultsOf(await reader.ended(turnId, 90_000))[0];
    return { answer, result, reader, [Symbol.dispose]: () => reader[Symbol.dispose]() };
  };
  const files = () =>
    ['a.txt', 'sub/crlf.txt', 'gone.txt', 'same.txt', 'new/b.txt', 'out/a.txt'].map((path) =>
      existsSync(join(folder, path)) ? window.text(path) : null,
    );
  const untouched = ['one\n', 'one\r\ntwo\r\n', 'to be removed\n', 'stays\n', null, 'not an artifact\n'];
  const rewrite =
    "echo two >>a.txt; tr -d '\\r' <sub/crlf.txt >x && cat x >sub/crlf.txt; rm gone.txt x; mkdir new; echo b >new/b.txt; ln -s /etc/passwd link; printf '\\0\\1' >binary; echo done; exit 3";

  it('a rehearsal changes exactly the files that the command changed, after the user allowed it', async () => {
    using begun = await begin(rewrite);
    const ask = await begun.answer(true);
    expect(ask).toMatchObject({ format: 'diff', title: 'Change 4 files', detail: expect.stringContaining('+two') });
    const result = await begun.result();
    expect(files()).toEqual(['one\ntwo\n', 'one\ntwo\n', null, 'stays\n', 'b\n', 'not an artifact\n']);
    expect(result?.ok).toBe(true);
    expect(result?.text).toContain('This was a rehearsal');
    expect(result?.text).toContain('ended with exit code 3');
    expect(result?.text).toContain('stdout:\ndone');
    expect(result?.text).toContain('binary: it is not a text file.');
    expect(result?.details?.changes?.map(({ path }) => path).sort()).toEqual([
      'a.txt',
      'gone.txt',
      'new/b.txt',
      'sub/crlf.txt',
    ]);
    expect(existsSync(join(folder, 'link')) || existsSync(join(folder, 'binary'))).toBe(false);
    const { record } = await server.client.call('executions.get', {
      params: { executionId: result?.details?.executionId ?? '' },
    });
    expect(record).toMatchObject({ exitCode: 3, engine: { kind: 'docker', networkCut: true } });
  });

  it('a rehearsal runs with the real credentials of a file, and shows none of them', async () => {
    const token = 'correct horse battery';
    window.write('prod.env', `API_TOKEN="${token}"\r\nA=1\r\n`);
    using begun = await begin(
      "sed -i s/A=1/A=2/ prod.env; grep -c 'correct horse' prod.env; cp prod.env copy.env; cat copy.env",
    );
    const ask = await begun.answer(true);
    expect(ask).toMatchObject({ detail: expect.stringMatching(/API_TOKEN="DEVLM_SECRET_\w{20}"[\s\S]*\+A=2/) });
    const result = await begun.result();
    expect(result?.text).toMatch(/stdout:\n1\nAPI_TOKEN="DEVLM_SECRET_\w{20}"/);
    const changed = `API_TOKEN="${token}"\r\nA=2\r\n`;
    expect([window.text('prod.env'), window.text('copy.env')]).toEqual([changed, changed]);
  });

  it('a rehearsal changes nothing before an answer or after a refusal', async () => {
    using begun = await begin(rewrite);
    await begun.reader.until(
      (state) => Object.values(state.turns).some((turn) => callsOf(turn).some(([, { ask }]) => ask)),
      90_000,
    );
    expect(files()).toEqual(untouched);
    await begun.answer(false);
    expect((await begun.result())?.text).toContain('The user did not allow this.');
    expect(files()).toEqual(untouched);
  });

  it('a rule can require a rehearsal, which has no network', async () => {
    window.rules = { user: [{ verdict: 'rehearse', tool: 'run_command', command: 'python3' }], workspace: null };
    await window.attach();
    const source =
      'import socket\ntry:\n  socket.create_connection(("192.0.2.1", 80), 2)\nexcept OSError: print("cut")';
    window.write('net.py', source);
    using begun = await begin('python3 net.py; cd sub && python3 -c "print(open(\'crlf.txt\').read())"', {});
    const result = await begun.result();
    expect(result?.text).toContain('stdout:\ncut\none');
    expect(result?.text).toContain('It did not change any file.');
    expect(window.requests.map(({ kind }) => kind)).not.toContain('command.start');
    expect(files()).toEqual(untouched);
  });

  it('a rehearsal is refused if a file changed during it, and does not touch files that it did not see', async () => {
    window.before = (request) => {
      if (request.kind === 'apply') window.write('a.txt', 'mine\n');
    };
    using begun = await begin('echo two >>a.txt; mkdir -p new && echo mine >new/b.txt');
    await begun.reader.until(
      (state) => Object.values(state.turns).some((turn) => callsOf(turn).some(([, { ask }]) => ask)),
      90_000,
    );
    await begun.answer(true);
    expect(await begun.result()).toMatchObject({
      ok: false,
      text: expect.stringContaining('a.txt changed in the meantime'),
    });
    expect(files()).toEqual(['mine\n', ...untouched.slice(1)]);
  });

  it('a rehearsal runs and is applied once when the server is killed after it', async () => {
    let killed = false;
    window.after = async ({ kind }) => {
      if (kind !== 'apply' || killed) return;
      killed = true;
      await server.kill('SIGKILL');
      await server.start();
      await window.attach();
    };
    window.rules = { user: [{ verdict: 'allow', tool: '*', path: '**' }], workspace: null };
    await window.attach();
    using begun = await begin('echo two >>a.txt');
    expect(await begun.result()).toMatchObject({ ok: true });
    expect(killed).toBe(true);
    expect(window.text('a.txt')).toBe('one\ntwo\n');
  });

  it('every command is rehearsed if there is no editor', async () => {
    const params = { projectId: `api-${crypto.randomUUID()}` };
    const query = { path: 'a.txt' };
    await server.client.call('workspace.create', { params });
    const data = Buffer.from('one\r\n').toString('base64');
    await server.client.call('workspace.write', { params, query, body: { data } });
    using begun = await begin("printf 'two\\r\\n' >>a.txt; hostname", {}, params.projectId);
    expect(await begun.answer(true)).toMatchObject({ format: 'diff', detail: expect.stringContaining('+two') });
    const result = await begun.result();
    expect(result).toMatchObject({ ok: true, text: expect.stringContaining('This was a rehearsal') });
    const file = await server.client.call('workspace.read', { params, query });
    expect(Buffer.from(file.data, 'base64').toString()).toBe('one\r\ntwo\r\n');
    const { record } = await server.client.call('executions.get', {
      params: { executionId: result?.details?.executionId ?? '' },
    });
    expect(record).toMatchObject({ engine: { kind: 'docker', networkCut: true } });
  });
});

describe('the sandbox of a rehearsal', () => {
  it.each([
    ['pytest -q', 'python'],
    ['cd x && python3.13 -m pytest', 'python'],
    ['CI=1 npm test', 'javascript'],
    ['timeout 5 go test ./...', 'go'],
    ['bundle exec rspec', 'ruby'],
    ['sed -i s/a/b/ x | sort', 'bash'],
    ['((', 'bash'],
  ] as const)('a rehearsal runs in the image that has the programs of the command: %s', (command, language) => {
    expect(imageFor(command)).toBe(language);
  });

  it.each([
    [
      'F 3 ./a\nabcF 0 ./b c\nD 0 ./d\n',
      [
        ['a', 'abc'],
        ['b c', ''],
        ['d', null],
      ],
    ],
    ['', []],
    ['F 4 ./a\nabc', null],
    ['F 3 a\nabc', null],
    ['X 3 ./a\nabc', null],
    ['F -1 ./a\n', null],
    ['F 9999999999 ./a\n', null],
    ['garbage', null],
  ] as const)('the report of a rehearsal is parsed strictly: %j', (text, expected) => {
    const found = changesIn(Buffer.from(text));
    expect(found && [...found].map(([path, bytes]) => [path, bytes?.toString() ?? null])).toEqual(expected);
  });
});
