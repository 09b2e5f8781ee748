import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ToolCallState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { onlyDeep } from '../support/deep.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

type Call = [name: string, input: object];

const resultsOf = (turn: TurnState | undefined): ToolResult[] =>
  (turn?.steps ?? []).flatMap((step) => Object.values(step.results));
const callsOf = (turn: TurnState | undefined): ToolCallState[] =>
  (turn?.steps ?? []).flatMap((step) => Object.values(step.calls));
const run = (command: string, more: object = {}): Call => ['run_command', { command, ...more }];
const allowAll = [{ verdict: 'allow', tool: 'run_command' }];

/** Tests commands from the model's call to the process, with the extension's own runner. */
describe.skipIf(process.platform === 'win32')('commands', { timeout: 90_000 }, () => {
  let claude: Claude;
  let server: TestServer;
  let window: EditorWindow;
  let folder: string;

  beforeAll(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'off'] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    claude.reset();
    folder = mkdtempSync(join(tmpdir(), 'devlm-run-'));
    window = new EditorWindow(() => server, folder);
    await lend(allowAll);
  });
  afterEach(() => {
    window[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Shares the folder under these rules of the user. */
  const lend = async (user: object[], workspace: object[] = []) => {
    window.rules = { user, workspace };
    await window.attach();
  };
  const script = (...calls: Call[]) => {
    claude.on(any, 'All done.');
    for (const [name, input] of calls.toReversed()) claude.on(any, toolUse(name, input), { times: 1 });
  };
  const begin = async (...calls: Call[]) => {
    script(...calls);
    const conversationId = await newConversation(server, 'project');
    const reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'Please work.');
    const turn = () => reader.state.turns[turnId];
    const answer = async (allow: boolean) => {
      const isOpen = ({ ask, answer: given }: ToolCallState) => ask && !given;
      await reader.until((state) => callsOf(state.turns[turnId]).some(isOpen), 30_000);
      const calls = (turn()?.steps ?? []).flatMap((step) => Object.entries(step.calls));
      const [callId, call] = calls.find(([, one]) => isOpen(one)) ?? [];
      const params = { conversationId, turnId, callId: callId ?? '' };
      await server.client.call('asks.answer', { params, body: { kind: 'approval', allow } });
      await reader.until((state) => callsOf(state.turns[turnId]).every((one) => !isOpen(one)), 30_000);
      return call?.ask;
    };
    const ended = () => reader.ended(turnId, 60_000);
    return { conversationId, turnId, reader, turn, answer, ended, [Symbol.dispose]: () => reader[Symbol.dispose]() };
  };
  const turn = async (...calls: Call[]) => {
    using begun = await begin(...calls);
    return await begun.ended();
  };
  const whenPrinted = (reader: Reader, turnId: string, text: string) =>
    reader.until((state) => callsOf(state.turns[turnId]).some(({ output }) => output.includes(text)), 30_000);

  it('run_command returns the exit code and both outputs, and the log keeps them', async () => {
    window.write('sub/x.txt', 'in the folder\n');
    const ended = await turn(run('cat x.txt; echo oops >&2; exit 3', { cwd: 'sub' }));
    const [result] = resultsOf(ended);
    expect(result?.ok).toBe(true);
    expect(result?.text).toMatch(
      /^The command ended with exit code 3 \(\d+\.\d s\)\.\nstdout:\nin the folder\nstderr:\noops$/,
    );
    expect(result?.details?.command).toMatchObject({
      state: 'ended',
      exitCode: 3,
      line: 'cat x.txt; echo oops >&2; exit 3',
    });
    expect(callsOf(ended)[0]).toMatchObject({ started: true, command: { id: result?.details?.command?.id } });
    expect(JSON.stringify((await claude.received(2)).body)).toContain('ended with exit code 3');
  });

  it('the output of a command is shown live, without control characters', async () => {
    using begun = await begin(
      run("printf '\\033[31mred\\033[0m\\n'; while [ ! -e go ]; do sleep 0.05; done; printf '10%%\\r50%%\\r100%%\\n'"),
    );
    await begun.answer(true);
    await whenPrinted(begun.reader, begun.turnId, 'red\n');
    expect(begun.turn()?.status).toBe('running');
    window.write('go', '');
    const [result] = resultsOf(await begun.ended());
    expect(result?.text).toContain('stdout:\nred\n100%');
  });

  it('the beginning and the end of a long output are kept, and the log has no more than is shown', async () => {
    using begun = await begin(run('echo first; seq 1 300000; echo last; exit 1'));
    const [result] = resultsOf(await begun.ended());
    expect(result?.text).toMatch(/exit code 1 .*\nstdout:\nfirst\n1\n2\n/);
    expect(result?.text).toContain('\n[...]\n');
    expect(result?.text).toMatch(/\n300000\nlast\n\(\d{7} characters in between were omitted\.\)$/);
    expect(result?.text.length).toBeLessThan(60_000);
    const shown = begun.reader.events.flatMap((event) =>
      event.type === 'tool.output' && 'text' in event ? [event.text] : [],
    );
    expect(shown.join('').length).toBeLessThanOrEqual(200_000);
  });

  describe('questions about commands', () => {
    it('a command is asked about with its text, and does nothing after a refusal', async () => {
      await lend([]);
      using begun = await begin(run('touch made'));
      expect(await begun.answer(false)).toMatchObject({ kind: 'approval', format: 'command', detail: 'touch made' });
      expect(resultsOf(await begun.ended())[0]).toMatchObject({ ok: false, text: 'The user did not allow this.' });
      expect(existsSync(join(folder, 'made'))).toBe(false);
      expect(window.requests.filter(({ kind }) => kind.startsWith('command.'))).toEqual([]);
    });

    it('a command runs after the user allowed it', async () => {
      await lend([]);
      using begun = await begin(run('touch made'));
      await begun.answer(true);
      expect(resultsOf(await begun.ended())[0]).toMatchObject({ ok: true });
      expect(existsSync(join(folder, 'made'))).toBe(true);
    });

    it.each([
      ['input that a program may run', run('python3 -', { stdin: 'import os' }), 'its input'],
      ['a folder that is protected', run('echo x >config', { cwd: '.git' }), '.git'],
      ['a redirection out of the workspace', run('echo x >../../x', { cwd: 'sub' }), 'outside the workspace'],
      ['a program that cannot be known', run('$PROGRAM x'), 'cannot tell in advance'],
      ['a folder that is entered to write there', run('cd .git && echo x >config'), '.git'],
    ])('a command asks about %s, whatever the rules allow', async (_what, call, reason) => {
      for (const inside of ['.git', 'sub']) mkdirSync(join(folder, inside));
      await lend([{ verdict: 'allow', tool: '*' }]);
      using begun = await begin(call);
      const ask = await begun.answer(false);
      expect(ask?.kind === 'approval' && ask.reason).toContain(reason);
      if ('stdin' in call[1]) expect(ask).toMatchObject({ detail: expect.stringContaining('import os') });
      await begun.ended();
    });

    it('a denied command does not ask, and workspace rules can only deny', async () => {
      await lend(allowAll, [{ verdict: 'deny', tool: 'run_command', command: 'rm' }]);
      window.write('kept', '');
      const [result] = resultsOf(await turn(run('echo ok && rm kept')));
      expect(result).toMatchObject({ ok: false, text: expect.stringContaining('not allowed') });
      expect(existsSync(join(folder, 'kept'))).toBe(true);
    });
  });

  it.each([
    ['a file outside the workspace', 'cat /etc/hostname', '/etc/hostname'],
    ['the network', 'curl -s --max-time 1 http://127.0.0.1:9/', '127.0.0.1'],
  ])('a command asks although a rule allows it after the conversation has read %s', async (_what, line, source) => {
    await lend([...allowAll, { verdict: 'allow', tool: 'run_command', command: 'touch' }]);
    using begun = await begin(run('touch before'), run(line), run('touch after'));
    if (line.includes('/etc')) await begun.answer(true);
    const ask = await begun.answer(false);
    expect(existsSync(join(folder, 'before'))).toBe(true);
    expect(ask).toMatchObject({ detail: 'touch after', reason: expect.stringContaining(`text from ${source}`) });
    await begun.ended();
    expect(existsSync(join(folder, 'after'))).toBe(false);
  });

  it('run_command is not offered in a restricted workspace', async () => {
    window.trusted = false;
    await window.attach();
    const [result] = resultsOf(await turn(run('touch made')));
    expect(result).toMatchObject({ ok: false, text: expect.stringContaining('There is no tool named run_command') });
    expect(existsSync(join(folder, 'made'))).toBe(false);
    // The model can tell the user why.
    expect(JSON.stringify((await claude.received(1)).body)).toContain('has not trusted this workspace');
  });

  it('a command ends with all its child processes when the turn is stopped', async () => {
    using begun = await begin(run('(sleep 300; touch late) & echo $! >pid; echo on; wait'));
    const { conversationId, turnId, reader } = begun;
    await begun.answer(true);
    await whenPrinted(reader, turnId, 'on');
    await server.client.call('turns.stop', { params: { conversationId, turnId } });
    expect((await begun.ended()).status).toBe('stopped');
    await expect.poll(() => isAlive(Number(window.text('pid'))), { timeout: 20_000 }).toBe(false);
    claude.reset();
    claude.on(any, 'I see.');
    await reader.ended(await send(server, conversationId, 'And now?', { parent: turnId }), 30_000);
    expect(JSON.stringify((await claude.received(1)).body)).toContain('stopped this while it ran');
  });

  describe('commands and restarts of the server', () => {
    it.each([
      ['is killed while it runs', 'SIGKILL', 'while [ ! -e go ]; do sleep 0.05; done'],
      ['is killed after it ended', 'SIGKILL', 'touch go'],
      ['is closed while it runs', 'SIGTERM', 'while [ ! -e go ]; do sleep 0.05; done'],
    ] as const)('a command runs once if the server %s', async (_when, signal, middle) => {
      let killed = false;
      window.after = async ({ kind }) => {
        if (kind !== 'command.poll' || killed || !existsSync(join(folder, 'log'))) return;
        killed = true;
        await server.kill(signal);
        window.write('go', '');
        await server.start();
        await window.attach();
      };
      using begun = await begin(run(`echo x >>log; echo on; ${middle}; echo off`));
      const [result] = resultsOf(await begun.ended());
      expect(killed).toBe(true);
      expect(window.text('log')).toBe('x\n');
      expect(result?.text).toContain('stdout:\non\noff');
      expect(result?.details?.command).toMatchObject({ state: 'ended', exitCode: 0 });
    });

    // The server waits a minute for the window to return.
    onlyDeep(() => {
      it('the result of a command is reported as unknown if the server and the window are gone', {
        timeout: 120_000,
      }, async () => {
        using other = new EditorWindow(() => server, folder);
        other.rules = window.rules;
        using begun = await begin(run('echo x >>log; echo on; sleep 300'));
        await whenPrinted(begun.reader, begun.turnId, 'on');
        window[Symbol.dispose]();
        await server.kill('SIGKILL');
        await server.start();
        await other.attach();
        const ended = await begun.reader.ended(begun.turnId, 100_000);
        expect(resultsOf(ended)[0]).toMatchObject({ ok: false, text: expect.stringContaining('is not known') });
        expect(window.text('log')).toBe('x\n');
      });
    });
  });

  describe('background commands', () => {
    /** Returns the id of the command in the last result. */
    const idOf = (found: TurnState | undefined) => resultsOf(found).at(-1)?.details?.command?.id ?? '';

    it('a background command continues after its turn, and the model is told of it at its next step', async () => {
      using begun = await begin(
        run('echo up; while [ ! -e go ]; do sleep 0.05; done; echo "went on"; cat', { background: true }),
      );
      const { conversationId, reader } = begun;
      const first = await begun.ended();
      expect(resultsOf(first)[0]?.text).toMatch(/^It runs in the background as [0-9a-f]{12}\./);
      expect(resultsOf(first)[0]?.text).toContain('stdout:\nup');
      window.write('go', '');
      await expect.poll(async () => (await window.commands.poll(idOf(first), 0, 0)).next, { timeout: 20_000 }).toBe(11);

      claude.reset();
      script(
        ['command_control', { id: idOf(first), action: 'read' }],
        ['command_control', { id: idOf(first), action: 'stop' }],
      );
      const second = await reader.ended(await send(server, conversationId, 'And?', { parent: first.id }), 60_000);
      const asked = JSON.stringify((await claude.received(1)).body);
      expect(asked).toContain(`The background command ${idOf(first)}`);
      expect(asked).toContain('went on');
      expect(second.notes).toHaveLength(1);
      // News that the model has received is not sent again.
      expect(resultsOf(second).map(({ text }) => text)).toEqual([
        expect.stringMatching(/^The command is still running .*\nIt printed nothing\.$/),
        expect.stringMatching(/^The command was stopped and was terminated by SIG/),
      ]);
    });

    it('a background command takes input that the user has allowed, and can be restarted', async () => {
      using begun = await begin(run('head -n 1 | sed "s/^/got /"; sleep 300', { background: true }));
      const { conversationId, reader } = begun;
      const first = await begun.ended();
      claude.reset();
      const id = idOf(first);
      script(
        ['command_control', { id, action: 'write', text: 'hello\n' }],
        ['command_control', { id, action: 'restart' }],
      );
      const turnId = await send(server, conversationId, 'Write.', { parent: first.id });
      const isOpen = ({ ask, answer }: ToolCallState) => ask && !answer;
      await reader.until((state) => callsOf(state.turns[turnId]).some(isOpen), 30_000);
      const [callId, call] = Object.entries(reader.state.turns[turnId]?.steps[0]?.calls ?? {})[0] ?? [];
      expect(call?.ask).toMatchObject({ format: 'command', detail: 'hello\n' });
      const params = { conversationId, turnId, callId: callId ?? '' };
      await server.client.call('asks.answer', { params, body: { kind: 'approval', allow: true } });
      const second = await reader.ended(turnId, 60_000);
      const [written, restarted] = resultsOf(second);
      expect(written?.text).toContain('got hello');
      expect(restarted?.text).toMatch(/^It runs in the background as/);
      expect(idOf(second)).not.toBe(id);
      expect(await window.commands.poll(id, 0, 0)).toMatchObject({ state: 'ended', stopped: true });
      expect(await window.commands.poll(idOf(second), 0, 0)).toMatchObject({ state: 'running' });
    });

    it('a command that takes too long continues in the background', async () => {
      const [result] = resultsOf(await turn(run('echo on; sleep 300', { timeoutMs: 500 })));
      expect(result?.text).toContain('took longer than 500 ms and continues in the background');
      expect(await window.commands.poll(result?.details?.command?.id ?? '', 0, 0)).toMatchObject({ state: 'running' });
    });

    it('background commands end with their conversation', async () => {
      using begun = await begin(run('sleep 300', { background: true }));
      const id = idOf(await begun.ended());
      await server.client.call('conversations.delete', { params: { conversationId: begun.conversationId } });
      await expect.poll(async () => (await window.commands.poll(id, 0, 0)).state, { timeout: 20_000 }).toBe('ended');
    });

    it('background commands belong to one conversation', async () => {
      using begun = await begin(run('sleep 300', { background: true }));
      const id = idOf(await begun.ended());
      claude.reset();
      const [result] = resultsOf(await turn(['command_control', { id, action: 'stop' }]));
      expect(result).toMatchObject({ ok: false, text: expect.stringContaining(`There is no command ${id}.`) });
      await sleep(1);
      expect(await window.commands.poll(id, 0, 0)).toMatchObject({ state: 'running' });
    });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
