import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReceivedEvent } from '@devlm/protocol/events.ts';
import { addTurns, answerText, emptyConversation, shownPath } from '@devlm/protocol/reducer.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { cases } from '../support/deep.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

/** Cuts in the three places where a stream can break, at random moments of random answers. */
const cuts = cases(25, 200);
const conversationsAtOnce = 4;

describe('random cuts while answers stream', () => {
  let claude: Claude;
  let server: TestServer;
  let proxy: CuttableProxy;
  let upstream: CuttableProxy;
  beforeAll(async () => {
    claude = await startClaude();
    const { port } = new URL(claude.url);
    upstream = await CuttableProxy.start(() => Number(port));
    server = await TestServer.start({
      claudeUrl: `http://127.0.0.1:${upstream.port}`,
      env: { DEVLM_RETRY_BASE_MS: '5', DEVLM_STREAM_IDLE_MS: '400' },
    });
    proxy = await CuttableProxy.start(() => server.discovery.port);
  });
  afterAll(async () => {
    proxy.close();
    upstream.close();
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
  });

  it(`${cuts} random cuts lose and repeat nothing, and end in the complete answer or an error`, {
    timeout: 600_000,
  }, async () => {
    const seed = Number(process.env['CUTS_SEED'] ?? Date.now() % 1_000_000);
    console.log(`seed of the cuts: ${seed}`);
    const random = mulberry32(seed);
    const outcomes = { completed: 0, failed: 0, restarted: 0 };
    let done = 0;
    while (done < cuts) {
      // A turn during which its server died three times is given up, so each round is cut only a few times.
      const planned = Math.min(cuts - done, 2 + Math.floor(random() * 4));
      const round = await Promise.all(
        Array.from({ length: conversationsAtOnce }, async (_, index) => {
          const answer = Array.from(
            { length: 60 + Math.floor(random() * 60) },
            (_word, n) => `w${index}.${n} é🎉`,
          ).join(' ');
          const conversationId = await newConversation(server);
          const name = `question ${done}-${index}.`;
          claude.on(name, { blocks: answer, pace: { chunkChars: 12, chunksPerSecond: 150 } });
          const reader = new Reader(() => proxyView(server, proxy), conversationId);
          const turnId = await send(server, conversationId, name);
          return { answer, conversationId, name, reader, turnId };
        }),
      );
      for (let i = 0; i < planned; i++) {
        await sleep(random() * 150);
        const kind = random();
        if (kind < 0.4) proxy.cut();
        else if (kind < 0.65) upstream.cut();
        else if (kind < 0.75) upstream.freeze(600);
        else {
          await server.kill('SIGKILL');
          await server.start();
        }
        done++;
      }
      for (const { answer, conversationId, reader, turnId } of round) {
        const turn = await reader.ended(turnId, 30_000);
        expectContiguous(reader.events);
        if (turn.status === 'completed') {
          outcomes.completed++;
          expect(answerText(turn)).toBe(answer);
        } else {
          outcomes.failed++;
          expect(turn).toMatchObject({ status: 'failed', problem: { detail: expect.stringMatching(/\w{3}/) } });
        }
        if (turn.steps.some((step) => step.status === 'abandoned')) outcomes.restarted++;
        // The events in the store give the same state as the live ones.
        const { page, head } = await server.client.call('conversations.get', { params: { conversationId }, query: {} });
        const stored = addTurns({ ...emptyConversation(conversationId), head }, page.turns);
        expect(shownPath(stored).turns).toEqual(shownPath(reader.state).turns);
        reader[Symbol.dispose]();
      }
      claude.reset();
    }
    console.log(JSON.stringify({ cuts: done, ...outcomes }));
    expect(outcomes.completed).toBeGreaterThan(outcomes.failed);
    expect(outcomes.restarted).toBeGreaterThan(0);
  });
});

function expectContiguous(events: readonly ReceivedEvent[]): void {
  expect(events.map((event) => event.seq)).toEqual(events.map((_event, index) => index + 1));
}

/** The server as it is reached through the proxy. */
function proxyView(server: TestServer, proxy: CuttableProxy): TestServer {
  return Object.create(server, { origin: { get: () => `http://127.0.0.1:${proxy.port}` } }) as TestServer;
}

/** Forwards bytes until it is told to cut all open connections. */
class CuttableProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #upstreams = new Set<Socket>();

  private constructor(target: () => number) {
    this.#server = createServer((client) => {
      const upstream = connect(target(), '127.0.0.1');
      this.#upstreams.add(upstream);
      upstream.on('close', () => this.#upstreams.delete(upstream));
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      // The server checks the port in the Host header; the proxy is not under test.
      client.on('data', (chunk: Buffer) => {
        const text = chunk.toString('latin1').replace(/^host: 127\.0\.0\.1:\d+/im, `Host: 127.0.0.1:${target()}`);
        upstream.write(Buffer.from(text, 'latin1'));
      });
      client.on('end', () => upstream.end());
      upstream.pipe(client);
    });
  }

  static async start(target: () => number): Promise<CuttableProxy> {
    const proxy = new CuttableProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Delays the bytes from the target for a time. */
  freeze(milliseconds: number): void {
    for (const socket of this.#upstreams) socket.pause();
    setTimeout(() => {
      for (const socket of this.#upstreams) socket.resume();
    }, milliseconds);
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

/** A small seeded generator, so that a failed run can be repeated (mulberry32, public domain). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
