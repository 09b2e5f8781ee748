import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import { standingOf, type TurnFile, turnFiles } from '@devlm/protocol/turn-files.ts';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { cases } from '../support/deep.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

/** Number of files that are each restored to all their earlier points. */
const histories = cases(15, 100);

type Call = [name: string, input: object];
const write = (path: string, content: string): Call => ['file_write', { path, content }];
const read = (path: string): Call => ['file_read', { path }];

describe('the review of changes', { timeout: 120_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let window: EditorWindow;
  let folder: string;
  let conversationId: string;
  let reader: Reader;

  beforeAll(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'devlm-reviews-'));
    window = new EditorWindow(() => server, folder);
    window.rules = { user: [{ verdict: 'allow', tool: '*', path: '**' }], workspace: null };
    await window.attach();
    conversationId = await newConversation(server, 'project');
    reader = new Reader(() => server, conversationId);
  });
  afterEach(() => {
    reader[Symbol.dispose]();
    window[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  /** Runs a turn in which the model makes these calls, one per step. */
  const turn = async (...calls: Call[]): Promise<TurnState> => {
    claude.reset();
    claude.on(any, 'Done.');
    for (const [name, input] of calls.toReversed()) claude.on(any, toolUse(name, input), { times: 1 });
    const turnId = await send(server, conversationId, 'Work.', { parent: reader.state.head });
    return await reader.ended(turnId, 30_000);
  };
  const now = (turnId: string) => {
    const found = reader.state.turns[turnId];
    if (!found) throw new Error('no such turn');
    return found;
  };
  const fileOf = (turnId: string, path: string): TurnFile => {
    const file = turnFiles(now(turnId)).find((one) => one.path === path);
    if (!file) throw new Error(`the turn did not change ${path}`);
    return file;
  };
  const standings = (turnId: string) =>
    Object.fromEntries(turnFiles(now(turnId)).map((file) => [file.path, standingOf(file)]));
  /** Decides as a page does: about the state that it shows. */
  const review = async (turnId: string, verdict: 'accept' | 'reject', files: { path: string; hunks?: number[] }[]) => {
    const asked = files.map(({ path, hunks }) => {
      const { base, now: current } = fileOf(turnId, path);
      return { path, base, now: current, ...(hunks ? { hunks } : {}) };
    });
    const params = { conversationId, turnId };
    const answer = await server.client.call('changes.review', { params, body: { verdict, files: asked } });
    await over(answer.reviewId);
    return answer;
  };
  const restore = async (turnId: string, what: 'files' | 'conversation' | 'both' = 'files') => {
    const params = { conversationId, turnId };
    const answer = await server.client.call('files.restore', { params, body: { what } });
    await over(answer.reviewId);
    return answer;
  };
  const undo = async (turnId: string, reviewId: string | null) => {
    if (reviewId === null) return { paths: [] };
    const answer = await server.client.call('changes.undo', { params: { conversationId, turnId, reviewId } });
    await over(answer.reviewId);
    return answer;
  };
  const over = async (id: string | null) =>
    id === null ||
    (await reader.until(
      ({ turns }) =>
        Object.values(turns).some(({ reviews = [] }) => reviews.some((one) => one.id === id && one.status !== 'open')),
      30_000,
    ));
  const problemOf = async (work: Promise<unknown>) =>
    await work.then(
      () => {
        throw new Error('it was not refused');
      },
      (error: unknown) => {
        if (error instanceof ProblemError) return error.problem;
        throw error;
      },
    );
  const lines = (...numbers: (number | string)[]) => numbers.map((line) => `${line}\n`).join('');
  const range = Array.from({ length: 20 }, (_, n) => n + 1);
  const withLine = (line: number, text: string, from: readonly (number | string)[] = range) =>
    from.map((old, index) => (index + 1 === line ? text : old));

  it('a review accepts one file, rejects another, and is recorded in the log', async () => {
    window.write('a.txt', 'a\n');
    window.write('b.txt', 'b\r\nb\r\n');
    const { id } = await turn(
      ...[read('a.txt'), read('b.txt'), write('a.txt', 'A\n'), write('b.txt', 'B\nb\n'), write('c.txt', 'new\n')],
    );
    expect(standings(id)).toEqual({ 'a.txt': 'pending', 'b.txt': 'pending', 'c.txt': 'pending' });
    expect(await review(id, 'accept', [{ path: 'a.txt' }])).toMatchObject({ paths: [] });
    expect(await review(id, 'reject', [{ path: 'b.txt' }, { path: 'c.txt' }])).toMatchObject({
      paths: ['b.txt', 'c.txt'],
    });
    expect(standings(id)).toEqual({ 'a.txt': 'accepted', 'b.txt': 'rejected', 'c.txt': 'rejected' });
    expect([window.text('a.txt'), window.text('b.txt'), existsSync(join(folder, 'c.txt'))]).toEqual([
      'A\n',
      'b\r\nb\r\n',
      false,
    ]);
    // The state that a page shows when it is opened later.
    const { page } = await server.client.call('conversations.get', { params: { conversationId }, query: {} });
    expect(JSON.stringify(page)).toContain('review.marked');
  });

  it('a review rejects one change and keeps the others, even if the user has edited the file since', async () => {
    window.write('a.txt', lines(...range));
    const { id } = await turn(
      read('a.txt'),
      write('a.txt', lines(...withLine(3, 'three', withLine(10, 'ten', withLine(18, 'eighteen'))))),
    );
    await review(id, 'reject', [{ path: 'a.txt', hunks: [1] }]);
    expect(window.text('a.txt')).toBe(lines(...withLine(3, 'three', withLine(18, 'eighteen'))));
    expect(standings(id)).toEqual({ 'a.txt': 'pending' });
    window.write('a.txt', `mine\n${window.text('a.txt').replace('11\n', '11\nmine too\n')}`);
    await review(id, 'reject', [{ path: 'a.txt', hunks: [1] }]);
    expect(window.text('a.txt')).toBe(`mine\n${lines(...withLine(3, 'three')).replace('11\n', '11\nmine too\n')}`);
    await review(id, 'accept', [{ path: 'a.txt', hunks: [0] }]);
    expect(standings(id)).toEqual({ 'a.txt': 'accepted' });
  });

  it('a review that cannot locate a change is refused and changes nothing', async () => {
    window.write('a.txt', lines(...range));
    window.write('b.txt', 'b\n');
    const { id } = await turn(
      ...[
        read('a.txt'),
        read('b.txt'),
        write('a.txt', lines(...withLine(10, 'ten', withLine(15, 'x')))),
        write('b.txt', 'B\n'),
      ],
    );
    const touched = window.text('a.txt').replace('ten\n', 'my ten\n');
    window.write('a.txt', touched);
    const refused = await problemOf(review(id, 'reject', [{ path: 'b.txt' }, { path: 'a.txt', hunks: [0] }]));
    expect(refused).toMatchObject({ code: 'files_changed', status: 409, diff: expect.stringContaining('+my ten') });
    const whole = await problemOf(review(id, 'reject', [{ path: 'b.txt' }, { path: 'a.txt' }]));
    expect(whole).toMatchObject({ code: 'files_changed', diff: expect.stringContaining('-ten\n+my ten') });
    expect([window.text('a.txt'), window.text('b.txt')]).toEqual([touched, 'B\n']);
    expect(standings(id)).toEqual({ 'a.txt': 'pending', 'b.txt': 'pending' });
    // The same lines occur twice, so it is ambiguous which are meant.
    window.write('a.txt', lines(...withLine(10, 'ten', withLine(15, 'x'))).repeat(2));
    expect(await problemOf(review(id, 'reject', [{ path: 'a.txt', hunks: [0] }]))).toMatchObject({
      code: 'files_changed',
    });
  });

  it('a review of an outdated state, of the same file twice or of files of another turn is refused', async () => {
    window.write('a.txt', 'a\n');
    const first = await turn(read('a.txt'), write('a.txt', 'A\n'));
    const params = { conversationId, turnId: first.id };
    const { base, now: current } = fileOf(first.id, 'a.txt');
    const call = (files: { path: string; base: string | null; now: string | null; hunks?: number[] }[]) =>
      problemOf(server.client.call('changes.review', { params, body: { verdict: 'reject', files } }));
    expect(await call([{ path: 'a.txt', base: current, now: base }])).toMatchObject({ code: 'review_stale' });
    expect(await call([{ path: 'x.txt', base, now: current }])).toMatchObject({ code: 'not_found' });
    expect(await call([{ path: 'a.txt', base, now: current, hunks: [7] }])).toMatchObject({ code: 'not_found' });
    const twice = { path: 'a.txt', base, now: current };
    expect(await call([twice, twice])).toMatchObject({ code: 'invalid_input' });
    await turn(write('a.txt', 'AA\n'));
    expect(await problemOf(review(first.id, 'reject', [{ path: 'a.txt' }]))).toMatchObject({ code: 'changed_later' });
    expect(window.text('a.txt')).toBe('AA\n');
  });

  it('a restore over several turns can be undone', async () => {
    window.write('a.txt', 'one\r\n');
    window.write('gone.txt', 'here\n');
    const first = await turn(read('a.txt'), read('gone.txt'), write('a.txt', 'two\n'), write('made.txt', 'm\n'));
    const second = await turn(['apply_patch', { patch: '*** Begin Patch\n*** Delete File: gone.txt\n*** End Patch' }]);
    await turn(write('a.txt', 'three\n'));
    const preview = await server.client.call('files.preview', { params: { conversationId, turnId: first.id } });
    expect(preview.changes.map(({ path }) => path)).toEqual(['a.txt', 'made.txt', 'gone.txt']);
    window.write('made.txt', 'mine\n');
    expect(await problemOf(restore(first.id))).toMatchObject({ code: 'files_changed' });
    expect([window.text('a.txt'), existsSync(join(folder, 'gone.txt'))]).toEqual(['three\r\n', false]);
    window.write('made.txt', 'm\n');
    const { reviewId } = await restore(first.id);
    expect([window.text('a.txt'), window.text('gone.txt')]).toEqual(['one\r\n', 'here\n']);
    expect(existsSync(join(folder, 'made.txt'))).toBe(false);
    expect([standings(first.id), standings(second.id)]).toEqual([
      { 'a.txt': 'restored', 'made.txt': 'restored' },
      { 'gone.txt': 'restored' },
    ]);
    const undone = await undo(first.id, reviewId);
    expect(undone.paths).toHaveLength(3);
    expect([window.text('a.txt'), window.text('made.txt'), existsSync(join(folder, 'gone.txt'))]).toEqual([
      'three\r\n',
      'm\n',
      false,
    ]);
    expect(standings(second.id)).toEqual({ 'gone.txt': 'pending' });
    expect(await problemOf(undo(first.id, reviewId))).toMatchObject({ code: 'review_stale' });
  });

  it('a restore goes back in the conversation, with the files or without, and can be undone', async () => {
    window.write('a.txt', 'one\n');
    const first = await turn(read('a.txt'), write('a.txt', 'two\n'));
    const second = await turn(write('a.txt', 'three\n'));
    const { reviewId } = await restore(second.id, 'both');
    expect([window.text('a.txt'), reader.state.head]).toEqual(['two\n', first.id]);
    expect(reader.state.aside).toEqual({ turnId: second.id, reviewId });
    const shown = await server.client.call('conversations.get', { params: { conversationId }, query: {} });
    expect([shown.head, shown.aside]).toEqual([first.id, { turnId: second.id, reviewId }]);
    await undo(second.id, reviewId);
    expect([window.text('a.txt'), reader.state.head, reader.state.aside]).toEqual(['three\n', second.id, undefined]);
    await restore(first.id, 'conversation');
    expect([window.text('a.txt'), reader.state.head]).toEqual(['three\n', null]);
    const again = await turn();
    expect(again.parent).toBe(null);
    expect(reader.state.aside).toBeUndefined();
  });

  it('the model is told once what was restored, and reads the files again', async () => {
    window.write('a.txt', lines(...range));
    const { id } = await turn(read('a.txt'), write('a.txt', lines(...withLine(5, 'five', withLine(15, 'fifteen')))));
    await review(id, 'reject', [{ path: 'a.txt', hunks: [1] }]);
    const next = await turn(write('a.txt', 'over it\n'), write('b.txt', 'b\n'));
    const sent = JSON.stringify((await claude.received(1)).body);
    expect(sent).toContain('They rejected some of your changes');
    expect(sent).toContain('-fifteen');
    const [refused] = next.steps.flatMap(({ results }) => Object.values(results));
    expect(refused).toMatchObject({ ok: false, text: expect.stringContaining('Read the file before you change it.') });
    await restore(next.id);
    await turn();
    const later = JSON.stringify((await claude.received(1)).body);
    expect(later).toContain('restored files to their state');
    expect(later.split('They rejected some of your changes')).toHaveLength(2);
  });

  it.each(['before', 'after'] as const)(
    'a decision is applied completely or not at all if the server is killed %s its effect',
    async (when) => {
      window.write('a.txt', 'one\n');
      window.write('b.txt', 'one\n');
      const { id } = await turn(...[read('a.txt'), read('b.txt'), write('a.txt', 'two\n'), write('b.txt', 'two\n')]);
      const reached = Promise.withResolvers<void>();
      const stop = (request: { kind: string }) => {
        if (request.kind !== 'apply') return;
        reached.resolve();
        return new Promise<void>(() => undefined);
      };
      if (when === 'before') window.before = stop;
      else window.after = stop;
      const failed = server.client
        .call('files.restore', { params: { conversationId, turnId: id }, body: { what: 'files' } })
        .catch(() => 'cut');
      await reached.promise;
      await server.kill();
      expect(await failed).toBe('cut');
      window[Symbol.dispose]();
      window = new EditorWindow(() => server, folder);
      await server.start();
      await window.attach();
      const text = when === 'before' ? 'two\n' : 'one\n';
      expect([window.text('a.txt'), window.text('b.txt')]).toEqual([text, text]);
      // The next message determines which of the two happened.
      await turn();
      expect(standings(id)).toEqual(
        when === 'before' ? { 'a.txt': 'pending', 'b.txt': 'pending' } : { 'a.txt': 'restored', 'b.txt': 'restored' },
      );
      expect(now(id).reviews?.map(({ status }) => status)).toEqual([when === 'before' ? 'failed' : 'done']);
      expect([window.text('a.txt'), window.text('b.txt')]).toEqual([text, text]);
    },
  );

  it.each(['before', 'after'] as const)('a change that was stopped %s its effect can be restored', async (when) => {
    window.write('a.txt', 'one\n');
    window.write('b.txt', 'one\n');
    const reached = Promise.withResolvers<void>();
    window[when] = (request) => {
      if (request.kind !== 'apply' || request.changes[0]?.path !== 'b.txt') return;
      reached.resolve();
      return new Promise<void>(() => undefined);
    };
    const running = turn(read('a.txt'), read('b.txt'), write('a.txt', 'two\n'), write('b.txt', 'two\n'));
    await reached.promise;
    await server.client.call('turns.stop', { params: { conversationId, turnId: reader.state.head ?? '' } });
    const { id } = await running;
    window[when] = () => undefined;
    expect(window.text('b.txt')).toBe(when === 'before' ? 'one\n' : 'two\n');
    expect(standings(id)).toEqual({ 'a.txt': 'pending', 'b.txt': 'pending' });
    await restore(id);
    expect([window.text('a.txt'), window.text('b.txt')]).toEqual(['one\n', 'one\n']);
    expect(standings(id)).toEqual({ 'a.txt': 'restored', 'b.txt': 'restored' });
  });

  it('no review is needed if the user accepts changes automatically', async () => {
    window.acceptsEdits = true;
    await window.attach();
    const { id } = await turn(write('a.txt', 'a\n'));
    expect(standings(id)).toEqual({ 'a.txt': 'accepted' });
    await restore(id);
    expect(standings(id)).toEqual({ 'a.txt': 'restored' });
  });

  it('a restore brings back the exact bytes of every earlier point, whatever was done to the files', {
    timeout: 600_000,
  }, async () => {
    const piece = fc.constantFrom('a', 'b', 'é', '👍', '\n', '\n', '\r\n', '\t', '\r', ' ');
    const content = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(''));
    const path = fc.constantFrom('one.txt', 'two/two.txt', 'three.txt');
    const step = fc.array(fc.tuple(path, fc.option(content)), { minLength: 1, maxLength: 3 });
    const paths = ['one.txt', 'two/two.txt', 'three.txt'];
    const state = () => paths.map((name) => (existsSync(join(folder, name)) ? window.text(name) : null));
    let restored = 0;
    await fc.assert(
      fc.asyncProperty(
        content,
        fc.array(step, { minLength: 1, maxLength: 4 }),
        fc.nat(),
        async (start, steps, pick) => {
          reader[Symbol.dispose]();
          conversationId = await newConversation(server, 'project');
          reader = new Reader(() => server, conversationId);
          for (const name of paths) rmSync(join(folder, name), { force: true });
          window.write('one.txt', start);
          const points: { id: string; files: (string | null)[] }[] = [];
          for (const edits of steps) {
            const files = state();
            const calls = edits.flatMap(([name, text]): Call[] => [
              read(name),
              text === null
                ? ['apply_patch', { patch: `*** Begin Patch\n*** Delete File: ${name}\n*** End Patch` }]
                : write(name, text),
            ]);
            points.push({ id: (await turn(...calls)).id, files });
          }
          const end = state();
          for (const { id, files } of points.toReversed()) {
            const { reviewId } = await restore(id);
            expect(state()).toEqual(files);
            restored += 1;
            if (pick % 3 === 0) {
              await undo(id, reviewId);
              expect(state()).toEqual(end);
            }
          }
        },
      ),
      { numRuns: histories },
    );
    expect(restored).toBeGreaterThan(histories);
  });
});
