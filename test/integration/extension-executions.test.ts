import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import type { ExecutionEvent } from '@devlm/protocol/execution.ts';
import type { HostToPage } from '@devlm/protocol/page.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Backoff } from '../../extension/src/backoff.ts';
import { PageRuns } from '../../extension/src/chat/page-runs.ts';
import type { ServerConnection } from '../../extension/src/connection/connection.ts';
import { followExecution } from '../../extension/src/connection/executions.ts';
import { problemsOf } from '../../extension/src/problems.ts';
import { Consent } from '../../extension/src/runs/consent.ts';
import { executed, executionRequest } from '../support/executions.ts';

/*
 * Tests runs under faults that a healthy server does not have: the other side is a bare HTTP server that behaves as
 * each test requires.
 */

const t = (text: string) => text;
const problems = problemsOf(t);
const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

type Handler = (request: IncomingMessage, response: ServerResponse, nth: number) => void;
let server: Server;
let handle: Handler;
let seen: { method: string; path: string; body: unknown; accept: string | undefined }[];
let origin: string;

beforeEach(async () => {
  seen = [];
  server = createServer((request, response) => {
    const { method = '', url: path = '', headers } = request;
    const asked = method === 'POST' ? json(request) : Promise.resolve();
    asked.then(
      (body) => {
        seen.push({ method, path, body, accept: headers.accept });
        handle(request, response, seen.length);
      },
      // The test has already ended.
      () => response.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const open = (response: ServerResponse) =>
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
const frame = (event: ExecutionEvent) => `data: ${JSON.stringify(event)}\n\n`;
const refuse = (response: ServerResponse, status: number, code: string) =>
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ code, status, title: code, detail: `Refused: ${code}.` }));

const { record } = executed();
const started: ExecutionEvent = {
  type: 'started',
  engine: { kind: 'docker', runtime: 'runc', networkCut: true, warm: true },
};
const output = (text: string, stream: 'stdout' | 'stderr' = 'stdout'): ExecutionEvent => ({
  type: 'output',
  stream,
  text,
});
const ended: ExecutionEvent = { type: 'ended', record };
const request = executionRequest({ id: record.id });

/** Collects the events of a run like a page: a restart discards the earlier ones. */
async function follow(asked: typeof request | undefined, more: { silenceMs?: number } = {}) {
  let received: ExecutionEvent[] = [];
  let restarts = 0;
  await followExecution({
    endpoint: async () => ({ origin, secret: 'right' }),
    id: record.id,
    request: asked,
    onEvents: (events, restart) => {
      if (restart) {
        received = [];
        restarts += 1;
      }
      received.push(...events);
      return undefined;
    },
    signal: AbortSignal.timeout(8_000),
    problems,
    log,
    backoff: new Backoff({ firstMs: 5, maxMs: 20 }),
    ...more,
  });
  return { received, restarts };
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fulfilled',
    (error: unknown) => (error instanceof ProblemError ? error.problem.code : String(error)),
  );

describe('following a run', () => {
  it('a program is submitted and followed to its end', async () => {
    handle = (_request, response) => {
      open(response);
      response.write(frame(started) + frame(output('a')).slice(0, 10));
      setTimeout(() => response.write(frame(output('a')).slice(10) + frame(ended)), 10);
    };
    const { received } = await follow(request);
    expect(received).toEqual([started, output('a'), ended]);
    expect(seen).toEqual([{ method: 'POST', path: '/execute', body: request, accept: 'text/event-stream' }]);
  });

  it('a run is followed by its id, from the start, after a disconnection', async () => {
    handle = (_request, response, nth) => {
      open(response);
      if (nth === 1) {
        response.write(frame(started) + frame(output('half')));
        setTimeout(() => response.destroy(), 20);
      } else response.end(frame(started) + frame(output('half and whole')) + frame(ended));
    };
    const { received, restarts } = await follow(request);
    expect(received).toEqual([started, output('half and whole'), ended]);
    expect(restarts).toBe(2);
    expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /execute', `GET /execute/${record.id}`]);
  });

  it('a request without a response is repeated under the same id', async () => {
    handle = (_request, response, nth) => {
      if (nth === 1) return void response.destroy();
      open(response);
      response.end(frame(started) + frame(ended));
    };
    await follow(request);
    expect(seen.map(({ method, body }) => [method, body])).toEqual([
      ['POST', request],
      ['POST', request],
    ]);
  });

  it('silence and an early end count as a disconnection', async () => {
    handle = (_request, response, nth) => {
      open(response);
      if (nth === 1) response.write(frame(started));
      else if (nth === 2) response.end(frame(started));
      else response.end(frame(started) + frame(ended));
    };
    expect((await follow(request, { silenceMs: 80 })).received).toEqual([started, ended]);
    expect(seen).toHaveLength(3);
  });

  it('a run that the current server does not know is reported as lost', async () => {
    handle = (_request, response, nth) => {
      if (nth > 1) return void refuse(response, 404, 'not_found');
      open(response);
      response.write(frame(started));
      setTimeout(() => response.destroy(), 10);
    };
    expect(await code(follow(request))).toBe('execution_lost');
    expect(seen).toHaveLength(2);
  });

  it.each([
    [429, 'sandbox_busy'],
    [409, 'conflict'],
    [500, 'internal'],
    [404, 'not_found'],
  ])('a refused run is not retried: %i %s', async (status, name) => {
    handle = (_request, response) => refuse(response, status, name);
    expect(await code(follow(name === 'not_found' ? undefined : request))).toBe(name);
    expect(seen).toHaveLength(1);
  });

  it('following a run is given up after a bounded number of attempts', async () => {
    handle = (_request, response) => response.destroy();
    expect(await code(follow(request))).toBe('server_unreachable');
    expect(seen.length).toBeLessThan(20);
  });

  it('unreadable events of a run are refused', async () => {
    handle = (_request, response) => {
      open(response);
      response.write('data: {"type":"unknown"}\n\n');
    };
    expect(await code(follow(request))).toBe('bad_response');
  });
});

describe('the runs of a page', () => {
  type Message = Extract<HostToPage, { kind: 'execution' }>;
  let sent: Message[];
  let kept: Map<string, unknown>;
  let asked: number;
  let agrees: boolean;
  let trusted: boolean;

  beforeEach(() => {
    sent = [];
    kept = new Map();
    asked = 0;
    agrees = true;
    trusted = true;
  });

  function page() {
    const consent = new Consent({
      memento: { get: (key) => kept.get(key), update: async (key, value) => void kept.set(key, value) },
      isTrusted: () => trusted,
      ask: async () => {
        asked += 1;
        return agrees;
      },
      problems,
    });
    const connection: Pick<ServerConnection, 'execute'> = {
      execute: (id, wanted, onEvents, signal) =>
        followExecution({
          endpoint: async () => ({ origin, secret: 'right' }),
          id,
          request: wanted,
          onEvents,
          signal,
          problems,
          log,
          backoff: new Backoff({ firstMs: 5, maxMs: 20 }),
        }),
    };
    return new PageRuns({ connection, consent, send: (message) => void sent.push(message), problems, log, t });
  }
  const events = () => sent.flatMap((message) => message.events);
  const last = () => sent.at(-1);
  const text = () => events().flatMap((event) => (event.type === 'output' ? [event.text] : []));

  it('output is sent to the page in few messages, and the receipt without it', async () => {
    handle = async (_request, response) => {
      open(response);
      response.write(frame(started));
      for (let index = 0; index < 200; index += 1) {
        response.write(frame(output(`${index},`)));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      response.end(frame(ended));
    };
    page().execute(record.id, request);
    await expect.poll(() => events().at(-1)?.type, { timeout: 5_000 }).toBe('ended');
    expect(text().join('')).toBe(Array.from({ length: 200 }, (_, index) => `${index},`).join(''));
    expect(sent.length).toBeLessThan(40);
    expect(sent.map(({ restart }) => restart ?? false).filter(Boolean)).toHaveLength(1);
    expect(events().at(-1)).toMatchObject({ type: 'ended', record: { id: record.id, stdout: '', order: [] } });
  });

  it('output for the page is bounded and marked as truncated', async () => {
    handle = (_request, response) => {
      open(response);
      response.write(frame(started));
      for (let index = 0; index < 30; index += 1) response.write(frame(output('x'.repeat(100_000))));
      response.end(frame(ended));
    };
    page().execute(record.id, request);
    await expect.poll(() => events().at(-1)?.type, { timeout: 5_000 }).toBe('ended');
    expect(text().join('')).toHaveLength(2_000_000);
    expect(events().at(-1)).toMatchObject({ record: { truncated: { stdout: true, stderr: false } } });
  });

  it('a run in an untrusted folder is refused before anything is sent', async () => {
    trusted = false;
    page().execute(record.id, request);
    await expect.poll(() => last()?.problem?.code).toBe('workspace_untrusted');
    expect(seen).toHaveLength(0);
  });

  const openNetwork: Handler = (_request, response) => {
    const body = seen.at(-1)?.body;
    const accepted = typeof body === 'object' && body !== null && 'acceptOpenNetwork' in body && body.acceptOpenNetwork;
    if (!accepted) return void refuse(response, 409, 'network_not_cut');
    open(response);
    response.end(frame(started) + frame(ended));
  };

  it('the user is asked once if the network cannot be blocked, and the answer is remembered', async () => {
    handle = openNetwork;
    const runs = page();
    runs.execute('r1', { ...request, id: 'r1' });
    runs.execute('r2', { ...request, id: 'r2' });
    await expect.poll(() => events().filter(({ type }) => type === 'ended')).toHaveLength(2);
    expect(asked).toBe(1);
    page().execute('r3', { ...request, id: 'r3' });
    await expect.poll(() => events().filter(({ type }) => type === 'ended')).toHaveLength(3);
    expect(asked).toBe(1);
    // Each program is first sent without consent, which a team server must never receive.
    expect(seen).toHaveLength(6);
    expect(seen.filter((_, index) => index === 0 || index === 4).map(({ body }) => body)).toEqual([
      { ...request, id: 'r1' },
      { ...request, id: 'r3' },
    ]);
  });

  it('the page cannot give consent to an open network', async () => {
    handle = openNetwork;
    agrees = false;
    page().execute(record.id, { ...request, acceptOpenNetwork: true });
    await expect.poll(() => last()?.problem?.code).toBe('network_refused');
    expect(asked).toBe(1);
    expect(kept.size).toBe(0);
    agrees = true;
    page().execute(record.id, request);
    await expect.poll(() => events().at(-1)?.type).toBe('ended');
    expect(asked).toBe(2);
  });

  it('a run is submitted although the page is closed right after, and continues without it', async () => {
    let gone = false;
    handle = (_request, response) => {
      response.on('close', () => {
        gone = true;
      });
      open(response);
      setTimeout(() => response.write(frame(started)), 30);
    };
    const runs = page();
    runs.execute(record.id, request);
    runs.leave();
    await expect.poll(() => gone).toBe(true);
    expect(seen.map(({ body }) => body)).toEqual([request]);
    expect(sent).toEqual([]);
  });

  it('the number of followed runs is bounded', async () => {
    handle = (_request, response) => open(response);
    const runs = page();
    for (let index = 0; index < 16; index += 1) runs.execute(`r${index}`, { ...request, id: `r${index}` });
    runs.execute('r16', { ...request, id: 'r16' });
    expect(last()?.problem?.code).toBe('too_many_runs');
    await expect.poll(() => seen.length).toBe(16);
  });
});
