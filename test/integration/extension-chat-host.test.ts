import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerInfo } from '@devlm/protocol/views.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, readDiscovery } from '../../extension/src/connection/discovery.ts';
import { ChatWindow } from '../support/chat-window.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { serverBundle as bundle, serverVersion as version } from '../support/extension.ts';

describe('chat host on the real server', { timeout: 60_000 }, () => {
  let claude: Claude;
  let dataDir: string;
  let windows: ChatWindow[];
  const open = (more: { bundle?: string; version?: string; baseUrl?: string } = {}) => {
    const env = {
      PATH: process.env['PATH'],
      ANTHROPIC_BASE_URL: more.baseUrl ?? claude.url,
      DEVLM_MODEL: 'claude-sonnet-5-5',
      DEVLM_RETRY_BASE_MS: '10',
    };
    const window = new ChatWindow(dataDir, env, more);
    windows.push(window);
    return window;
  };
  const pid = async () => (await readDiscovery(dataDir))?.pid ?? 0;
  const words = Array.from({ length: 150 }, (_, i) => `word${i}`).join(' ');
  const slowly = () => claude.on('slowly', { blocks: words, pace: { chunkChars: 9, chunksPerSecond: 120 } });

  beforeEach(async () => {
    windows = [];
    claude = await startClaude();
    dataDir = await mkdtemp(join(tmpdir(), 'devlm-chat-host-'));
  });
  afterEach(async () => {
    for (const window of windows) window.dispose();
    const last = await pid();
    if (last) process.kill(last, 'SIGKILL');
    while (last && isAlive(last)) await sleep(10);
    await claude[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  it('a page is greeted without a server, which starts at the first call', async () => {
    const window = open();
    window.host.receive({ kind: 'ready' });
    expect(window.posted).toMatchObject([
      { kind: 'hello', server: { state: 'idle' }, strings: { Send: 'Senden' }, projectId: 'project-1' },
    ]);
    await sleep(100);
    expect(await pid()).toBe(0);
    expect(ServerInfo.parse(await window.call('server.info'))).toMatchObject({ version, key: 'set' });
    expect(window.of('server').map(({ server }) => server.state)).toContain('ready');
    expect(window.connection.state).toMatchObject({ state: 'ready', key: 'set', demo: false });
  });

  it('messages of a hostile page are refused, and the host keeps working', async () => {
    const window = open();
    window.host.receive({ kind: 'ready' });
    const forbidden = ['server.shutdown', 'server.credential', 'server.events', '__proto__', 'constructor', ''];
    for (const route of forbidden) {
      expect(await window.reply({ kind: 'call', route, input: {} })).toMatchObject({
        ok: false,
        problem: { code: 'not_found' },
      });
    }
    const id = '../credential';
    expect(
      await window.reply({ kind: 'call', route: 'conversations.get', input: { params: { conversationId: id } } }),
    ).toMatchObject({ ok: false, problem: { code: 'invalid_request' } });
    expect(
      await window.reply({ kind: 'editor', action: { action: 'command', command: 'workbench.action.quit' } }),
    ).toMatchObject({ ok: false, problem: { code: 'invalid_request' } });
    for (const junk of [
      null,
      7,
      'ready',
      [],
      { kind: 'eval' },
      { kind: 'subscribe', conversationId: 'a/b', after: -1 },
    ])
      window.host.receive(junk);
    const { problem } = (await window.reply({ kind: 'editor', action: { action: 'copy', text: 'x' } })) as {
      problem?: { code: string; detail: string };
    };
    expect(problem?.code).toBe('internal');
    expect(problem?.detail).not.toContain('/secret/path');
    await window.call('server.info');
    for (let i = 1000; i < 1100; i++) window.host.receive({ kind: 'call', id: i, route: 'models.list', input: {} });
    await expect
      .poll(() => window.of('reply').filter(({ id: nth }) => nth >= 1000).length, { timeout: 10_000 })
      .toBe(100);
    expect(window.of('reply').filter((reply) => !reply.ok && reply.problem.code === 'too_many_requests')).toHaveLength(
      36,
    );
  });

  it('each event arrives once and in order although the server is killed twice during an answer', async () => {
    slowly();
    const window = open();
    window.host.receive({ kind: 'ready' });
    await window.ask('slowly');
    for (const sign of ['word20 ', 'word60 ']) {
      await expect.poll(() => window.answer(), { timeout: 15_000 }).toContain(sign);
      process.kill(await pid(), 'SIGKILL');
    }
    await expect.poll(() => window.ended(), { timeout: 30_000 }).toBe(true);
    const events = window.events();
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(window.answer()).toBe(words);
    const states = window.of('server').map(({ server }) => server.state);
    expect(states.filter((state) => state === 'reconnecting').length).toBeGreaterThanOrEqual(2);
    expect(states.at(-1)).toBe('ready');
    // The new server has received the key again.
    expect(await window.call('server.info')).toMatchObject({ key: 'set' });
  });

  it('a message that is sent while the server dies is delivered', async () => {
    const window = open();
    window.host.receive({ kind: 'ready' });
    await window.call('server.info');
    process.kill(await pid(), 'SIGKILL');
    await window.ask('hello');
    await expect.poll(() => window.ended(), { timeout: 20_000 }).toBe(true);
    expect(window.events().filter(({ type }) => type === 'turn.created')).toHaveLength(1);
  });

  it('two windows share one server and show a conversation live', async () => {
    slowly();
    const [first, second] = [open(), open()];
    for (const window of [first, second]) window.host.receive({ kind: 'ready' });
    const [a, b] = await Promise.all([first.call('server.info'), second.call('server.info')]);
    expect(ServerInfo.parse(a).pid).toBe(ServerInfo.parse(b).pid);
    const conversationId = await first.ask('slowly');
    second.host.receive({ kind: 'subscribe', conversationId, after: 0 });
    await expect.poll(() => first.ended() && second.ended(), { timeout: 20_000 }).toBe(true);
    expect(second.events()).toEqual(first.events());
    expect(second.of('notice').some(({ notice }) => notice.type === 'conversation.changed')).toBe(true);
    await expect.poll(() => second.connection.state.today?.costUsd, { timeout: 10_000 }).toBeGreaterThan(0);
  });

  it('a page that was hidden continues where it was, and receives undelivered events again', async () => {
    slowly();
    const window = open();
    window.host.receive({ kind: 'ready' });
    const conversationId = await window.ask('slowly');
    await expect.poll(() => window.answer(), { timeout: 15_000 }).toContain('word10 ');
    window.host.disconnect();
    const before = window.events().length;
    await sleep(200);
    expect(window.events().length).toBe(before);
    let refusals = 3;
    window.host.connect(async (message) =>
      message.kind === 'events' && refusals-- > 0 ? false : window.post(message),
    );
    // The page was reloaded, and continues after the last event that it has.
    window.host.receive({ kind: 'ready' });
    window.host.receive({ kind: 'subscribe', conversationId, after: before });
    await expect.poll(() => window.ended(), { timeout: 20_000 }).toBe(true);
    expect(window.events().map(({ seq }) => seq)).toEqual(window.events().map((_, index) => index + 1));
    expect(window.answer()).toBe(words);
    // A reloaded page receives nothing until it subscribes again.
    window.host.receive({ kind: 'ready' });
    window.posted.length = 0;
    await window.call('conversations.get', { params: { conversationId } });
    expect(window.events()).toEqual([]);
  });

  it('the page reloads a conversation whose log is shorter than what it has', async () => {
    const window = open();
    window.host.receive({ kind: 'ready' });
    const conversationId = await window.ask('hello');
    await expect.poll(() => window.ended(), { timeout: 15_000 }).toBe(true);
    window.host.receive({ kind: 'subscribe', conversationId, after: 10_000 });
    await expect.poll(() => window.of('do')).toEqual([{ kind: 'do', what: 'openConversation', conversationId }]);
  });

  it('requests to the page are queued until it is ready', () => {
    const window = open();
    for (let i = 0; i < 30; i++) window.host.ask({ kind: 'do', what: 'focusInput' });
    expect(window.posted).toEqual([]);
    window.host.receive({ kind: 'ready' });
    expect(window.posted[0]?.kind).toBe('hello');
    expect(window.of('do')).toHaveLength(20);
  });

  it('requests are queued while the view is hidden or reloading', () => {
    const window = open();
    window.host.receive({ kind: 'ready' });
    window.host.disconnect();
    window.host.connect(window.post);
    // The view is shown, but its page has not loaded yet.
    window.host.ask({ kind: 'do', what: 'stop' });
    expect(window.of('do')).toEqual([]);
    window.host.receive({ kind: 'ready' });
    window.host.loading();
    window.host.ask({ kind: 'do', what: 'focusInput' });
    expect(window.posted.map(({ kind }) => kind)).toEqual(['hello', 'hello', 'do']);
    window.host.receive({ kind: 'ready' });
    expect(window.posted.map(({ kind }) => kind)).toEqual(['hello', 'hello', 'do', 'hello', 'do']);
    expect(window.readiness).toEqual([true, false, true, false, true]);
  });

  it("the server is told of a new or removed key, and never loses another editor's", async () => {
    // A key is known to be required only for Claude's own API. Nothing is sent there.
    const own = { baseUrl: 'https://api.anthropic.com' };
    const [window, keyless] = [open(own), open(own)];
    keyless.credential = { apiKey: null, baseUrl: null };
    for (const one of [window, keyless]) one.host.receive({ kind: 'ready' });
    expect(await window.call('server.info')).toMatchObject({ key: 'set' });
    expect(await keyless.call('server.info')).toMatchObject({ key: 'set' });
    expect(keyless.connection.state.key).toBe('set');
    window.credential = { apiKey: null, baseUrl: null };
    await window.connection.credentialChanged('apiKey');
    expect(await window.call('server.info')).toMatchObject({ key: 'missing' });
    await expect.poll(() => keyless.connection.state.key).toBe('missing');
    window.credential = { apiKey: 'sk-test-fedcba9876543210', baseUrl: null };
    await window.connection.credentialChanged('apiKey');
    await expect.poll(() => keyless.connection.state.key).toBe('set');
    const everything = JSON.stringify([windows.map(({ posted, logged }) => [posted, logged])]);
    expect(everything).not.toContain('sk-test');
    expect(everything).not.toContain((await readDiscovery(dataDir))?.secret);
  });

  it('the connection gives up after five failed starts, says why, and starts again on request', async () => {
    const late = join(dataDir, 'late.mjs');
    await writeFile(late, 'process.exit(9)');
    const window = open({ bundle: late });
    window.host.receive({ kind: 'ready' });
    await expect(window.call('server.info')).rejects.toMatchObject({ problem: { code: 'server_start_failed' } });
    expect(window.connection.state).toMatchObject({ state: 'failed', problem: { action: 'show-log' } });
    expect(window.logged.filter((line) => line.startsWith('starting server'))).toHaveLength(5);
    await expect(window.call('server.info')).rejects.toMatchObject({ problem: { code: 'server_start_failed' } });
    await writeFile(late, `process.argv[1] = ${JSON.stringify(bundle)}; await import(${JSON.stringify(bundle)})`);
    window.connection.start();
    expect(await window.call('server.info')).toMatchObject({ version });
    expect(window.connection.state).toMatchObject({ state: 'ready', problem: undefined });
  });

  it('a permanent failure is not retried', async () => {
    await writeFile(join(dataDir, 'config.json'), '{"port": "here"}');
    const window = open();
    window.host.receive({ kind: 'ready' });
    await expect(window.call('server.info')).rejects.toMatchObject({ problem: { code: 'config_invalid' } });
    expect(window.logged.filter((line) => line.startsWith('starting server'))).toHaveLength(1);
  });

  it('an answer is completed although the server is restarted during it', async () => {
    slowly();
    const window = open();
    window.host.receive({ kind: 'ready' });
    await window.ask('slowly');
    await expect.poll(() => window.answer(), { timeout: 15_000 }).toContain('word15 ');
    const before = await pid();
    await window.connection.restart();
    expect(await window.call('server.info')).not.toMatchObject({ pid: before });
    await expect.poll(() => window.ended(), { timeout: 20_000 }).toBe(true);
    expect(window.answer()).toBe(words);
  });

  it('a busy server of an older version is used, and replaced when it is done', async () => {
    slowly();
    const older = open();
    older.host.receive({ kind: 'ready' });
    await older.ask('slowly');
    const before = await pid();
    const newer = open({ version: '99.0.0' });
    newer.host.receive({ kind: 'ready' });
    expect(await newer.call('server.info')).toMatchObject({ pid: before, busyTurns: 1 });
    await expect.poll(() => older.ended(), { timeout: 20_000 }).toBe(true);
    await expect.poll(pid, { timeout: 10_000 }).not.toBe(before);
    await expect.poll(() => older.connection.state.state, { timeout: 10_000 }).toBe('ready');
    expect(older.answer()).toBe(words);
  });
});
