import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DiskSync } from '../../server/src/storage/sqlite/disk-sync.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';
import { events as e } from '../support/stores.ts';

/* Acknowledged data is on disk, and only callers that ask for it wait for the disk. */

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'devlm-disk-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

/** Replaces `datasync` of files so that each call ends when the test says so. */
async function controlled() {
  const handle = await open(root);
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const waiting: PromiseWithResolvers<void>[] = [];
  const spy = vi.spyOn(prototype, 'datasync').mockImplementation(() => {
    const wait = Promise.withResolvers<void>();
    waiting.push(wait);
    return wait.promise;
  });
  return { spy, waiting };
}

/** Returns whether a promise is settled after everything that does not need the disk had time to settle it. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await sleep(30);
  return done;
}

describe('waiting for the disk', () => {
  it('sync requests that arrive during a sync share the next one, and do not rely on the one in progress', async () => {
    writeFileSync(join(root, 'file'), '');
    const disk = new DiskSync(join(root, 'file'));
    const { spy, waiting } = await controlled();
    const first = disk.sync();
    await vi.waitFor(() => expect(spy).toHaveBeenCalledTimes(1));
    const second = disk.sync();
    const third = disk.sync();
    waiting[0]?.resolve();
    await first;
    expect(await settled(second)).toBe(false);
    expect(spy).toHaveBeenCalledTimes(2);
    waiting[1]?.resolve();
    await Promise.all([second, third]);
    expect(spy).toHaveBeenCalledTimes(2);
    await disk.close();
  });

  it('syncing continues after a file that could not be opened', async () => {
    const disk = new DiskSync(join(root, 'file'));
    await expect(disk.sync()).rejects.toMatchObject({ code: 'ENOENT' });
    writeFileSync(join(root, 'file'), '');
    await disk.sync();
    await disk.close();
    await disk.sync();
  });
});

describe('a store', () => {
  const store = async () => {
    const opened = await openSqlite({ file: join(root, 'devlm.db'), version: '0.1.0' });
    await opened.conversations.create({ id: 'c', title: '', projectId: null });
    return opened;
  };

  it('an append resolves once it is on disk, and is visible as soon as it is committed', async () => {
    const opened = await store();
    const { waiting } = await controlled();
    const committed = vi.fn();
    const append = opened.events.append('c', [e.turn('t')], { committed });
    expect(await settled(append)).toBe(false);
    expect(committed).toHaveBeenCalledOnce();
    expect(await opened.events.read('c', 1, 10)).toMatchObject([{ type: 'turn.created' }]);
    // Events of a step in progress do not wait.
    await opened.events.append('c', [e.started('t'), e.delta('t', 'word')]);
    waiting[0]?.resolve();
    await append;
    await opened.close();
  });

  it('simultaneous appends share a sync', async () => {
    const opened = await store();
    for (let i = 0; i < 40; i++) await opened.conversations.create({ id: `c${i}`, title: '', projectId: null });
    const { spy, waiting } = await controlled();
    const appends = Array.from({ length: 40 }, (_, i) => opened.events.append(`c${i}`, [e.turn('t')]));
    const all = Promise.all(appends);
    while (!(await settled(all))) waiting.at(-1)?.resolve();
    expect(spy.mock.calls.length).toBeLessThan(5);
    await opened.close();
  });

  it('a store that failed to write to disk neither stores nor publishes anything any more', async () => {
    const opened = await store();
    const { waiting } = await controlled();
    const refused = opened.events.append('c', [e.turn('t')]);
    const problem = {
      problem: { code: 'store_unavailable', status: 503, detail: expect.stringMatching(/EIO.*restart DevLM/) },
    };
    const check = expect(refused).rejects.toMatchObject(problem);
    await vi.waitFor(() => expect(waiting).toHaveLength(1));
    waiting[0]?.reject(new Error('EIO: i/o error, fdatasync'));
    await check;
    await expect(opened.events.append('c', [e.started('t')])).rejects.toMatchObject(problem);
    await expect(opened.events.read('c', 0, 10)).rejects.toMatchObject(problem);
    await expect(opened.turns.get('c', 't')).rejects.toMatchObject(problem);
    await opened.close();
  });
});

describe('a server', { timeout: 60_000 }, () => {
  const disk = (state: 'well' | 'held' | 'broken') => writeFileSync(join(root, 'disk'), state);
  const start = (claudeUrl: string) => {
    disk('well');
    const script = new URL('../support/controlled-disk.ts', import.meta.url).href;
    const env = { NODE_OPTIONS: `--import=${script}`, DEVLM_TEST_DISK: join(root, 'disk') };
    return TestServer.start({ claudeUrl, env });
  };

  it('the model is called while a message is being written to disk, and nothing is published before', async () => {
    await using claude = await startClaude();
    claude.on(any, 'Four.');
    await using server = await start(claude.url);
    const id = await newConversation(server);
    using reader = new Reader(() => server, id);
    await reader.until((state) => state.lastSeq >= 1);
    disk('held');
    const sent = send(server, id, 'Two and two?');
    await claude.received(1);
    expect(await settled(sent)).toBe(false);
    expect(reader.state.lastSeq).toBe(1);
    disk('well');
    const turn = await reader.ended(await sent);
    expect(turn).toMatchObject({ status: 'completed', text: 'Two and two?' });
    expect(reader.events.map(({ seq }) => seq)).toEqual(reader.events.map((_, i) => i + 1));
  });

  it('a server that is killed during the write has the message after a restart, and answers it', async () => {
    await using claude = await startClaude();
    claude.on(any, 'Four.');
    await using server = await start(claude.url);
    const id = await newConversation(server);
    disk('held');
    const turnId = randomUUID();
    const call = { params: { conversationId: id }, body: { turnId, parent: null, text: 'Two and two?' } };
    const sent = server.client.call('turns.create', call);
    await claude.received(1);
    await Promise.all([expect(sent).rejects.toMatchObject({ problem: { code: expect.any(String) } }), server.kill()]);
    disk('well');
    await server.start();
    // As the outbox of the editor does.
    await server.client.call('turns.create', call);
    using reader = new Reader(() => server, id);
    expect(await reader.ended(turnId)).toMatchObject({ status: 'completed' });
    expect(reader.events.filter(({ type }) => type === 'turn.created')).toHaveLength(1);
  });

  it('a server whose disk fails never confirms a message, however often it is sent', async () => {
    await using claude = await startClaude();
    claude.on(any, 'Four.');
    await using server = await start(claude.url);
    const id = await newConversation(server);
    disk('broken');
    const call = { params: { conversationId: id }, body: { turnId: randomUUID(), parent: null, text: 'Hello' } };
    const refused = { problem: { code: 'store_unavailable', status: 503 } };
    for (let time = 0; time < 3; time++)
      await expect(server.client.call('turns.create', call)).rejects.toMatchObject(refused);
    disk('well');
    await expect(server.client.call('turns.create', call)).rejects.toMatchObject(refused);
    await server.kill();
    await server.start();
    await server.client.call('turns.create', call);
    using reader = new Reader(() => server, id);
    expect(await reader.ended(call.body.turnId)).toMatchObject({ status: 'completed' });
  });
});
