import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { executed } from '../support/executions.ts';
import { makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

describe.each(storeKinds)('executions in %s', (kind) => {
  let maker: StoreMaker;
  let store: Store;
  beforeAll(async () => {
    maker = await makeStores(kind);
    store = await maker.fresh();
    await store.conversations.create({ id: 'c', title: 'A chat', projectId: null });
  });
  afterAll(() => maker[Symbol.asyncDispose]());

  const origin = (turnId: string, part = 'block-0') => ({ conversationId: 'c', turnId, part });
  const at = (second: number) => ({ endedAt: new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString() });
  const save = async (...args: Parameters<typeof executed>) => {
    const { record, snippet } = executed(...args);
    await store.executions.save(record, snippet);
    return record;
  };

  test('a record and its program are read back unchanged', async () => {
    const { record, snippet } = executed(
      {
        files: [
          { path: 'bytes', content: 'AP/+', encoding: 'base64' },
          { path: 'main.py', content: 'ü\0\ud800' },
        ],
      },
      { stdout: '\0 \u{1f600} \ufffd', stderr: '', order: [{ stream: 'stdout', chars: 6 }] },
    );
    await store.executions.save(record, snippet);
    expect(await store.executions.get(record.id)).toEqual(record);
    expect(await store.executions.snippet(record.programHash)).toEqual(snippet);
    expect(snippet.files.find(({ path }) => path === 'bytes')).toMatchObject({ content: 'AP/+', encoding: 'base64' });
  });

  test('environment variables of a program are not stored', async () => {
    const record = await save({ source: 'print(1)', env: { TOKEN: 'sk-hidden' } });
    const kept = [await store.executions.get(record.id), await store.executions.snippet(record.programHash)];
    expect(JSON.stringify(kept)).not.toContain('sk-hidden');
  });

  test('the first record under an id is kept', async () => {
    const first = await save();
    await save({ id: first.id }, { stdout: 'other\n' });
    expect(await store.executions.get(first.id)).toEqual(first);
  });

  test('the newest completed run with the same input is found by its input', async () => {
    const source = `print(${JSON.stringify(kind)})`;
    await save({ source }, at(1));
    const newest = await save({ source }, { ...at(3), status: 'failed', exitCode: 1 });
    await save({ source }, { ...at(4), status: 'timeout', exitCode: null });
    expect((await store.executions.findLike(newest.inputHash))?.id).toBe(newest.id);
    const other = executed({ source, stdin: 'x' }).record;
    expect(other.inputHash).not.toBe(newest.inputHash);
    expect(await store.executions.findLike(other.inputHash)).toBeNull();
  });

  test('the list of a conversation has the newest run of each part', async () => {
    await save({ origin: origin('t1') }, at(1));
    const second = await save({ origin: origin('t1') }, at(2));
    const other = await save({ origin: origin('t1', 'block-1') }, at(1));
    const found = await store.executions.listOf('c');
    expect(found.map(({ id }) => id).sort()).toEqual([second.id, other.id].sort());
    expect(await store.executions.listOf('nobody')).toEqual([]);
  });

  test('a record outlives a conversation that was purged while it ran', async () => {
    const record = await save({ origin: { conversationId: 'gone', turnId: 't', part: 'p' } });
    expect(await store.executions.get(record.id)).toEqual(record);
  });

  test('the records of a purged conversation are removed, and their programs with the next purge', async () => {
    await store.conversations.create({ id: 'd', title: '', projectId: null });
    const record = await save(
      { source: 'print("d")', origin: { ...origin('t1'), conversationId: 'd' } },
      { endedAt: new Date().toISOString() },
    );
    await store.conversations.setDeleted('d', true);
    await store.conversations.purgeDeleted(new Date(Date.now() + 60_000));
    expect(await store.executions.get(record.id)).toBeNull();
    await store.executions.purge(new Date(0));
    expect(await store.executions.snippet(record.programHash)).toBeNull();
  });

  test('only old records are purged', async () => {
    const old = await save({ source: 'print("old")' }, at(0));
    const young = await save({ source: 'print("young")' }, at(100));
    expect(await store.executions.purge(new Date(Date.UTC(2026, 0, 1) + 50_000))).toBeGreaterThan(0);
    expect(await store.executions.get(old.id)).toBeNull();
    expect(await store.executions.snippet(old.programHash)).toBeNull();
    expect(await store.executions.get(young.id)).toEqual(young);
    expect(await store.executions.snippet(young.programHash)).not.toBeNull();
  });

  test('a run of a program that is being purged is kept, with its program', async () => {
    for (let round = 0; round < 40; round++) {
      const program = { source: `print(${round})` };
      await save(program, at(0));
      const saving = Promise.all(
        Array.from({ length: 8 }, (_, nth) => setTimeout(nth / 2).then(() => save(program, at(100)))),
      );
      await store.executions.purge(new Date(Date.UTC(2026, 0, 1) + 50_000));
      for (const record of await saving) {
        expect(await store.executions.get(record.id)).toEqual(record);
        expect(await store.executions.snippet(record.programHash)).not.toBeNull();
      }
    }
  });

  test('an invalid id is not found', async () => {
    expect(await store.executions.get('\0')).toBeNull();
    expect(await store.executions.get("' or 1=1")).toBeNull();
  });
});
