import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReceivedEvent } from '@devlm/protocol/events.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Backoff } from '../../extension/src/backoff.ts';
import { Client } from '../../extension/src/connection/client.ts';
import { type FollowOptions, followConversation } from '../../extension/src/connection/events.ts';
import { problemsOf } from '../../extension/src/problems.ts';

/*
 * Tests transport faults that a healthy server does not have: the other side is a bare socket server that misbehaves as
 * each test requires.
 */

const problems = problemsOf((text) => text);
const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
const at = '2026-11-22T12:00:00.000Z';

type Handler = (request: IncomingMessage, response: ServerResponse, nth: number) => void;
let server: Server;
let handle: Handler;
let requests: IncomingMessage[];
let origin: string;

beforeEach(async () => {
  requests = [];
  server = createServer((request, response) => {
    requests.push(request);
    handle(request, response, requests.length);
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

const frame = (seq: number, text = `t${seq}`) =>
  `id: ${seq}\ndata: ${JSON.stringify({ seq, at, type: 'block.delta', turnId: 't', stepId: 's', index: 0, text })}\n\n`;
const frames = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => frame(from + i)).join('');
const open = (response: ServerResponse) =>
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
const lastId = (request: IncomingMessage) => Number(request.headers['last-event-id']);

/** Follows a conversation until `count` events have arrived, and returns them. */
async function collect(count: number, more: Partial<FollowOptions> = {}): Promise<ReceivedEvent[]> {
  const got: ReceivedEvent[] = [];
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 8000);
  await followConversation({
    endpoint: async () => ({ origin, secret: 'right' }),
    conversationId: 'c',
    after: 0,
    problems,
    log,
    signal: stop.signal,
    backoff: new Backoff({ firstMs: 5, maxMs: 20 }),
    deliver: async (events) => {
      got.push(...events);
      if (got.length >= count) stop.abort();
    },
    ...more,
  });
  clearTimeout(timer);
  return got;
}
const seqs = (events: ReceivedEvent[]) => events.map(({ seq }) => seq);

describe('following a conversation', () => {
  it('following continues after a disconnection in the middle of an event', async () => {
    handle = (request, response, nth) => {
      open(response);
      const after = lastId(request);
      if (nth > 1) return void response.write(frames(after + 1, 9));
      response.write(frames(1, 3) + frame(4).slice(0, 30));
      setTimeout(() => response.destroy(), 20);
    };
    expect(seqs(await collect(9))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(requests.map(lastId)).toEqual([0, 3]);
  });

  it('following continues after the server has ended the stream', async () => {
    handle = (request, response) => {
      open(response);
      response.end(frame(lastId(request) + 1));
    };
    expect(seqs(await collect(4))).toEqual([1, 2, 3, 4]);
  });

  it('repeated events are dropped', async () => {
    handle = (_request, response) => {
      open(response);
      response.write(frames(1, 3) + frames(2, 4));
    };
    expect(seqs(await collect(4))).toEqual([1, 2, 3, 4]);
  });

  it('events are read again from the last good one after a gap', async () => {
    handle = (request, response, nth) => {
      open(response);
      response.write(nth === 1 ? frames(1, 2) + frames(4, 6) : frames(lastId(request) + 1, 6));
    };
    expect(seqs(await collect(6))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(requests.map(lastId)).toEqual([0, 2]);
  });

  it('a silent stream counts as dead; comments keep it alive', async () => {
    handle = (request, response, nth) => {
      open(response);
      if (nth === 1) return;
      if (nth === 2) {
        const ping = setInterval(() => response.write(': ping\n\n'), 40);
        setTimeout(() => {
          clearInterval(ping);
          response.write(frames(lastId(request) + 1, 2));
        }, 300);
      }
    };
    const start = performance.now();
    expect(seqs(await collect(2, { silenceMs: 120 }))).toEqual([1, 2]);
    expect(requests).toHaveLength(2);
    expect(performance.now() - start).toBeGreaterThan(400);
  });

  it('characters that arrive byte by byte are put together', async () => {
    handle = async (_request, response) => {
      open(response);
      for (const byte of Buffer.from(frame(1, 'é🎉'))) {
        response.write(Buffer.of(byte));
        await sleep(0);
      }
    };
    expect(await collect(1)).toMatchObject([{ seq: 1, text: 'é🎉' }]);
  });

  it('events that the reader did not accept are delivered again', async () => {
    handle = (request, response) => {
      open(response);
      response.write(frames(lastId(request) + 1, 3));
    };
    const got: number[] = [];
    const stop = new AbortController();
    let refusals = 0;
    await collect(3, {
      signal: stop.signal,
      deliver: async (events) => {
        if (refusals++ < 2) throw new Error('not taken');
        got.push(...seqs(events));
        if (got.length >= 3) stop.abort();
      },
    });
    expect(got).toEqual([1, 2, 3]);
  });

  it('reading waits for a slow reader', async () => {
    handle = (_request, response) => {
      open(response);
      response.write(frame(1));
      setTimeout(() => response.write(frame(2)), 20);
      setTimeout(() => response.write(frame(3)), 40);
    };
    let busy = 0;
    let most = 0;
    const got: number[] = [];
    const stop = new AbortController();
    await collect(3, {
      signal: stop.signal,
      deliver: async (events) => {
        most = Math.max(most, ++busy);
        await sleep(80);
        busy -= 1;
        got.push(...seqs(events));
        if (got.length >= 3) stop.abort();
      },
    });
    expect(got).toEqual([1, 2, 3]);
    expect(most).toBe(1);
  });

  it('following retries after a wrong secret or an overload, and ends after a refusal', async () => {
    const refuse = (response: ServerResponse, status: number, code: string) =>
      response
        .writeHead(status, { 'content-type': 'application/problem+json' })
        .end(JSON.stringify({ code, status, title: code, detail: code }));
    handle = (_request, response, nth) => {
      if (nth === 1) refuse(response, 401, 'unauthorized');
      else if (nth === 2) refuse(response, 503, 'closing');
      else refuse(response, 404, 'not_found');
    };
    await expect(collect(1)).rejects.toMatchObject({ problem: { code: 'not_found', status: 404 } });
    expect(requests).toHaveLength(3);
  });

  it('an event of an unknown type keeps its number', async () => {
    handle = (_request, response) => {
      open(response);
      response.write(`data: ${JSON.stringify({ seq: 1, at, type: 'of.tomorrow', more: 1 })}\n\n${frame(2)}`);
    };
    expect(await collect(2)).toMatchObject([{ seq: 1, type: 'of.tomorrow' }, { seq: 2 }]);
  });

  it('following ends when aborted, also while it waits', async () => {
    handle = (_request, response) => open(response);
    await expect(collect(1, { signal: AbortSignal.timeout(100) })).resolves.toEqual([]);
    const endpoint = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    await expect(collect(1, { signal: AbortSignal.timeout(100), endpoint })).resolves.toEqual([]);
  });
});

describe('calling a route', () => {
  const client = () => new Client({ origin, secret: 'right' }, problems);
  const code = async (work: Promise<unknown>) =>
    await work.then(
      () => 'none',
      (error: unknown) => (error instanceof ProblemError ? error.problem.code : String(error)),
    );
  const info = () => client().call('server.info', {}, { timeoutMs: 200 });

  it('every failure of a call becomes a problem', async () => {
    handle = (_request, response) => void response.end('not json');
    expect(await code(info())).toBe('bad_response');
    handle = (_request, response) => void response.end('{"version":1}');
    expect(await code(info())).toBe('bad_response');
    handle = (_request, response) => void response.writeHead(500).end('<html>');
    expect(await code(info())).toBe('bad_response');
    handle = (_request, response) => void response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end();
    expect(await code(info())).toBe('server_unreachable');
    handle = (request) => void request.socket.destroy();
    expect(await code(info())).toBe('server_unreachable');
    handle = () => undefined;
    expect(await code(info())).toBe('server_timeout');
  });

  it("a call passes on the server's problem, with its retry delay", async () => {
    const problem = { code: 'rate_limited', status: 429, title: 'Slow', detail: 'Slower.' };
    handle = (_request, response) => void response.writeHead(429, { 'retry-after': '7' }).end(JSON.stringify(problem));
    await expect(info()).rejects.toMatchObject({ problem, retryAfterMs: 7000 });
  });

  it("an aborted call ends with the caller's reason", async () => {
    handle = () => undefined;
    const stop = new AbortController();
    const call = client().call('server.info', {}, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
  });

  it('input that the schemas refuse is not sent', async () => {
    const bad = [
      client().callUnchecked('conversations.get', { params: { conversationId: '../info' } }),
      client().callUnchecked('conversations.get', {}),
      client().callUnchecked('conversations.rename', { params: { conversationId: 'c' }, body: { title: '' } }),
      client().callUnchecked('conversations.list', { query: { limit: 1_000_000 } }),
    ];
    for (const call of bad) expect(await code(call)).toBe('invalid_request');
    expect(requests).toHaveLength(0);
  });

  it('the secret is sent with every call, and only to the server', async () => {
    handle = (_request, response) => void response.writeHead(404).end();
    await code(client().call('conversations.list', { query: { search: 'a&b=c d' } }));
    expect(requests[0]?.headers.authorization).toBe('Bearer right');
    expect(requests[0]?.url).toBe('/backend/conversations?search=a%26b%3Dc+d&limit=50');
  });
});
