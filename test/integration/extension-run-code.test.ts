import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionEvent, ExecutionRecord } from '@devlm/protocol/execution.ts';
import type { HostToPage } from '@devlm/protocol/page.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDiscovery } from '../../extension/src/connection/discovery.ts';
import { ChatWindow } from '../support/chat-window.ts';

/** Tests runs of a page through the extension with the real server and its embedded engine, which needs no Docker. */
describe('running programs from a window', { timeout: 60_000 }, () => {
  let dataDir: string;
  let first: ChatWindow;
  let second: ChatWindow;
  let conversationId: string;
  const origin = () => ({ conversationId, turnId: 'turn-1', part: 'block-1.0.1' });

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'devlm-runs-'));
    const env = { PATH: process.env['PATH'], DEVLM_SANDBOX: 'embedded' };
    first = new ChatWindow(dataDir, env);
    second = new ChatWindow(dataDir, env);
    for (const window of [first, second]) {
      window.agrees = true;
      window.host.receive({ kind: 'ready' });
    }
    conversationId = randomUUID();
    await first.call('conversations.create', { body: { id: conversationId } });
    await second.call('server.info');
  }, 60_000);
  afterAll(async () => {
    for (const window of [first, second]) window.dispose();
    const server = await readDiscovery(dataDir);
    if (server) process.kill(server.pid);
    await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });

  const start = (window: ChatWindow, source: string, more: Record<string, unknown> = {}) => {
    const id = randomUUID();
    window.host.receive({
      kind: 'execute',
      id,
      request: { id, language: 'python', source, origin: origin(), ...more },
    });
    return id;
  };
  const messages = (window: ChatWindow, id: string) =>
    window
      .of('execution')
      .filter((message): message is Extract<HostToPage, { kind: 'execution' }> => message.id === id);
  /** Returns the messages that a page has received so far. */
  const heard = (window: ChatWindow, id: string): ExecutionEvent[] => {
    const all = messages(window, id);
    return all.slice(all.findLastIndex(({ restart }) => restart)).flatMap(({ events }) => events);
  };
  const text = (window: ChatWindow, id: string) =>
    heard(window, id)
      .flatMap((event) => (event.type === 'output' ? [event.text] : []))
      .join('');
  const ended = async (window: ChatWindow, id: string): Promise<ExecutionRecord> => {
    await expect
      .poll(() => heard(window, id).at(-1)?.type ?? messages(window, id).at(-1)?.problem, { timeout: 30_000 })
      .toBe('ended');
    const last = heard(window, id).at(-1);
    if (last?.type !== 'ended') throw new Error('it has not ended');
    return last.record;
  };
  const loop = 'import time\nfor n in range(600):\n  print(n, flush=True)\n  time.sleep(0.05)';

  it('output is streamed and ends with a receipt, which other windows receive', async () => {
    const id = start(first, 'import sys\nprint("read", input())\nprint("bad", file=sys.stderr)\nsys.exit(3)', {
      stdin: 'me',
    });
    const record = await ended(first, id);
    expect(record).toMatchObject({ status: 'failed', exitCode: 3, engine: { kind: 'embedded' }, origin: origin() });
    expect(text(first, id)).toContain('read me\n');
    expect(heard(first, id).map(({ type }) => type)).toContain('started');
    const told = () =>
      second.of('notice').flatMap(({ notice }) => (notice.type === 'execution.ended' ? [notice.record] : []));
    await expect.poll(told).toMatchObject([{ id, stdout: 'read me\n', stderr: 'bad\n' }]);
    const { items } = (await second.call('executions.list', { query: { conversationId } })) as { items: unknown[] };
    expect(items).toMatchObject([{ origin: origin(), execution: { id, state: 'ended', record: { exitCode: 3 } } }]);
  });

  it('another window follows a run from its start and stops it', async () => {
    const id = start(first, loop);
    await expect.poll(() => text(first, id), { timeout: 20_000 }).toContain('3\n');
    second.host.receive({ kind: 'execute', id });
    await expect.poll(() => text(second, id)).toMatch(/^0\n1\n2\n/);
    await second.call('executions.cancel', { params: { executionId: id } });
    expect(await ended(first, id)).toMatchObject({ status: 'cancelled' });
    expect(await ended(second, id)).toMatchObject({ status: 'cancelled' });
    expect(text(second, id)).toBe(text(first, id));
  });

  it('a run continues while the page reloads, which then receives all output', async () => {
    const id = start(first, 'import time\nfor n in range(12):\n  print(n, flush=True)\n  time.sleep(0.1)');
    await expect.poll(() => text(first, id), { timeout: 20_000 }).toContain('1\n');
    first.host.receive({ kind: 'ready' });
    first.host.receive({ kind: 'execute', id });
    expect(await ended(first, id)).toMatchObject({ status: 'ok' });
    expect(text(first, id)).toBe(Array.from({ length: 12 }, (_, n) => `${n}\n`).join(''));
  });

  it('nothing runs in an untrusted folder', async () => {
    first.trusted = false;
    const id = start(first, 'print(1)');
    await expect.poll(() => messages(first, id).at(-1)?.problem?.code).toBe('workspace_untrusted');
    first.trusted = true;
  });

  it('a malformed run is answered, so that the page does not wait forever', async () => {
    const id = randomUUID();
    first.host.receive({ kind: 'execute', id, request: { id, language: 'cobol', source: 'x' } });
    await expect.poll(() => messages(first, id).at(-1)?.problem?.code).toBe('invalid_request');
  });

  it('a run is reported as lost when the server is killed, and the next one runs', async () => {
    const id = start(first, loop);
    await expect.poll(() => text(first, id), { timeout: 20_000 }).toContain('1\n');
    const server = await readDiscovery(dataDir);
    process.kill(server?.pid ?? 0, 'SIGKILL');
    await expect.poll(() => messages(first, id).at(-1)?.problem?.code, { timeout: 30_000 }).toBe('execution_lost');
    const next = start(first, 'print("again")');
    expect(await ended(first, next)).toMatchObject({ status: 'ok' });
    expect(text(first, next)).toBe('again\n');
  });
});
