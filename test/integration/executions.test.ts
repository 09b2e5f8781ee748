import { setTimeout as sleep } from 'node:timers/promises';
import { type ExecutionEvent, ExecutionRecord } from '@devlm/protocol/execution.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newConversation, TestServer } from '../support/server.ts';

const forever = 'import time\nprint("on", flush=True)\nwhile True: time.sleep(0.01)';
const id = () => crypto.randomUUID();

/** Uses the engine that needs nothing on the machine, because the routes are under test. */
describe('/execute', { timeout: 60_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({
      args: ['--sandbox', 'embedded', '--sandbox-concurrency', '1', '--sandbox-queue', '1'],
    });
    // Loads the runtime first, so that the tests measure only the routes.
    await run({ source: 'print(1)' });
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  const post = (body: object, accept = 'application/json', signal?: AbortSignal) =>
    fetch(`${server.origin}/execute`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.discovery.secret}`, 'content-type': 'application/json', accept },
      body: JSON.stringify({ id: id(), language: 'python', ...body }),
      ...(signal ? { signal } : {}),
    });
  const get = (path: string, accept = 'application/json') =>
    fetch(`${server.origin}${path}`, { headers: { authorization: `Bearer ${server.discovery.secret}`, accept } });
  const run = async (body: object): Promise<ExecutionRecord> => {
    const response = await post(body);
    expect(response.status).toBe(200);
    return ExecutionRecord.parse(await response.json());
  };
  async function* eventsOf(response: Response): AsyncGenerator<ExecutionEvent> {
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const [line] = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        if (line?.startsWith('data: ')) yield JSON.parse(line.slice(6));
      }
    }
  }
  /** Undefined before the server has received the request. */
  const state = (executionId: string) =>
    server.client.call('executions.get', { params: { executionId } }).then(
      (execution) => execution.state,
      () => undefined,
    );
  const until = async (executionId: string, wanted: string) => {
    while ((await state(executionId)) !== wanted) await sleep(10);
  };
  const cancel = (executionId: string) => server.client.call('executions.cancel', { params: { executionId } });

  it('/execute returns the record, which can be read again', async () => {
    const record = await run({ source: 'import sys\nprint("hi", sys.stdin.read())\nsys.exit(3)', stdin: 'there' });
    expect(record).toMatchObject({ status: 'failed', exitCode: 3, stdout: 'hi there\n', language: 'python' });
    expect(record.inputs.map(({ path }) => path)).toEqual(['main.py']);
    const { execution } = { execution: await (await get(`/execute/${record.id}`)).json() };
    expect(execution).toEqual({ id: record.id, state: 'ended', record });
    const snippet = await server.client.call('snippets.get', { params: { hash: record.programHash } });
    expect(snippet).toMatchObject({ language: 'python', entry: 'main.py', stdin: 'there' });
  });

  it('/execute streams output as it arrives, and then the record', async () => {
    const source = 'import time\nprint("one", flush=True)\ntime.sleep(0.3)\nprint("two")';
    const events: ExecutionEvent[] = [];
    let between = 0;
    for await (const event of eventsOf(await post({ source }, 'text/event-stream'))) {
      events.push(event);
      if (event.type === 'output' && between === 0) between = performance.now();
      if (event.type === 'ended') between = performance.now() - between;
    }
    expect(events[0]).toMatchObject({ type: 'started', engine: { kind: 'embedded' } });
    expect(events.at(-1)).toMatchObject({ type: 'ended', record: { status: 'ok', stdout: 'one\ntwo\n' } });
    expect(between).toBeGreaterThan(200);
    expect(events.filter(({ type }) => type === 'ended')).toHaveLength(1);
  });

  it('a run continues when its follower leaves, and can be followed again from its start', async () => {
    const executionId = id();
    const first = new AbortController();
    const source = 'import time\nprint("a", flush=True)\ntime.sleep(0.5)\nprint("b")';
    const response = await post({ id: executionId, source }, 'text/event-stream', first.signal);
    await eventsOf(response).next();
    first.abort();
    const again = await Array.fromAsync(eventsOf(await get(`/execute/${executionId}`, 'text/event-stream')));
    const output = again.flatMap((event) => (event.type === 'output' ? [event.text] : [])).join('');
    expect(output).toBe('a\nb\n');
    expect(again.at(-1)).toMatchObject({ type: 'ended', record: { id: executionId, status: 'ok' } });
    // Follow it once more after it has ended.
    const replayed = await Array.fromAsync(eventsOf(await get(`/execute/${executionId}`, 'text/event-stream')));
    expect(replayed.map(({ type }) => type)).toEqual(['started', 'output', 'ended']);
  });

  it('a run is canceled by DELETE, or when a client that waits only for the record disconnects', async () => {
    const executionId = id();
    const answer = post({ id: executionId, source: forever });
    await until(executionId, 'running');
    await cancel(executionId);
    expect(await (await answer).json()).toMatchObject({ status: 'cancelled', id: executionId });
    await cancel(executionId);

    const left = id();
    const leaving = new AbortController();
    const gone = post({ id: left, source: forever }, 'application/json', leaving.signal).catch(() => 'left');
    await until(left, 'running');
    leaving.abort();
    expect(await gone).toBe('left');
    await until(left, 'ended');
    expect((await server.client.call('executions.get', { params: { executionId: left } })).record?.status).toBe(
      'cancelled',
    );
  });

  it('/execute queues runs, reports their place, and refuses too many with the time to retry', async () => {
    const [running, waiting] = [id(), id()];
    const first = post({ id: running, source: forever });
    await until(running, 'running');
    const heard: ExecutionEvent[] = [];
    const second = (async () => {
      for await (const event of eventsOf(await post({ id: waiting, source: 'print(2)' }, 'text/event-stream')))
        heard.push(event);
    })();
    await until(waiting, 'queued');
    for (const accept of ['application/json', 'text/event-stream']) {
      const refused = await post({ source: 'print(3)' }, accept);
      expect(refused.status).toBe(429);
      expect(refused.headers.get('retry-after')).toBe('2');
      expect(await refused.json()).toMatchObject({ code: 'sandbox_busy' });
    }
    await cancel(running);
    await Promise.all([first, second]);
    expect(heard[0]).toEqual({ type: 'queued', before: 0 });
    expect(heard.at(-1)).toMatchObject({ record: { status: 'ok', stdout: '2\n' } });
    expect(heard.at(-1)?.type === 'ended' && heard.at(-1)).toMatchObject({ record: { queuedMs: expect.any(Number) } });
  });

  it('a canceled run is removed from the queue', async () => {
    const [running, waiting] = [id(), id()];
    const first = post({ id: running, source: forever });
    await until(running, 'running');
    const second = post({ id: waiting, source: 'print(2)' });
    await until(waiting, 'queued');
    await cancel(waiting);
    expect(await (await second).json()).toMatchObject({ status: 'cancelled', stdout: '', engine: null });
    await cancel(running);
    await first;
  });

  it('/execute runs a program once per id, and refuses another program with the same id', async () => {
    const executionId = id();
    const source = 'import time\nprint(time.time_ns())';
    const [one, two] = await Promise.all([run({ id: executionId, source }), run({ id: executionId, source })]);
    expect(two).toEqual(one);
    expect(await run({ id: executionId, source })).toEqual(one);
    const other = await post({ id: executionId, source: 'print(2)' });
    expect([other.status, (await other.json()).code]).toEqual([409, 'conflict']);
  });

  it('/execute returns an earlier record if it can be reused', async () => {
    const source = 'import time\nprint("reuse", time.time_ns())';
    const first = await run({ source });
    expect(await run({ source, reuse: true })).toEqual({ ...first, reusedFrom: first.id });
    expect((await run({ source })).stdout).not.toBe(first.stdout);
    expect((await run({ source, stdin: 'x', reuse: true })).reusedFrom).toBeNull();
  });

  it('the runs of a conversation are listed, including the one in progress', async () => {
    const conversationId = await newConversation(server);
    const origin = { conversationId, turnId: 't', part: 'block-0' };
    await run({ source: 'print(1)', origin });
    const newest = await run({ source: 'print("x" * 30000)', origin });
    const running = id();
    const answer = post({ id: running, source: forever, origin: { ...origin, part: 'block-1' } });
    await until(running, 'running');
    const { items } = await server.client.call('executions.list', { query: { conversationId } });
    const byPart = Object.fromEntries(items.map(({ origin, execution }) => [origin.part, execution]));
    expect(byPart['block-1']).toEqual({ id: running, state: 'running', record: null });
    expect(byPart['block-0']?.id).toBe(newest.id);
    expect(byPart['block-0']?.record?.stdout).toHaveLength(20_000);
    expect(byPart['block-0']?.record?.truncated.stdout).toBe(true);
    await cancel(running);
    await answer;
    const nowhere = await post({ source: 'print(1)', origin: { ...origin, conversationId: 'nowhere' } });
    expect(nowhere.status).toBe(404);
  });

  it.each([
    [{ language: 'cobol', source: '' }, 422],
    [{ source: undefined }, 422],
    [{ files: [{ path: '../x', content: '' }] }, 422],
    [
      {
        files: [
          { path: 'a.txt', content: '' },
          { path: 'b.txt', content: '' },
        ],
      },
      422,
    ],
    [{ source: '', limits: { memoryMb: 999_999 } }, 422],
    [{ source: '', network: 'all' }, 422],
    [{ source: '', id: '../x' }, 422],
    [{ source: 'x'.repeat(17 * 1024 * 1024) }, 422],
    [{ source: 'x'.repeat(25 * 1024 * 1024) }, 413],
  ])('an invalid request to run a program is refused: %#', async (body, status) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toContain('application/problem+json');
  });

  it('/execute says what to install for a language that the engine lacks', async () => {
    const record = await run({ language: 'go', source: 'package main' });
    expect(record.status).toBe('engine-error');
    expect(record.message).toContain('Docker');
    expect((await get('/execute/nobody')).status).toBe(404);
  });
});

it('/execute says how to turn on the sandbox if it is off', { timeout: 30_000 }, async () => {
  await using server = await TestServer.start({ args: ['--sandbox', 'off'] });
  const record = await server.client.call('executions.run', { body: { id: id(), language: 'python', source: '1' } });
  expect(record).toMatchObject({ status: 'engine-error', engine: null, message: expect.stringContaining('sandbox') });
});

it('records of runs survive a restart, except those of runs that the shutdown cut off', {
  timeout: 60_000,
}, async () => {
  await using server = await TestServer.start({ args: ['--sandbox', 'embedded'] });
  const call = (executionId: string) => server.client.call('executions.get', { params: { executionId } });
  const kept = await server.client.call('executions.run', {
    body: { id: id(), language: 'python', source: 'print(1)' },
  });
  const cut = id();
  const answer = server.client
    .call('executions.run', { body: { id: cut, language: 'python', source: forever } })
    .catch(() => undefined);
  while ((await call(cut).catch(() => null))?.state !== 'running') await sleep(10);
  await server.kill('SIGTERM');
  await answer;
  await server.start();
  expect((await call(kept.id)).record).toEqual(kept);
  await expect(call(cut)).rejects.toMatchObject({ problem: { code: 'not_found' } });
});
