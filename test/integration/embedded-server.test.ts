import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { StartupFailure } from '@devlm/protocol/discovery.ts';
import { answerText } from '@devlm/protocol/reducer.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { httpError } from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { newConversation, Reader, send, serverCommand, TestServer } from '../support/server.ts';

describe('the embedded server', { timeout: 30_000 }, () => {
  let claude: Claude;
  let dataDir: string;
  beforeAll(async () => {
    claude = await startClaude();
  });
  afterAll(() => claude[Symbol.asyncDispose]());
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'devlm-embedded-'));
  });
  afterEach(() => {
    claude.reset();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const start = (more: Parameters<typeof TestServer.start>[0] = {}) =>
    TestServer.start({ claudeUrl: claude.url, dataDir, ...more });

  /** Runs the command line to its end. */
  async function run(...args: string[]) {
    const child = spawn(process.execPath, [...serverCommand(), ...args], {
      env: { PATH: process.env['PATH'] },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    await once(child, 'close');
    return { code: child.exitCode, stdout, stderr };
  }

  it('only the user can read the secret of the embedded server', async () => {
    await using server = await start();
    expect(statSync(join(dataDir, 'server.json')).mode & 0o777).toBe(0o600);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(server.discovery.secret.length).toBeGreaterThanOrEqual(43);
  });

  it('only one embedded server runs for a folder, however many start at once', async () => {
    await using server = await start();
    const others = await Promise.all(
      Array.from({ length: 3 }, () => run('serve', '--embedded', '--data-dir', dataDir)),
    );
    expect(others.map(({ code }) => code)).toEqual([3, 3, 3]);
    expect(await server.client.call('server.info', {})).toMatchObject({ pid: server.discovery.pid });
    await server.kill('SIGKILL');
    // A killed server leaves its discovery file and its lock behind, which do not prevent a start.
    expect(existsSync(join(dataDir, 'server.json'))).toBe(true);
    await server.start();
    expect(await server.client.call('server.info', {})).toMatchObject({ pid: server.discovery.pid });
  });

  it('the embedded server exits after its last client has left, and not while a window is connected', async () => {
    await using server = await start({ env: { DEVLM_IDLE_EXIT_MS: '300' } });
    const window = new AbortController();
    const stream = await fetch(`${server.origin}/backend/events`, {
      headers: { authorization: `Bearer ${server.discovery.secret}` },
      signal: window.signal,
    });
    await sleep(700);
    expect(await server.client.call('server.info', {})).toBeTruthy();
    window.abort();
    await stream.body?.cancel().catch(() => undefined);
    expect(await server.ended()).toBe(0);
    expect(existsSync(join(dataDir, 'server.json'))).toBe(false);
  });

  it('the embedded server does not exit while a turn runs', async () => {
    claude.on(any, { blocks: 'slow '.repeat(20), pace: { chunkChars: 5, chunksPerSecond: 20 } });
    await using server = await start({ env: { DEVLM_IDLE_EXIT_MS: '200' } });
    const conversationId = await newConversation(server);
    const turnId = await send(server, conversationId, 'hello');
    expect(await server.ended()).toBe(0);
    await using next = await start();
    using reader = new Reader(() => next, conversationId);
    expect((await reader.ended(turnId)).status).toBe('completed');
  });

  it('an idle embedded server is replaced by a newer version, and a busy one is not', async () => {
    claude.on(any, { blocks: 'slow '.repeat(20), pace: { chunkChars: 5, chunksPerSecond: 40 } });
    await using server = await start();
    const conversationId = await newConversation(server);
    using reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'hello');
    await expect(server.client.call('server.shutdown', { body: { version: '9.9.9' } })).rejects.toMatchObject({
      problem: { code: 'busy' },
    });
    await reader.ended(turnId);
    await server.client.call('server.shutdown', { body: { version: '9.9.9' } });
    expect(await server.ended()).toBe(0);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'the embedded server resumes a running turn and the queued ones after %s',
    async (signal) => {
      claude.on('first', { blocks: 'one two three '.repeat(20), pace: { chunkChars: 10, chunksPerSecond: 60 } });
      claude.on('second', 'and the second');
      await using server = await start();
      const conversationId = await newConversation(server);
      const reader = new Reader(() => server, conversationId);
      const first = await send(server, conversationId, 'first');
      const second = await send(server, conversationId, 'second', { parent: first });
      await reader.until((state) => state.turns[first]?.steps[0]?.blocks[0]?.text.includes('two') ?? false);
      await server.kill(signal);
      await server.start();
      const turn = await reader.ended(first);
      expect(turn.steps.map((step) => step.status)).toEqual(['abandoned', 'ended']);
      expect(turn.steps[0]?.problem?.code).toBe('server_restarted');
      expect(answerText(turn)).toBe('one two three '.repeat(20));
      expect(answerText(await reader.ended(second))).toBe('and the second');
      expect(reader.events.map((event) => event.seq)).toEqual(reader.events.map((_e, i) => i + 1));
      reader[Symbol.dispose]();
    },
  );

  it('the embedded server gives up a turn after three crashes and says so', async () => {
    claude.on(any, { blocks: 'never ends '.repeat(500), pace: { chunkChars: 10, chunksPerSecond: 30 } });
    await using server = await start();
    const conversationId = await newConversation(server);
    const reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'deadly');
    for (let death = 0; death < 3; death++) {
      await reader.until((state) => (state.turns[turnId]?.steps[death]?.blocks[0]?.text.length ?? 0) > 20);
      await server.kill('SIGKILL');
      await server.start();
    }
    expect(await reader.ended(turnId)).toMatchObject({
      status: 'failed',
      problem: { code: 'server_restarted', action: 'retry' },
    });
    reader[Symbol.dispose]();
  });

  it('open turns wait after a restart for the editor to provide the key', async () => {
    claude.on(any, { blocks: 'one two three '.repeat(20), pace: { chunkChars: 10, chunksPerSecond: 60 } });
    await using server = await start({
      env: { ANTHROPIC_API_KEY: '', ANTHROPIC_BASE_URL: 'https://api.anthropic.com' },
    });
    const credential = { body: { apiKey: 'sk-from-the-editor', baseUrl: claude.url } };
    await server.client.call('server.credential', credential);
    const conversationId = await newConversation(server);
    const reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'hello');
    await reader.until((state) => (state.turns[turnId]?.steps[0]?.blocks[0]?.text.length ?? 0) > 10);
    reader[Symbol.dispose]();
    await server.kill('SIGKILL');
    await server.start();
    await sleep(200);
    await server.client.call('server.credential', credential);
    using again = new Reader(() => server, conversationId);
    expect((await again.ended(turnId)).status).toBe('completed');
  });

  it('a turn whose last step was stored before a crash is completed without another call', async () => {
    claude.on(any, 'the whole answer');
    await using server = await start();
    const conversationId = await newConversation(server);
    const reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'hello');
    await reader.ended(turnId);
    await server.kill('SIGKILL');
    // Simulates that the server died between the end of the step and the end of the turn.
    const database = new DatabaseSync(join(dataDir, 'devlm.db'));
    const last = reader.state.lastSeq;
    database.exec(`DELETE FROM events WHERE conversation_id = '${conversationId}' AND seq = ${last};
      UPDATE conversations SET last_seq = ${last - 1} WHERE id = '${conversationId}';
      UPDATE turns SET status = 'running' WHERE turn_id = '${turnId}';`);
    database.close();
    reader[Symbol.dispose]();
    await server.start();
    using again = new Reader(() => server, conversationId);
    const turn = await again.ended(turnId);
    expect(turn).toMatchObject({ status: 'completed', steps: [{ status: 'ended' }] });
    expect(claude.messages).toHaveLength(1);
  });

  it('a user can end a turn whose end could not be stored', async () => {
    claude.on(any, 'the whole answer');
    await using server = await start();
    const conversationId = await newConversation(server);
    using reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'hello');
    await reader.ended(turnId);
    const database = new DatabaseSync(join(dataDir, 'devlm.db'));
    database.exec(`UPDATE turns SET status = 'running' WHERE turn_id = '${turnId}'`);
    database.close();
    await server.client.call('turns.stop', { params: { conversationId, turnId } });
    expect(await reader.until((state) => state.turns[turnId]?.status === 'stopped')).toBeTruthy();
  });

  it('a resumed turn is not sent before the editor has provided the base URL', async () => {
    claude.on(any, { blocks: 'one two three '.repeat(20), pace: { chunkChars: 10, chunksPerSecond: 60 } });
    await using elsewhere = await startClaude();
    // The environment has another address than the one that the editor has set.
    await using server = await start({ env: { ANTHROPIC_BASE_URL: elsewhere.url } });
    const credential = { body: { apiKey: 'sk-from-the-editor', baseUrl: claude.url } };
    await server.client.call('server.credential', credential);
    const conversationId = await newConversation(server);
    const reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'hello');
    await reader.until((state) => (state.turns[turnId]?.steps[0]?.blocks[0]?.text.length ?? 0) > 10);
    reader[Symbol.dispose]();
    await server.kill('SIGKILL');
    await server.start();
    await sleep(500);
    await server.client.call('server.credential', credential);
    using again = new Reader(() => server, conversationId);
    expect((await again.ended(turnId)).status).toBe('completed');
    expect(elsewhere.messages).toHaveLength(0);
  });

  it('the embedded server merges the credentials of two editors', async () => {
    claude.on(any, 'ok');
    await using server = await start({ env: { ANTHROPIC_API_KEY: '', ANTHROPIC_BASE_URL: '' } });
    await server.client.call('server.credential', { body: { apiKey: 'sk-one-editor' } });
    await server.client.call('server.credential', { body: { baseUrl: claude.url } });
    expect(await server.client.call('server.info', {})).toMatchObject({ key: 'set', baseUrl: claude.url });
    await server.client.call('server.credential', { body: { apiKey: null, baseUrl: null } });
    expect(await server.client.call('server.info', {})).toMatchObject({ key: 'missing' });
  });

  it('all conversations are kept over a restart', async () => {
    claude.on(any, 'kept');
    await using server = await start();
    const ids = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const id = await newConversation(server);
      ids.add(id);
      using reader = new Reader(() => server, id);
      await reader.ended(await send(server, id, `message ${i}`));
    }
    await server.kill('SIGKILL');
    await server.start();
    const { items } = await server.client.call('conversations.list', { query: {} });
    expect(new Set(items.map(({ id }) => id))).toEqual(ids);
    expect(items.every(({ turns, title }) => turns === 1 && title.startsWith('message'))).toBe(true);
  });

  it('secrets are never written to disk', async () => {
    claude.on(any, httpError(400, { message: 'your key sk-test-0123456789abcdef is wrong' }));
    await using server = await start({ env: { DEVLM_LOG_LEVEL: 'trace' } });
    await server.client.call('server.credential', { body: { apiKey: 'sk-editor-0123456789', baseUrl: null } });
    const conversationId = await newConversation(server);
    using reader = new Reader(() => server, conversationId);
    await reader.ended(await send(server, conversationId, 'hello'));
    await fetch(`${server.origin}/backend/info?x=${'y'.repeat(10)}`, {
      headers: { authorization: 'Bearer wrong-secret-123456' },
    });
    await server.kill('SIGTERM');
    const everything = readdirSync(dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
      .join('\n');
    expect(everything).toContain('"msg":"ready"');
    for (const secret of ['sk-editor-0123456789', server.discovery.secret, 'wrong-secret-123456'])
      expect(everything).not.toContain(secret);
  });

  it('an embedded server that cannot start reports the reason on one line', async () => {
    writeFileSync(join(dataDir, 'config.json'), '{"port":"many"}');
    const wrong = await run('serve', '--embedded', '--data-dir', dataDir);
    expect(wrong.code).toBe(1);
    const { problem } = StartupFailure.parse(JSON.parse(wrong.stderr.trim().split('\n').at(-1) ?? ''));
    expect(problem.detail).toContain('port (config.json)');
    rmSync(join(dataDir, 'config.json'));
    writeFileSync(join(dataDir, 'devlm.db'), 'this is no database, and it must survive');
    const damaged = await run('serve', '--embedded', '--data-dir', dataDir);
    expect(damaged.code).toBe(1);
    expect(StartupFailure.parse(JSON.parse(damaged.stderr.trim().split('\n').at(-1) ?? '')).problem.code).toBe(
      'store_damaged',
    );
    expect(readFileSync(join(dataDir, 'devlm.db'), 'utf8')).toBe('this is no database, and it must survive');
  });

  it('the command line has help and a version, and explains an unknown command', async () => {
    expect((await run('--help')).stdout).toContain('--data-dir');
    expect((await run('serve', '--help')).stdout).toContain('DEVLM_DATA_DIR');
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+/);
    expect(await run('explode')).toMatchObject({ code: 1, stderr: expect.stringContaining('explode') });
  });
});
