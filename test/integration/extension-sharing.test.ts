import type { EditorHello, EditorRequest } from '@devlm/protocol/editor.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Backoff } from '../../extension/src/backoff.ts';
import { ServerConnection } from '../../extension/src/connection/connection.ts';
import { problemsOf } from '../../extension/src/problems.ts';
import type { Handlers } from '../../extension/src/workspace/requests.ts';
import { WorkspaceSharing } from '../../extension/src/workspace/workspace-sharing.ts';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

/*
 * Tests the window's side of sharing a workspace against the real server. The tests in test/vscode/ cover the files;
 * here they are simulated.
 */

const problems = problemsOf((text) => text);
const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

describe('a window that shares its workspace', { timeout: 30_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let connection: ServerConnection;
  let sharing: WorkspaceSharing;
  let hello: EditorHello | null;
  let asked: EditorRequest[];
  let connects: number;
  let starting: Promise<void>;
  let read: Handlers['read'];

  const none = async () => {
    throw new Error('not expected');
  };
  const hash = '0'.repeat(64);

  beforeAll(async () => {
    claude = await startClaude();
  });
  afterAll(() => claude[Symbol.asyncDispose]());
  beforeEach(async () => {
    claude.reset();
    server = await TestServer.start({ claudeUrl: claude.url });
    [asked, connects, starting] = [[], 0, Promise.resolve()];
    hello = {
      windowId: 'window',
      projectId: 'project',
      trusted: true,
      folders: [{ name: 'shared-folder', path: '/somewhere' }],
      rules: { user: null, workspace: null },
    };
    read = async () => ({ kind: 'text', text: 'unsaved text', encoding: 'utf8', hash, dirty: true });
    connection = new ServerConnection({
      source: {
        remote: null,
        connect: async () => {
          connects += 1;
          // Like the real connection, it resolves once a server is available.
          await starting;
          const { client } = server;
          return { endpoint: client.endpoint, info: await client.call('server.info', {}) };
        },
        end: async () => undefined,
      },
      credential: async () => ({ apiKey: null, baseUrl: null }),
      version: '0.0.0',
      problems,
      log,
      t: (text) => text,
      timing: { firstMs: 20, maxMs: 100 },
    });
    sharing = new WorkspaceSharing({
      connection,
      problems,
      log,
      hello: () => hello,
      backoff: () => new Backoff({ firstMs: 20, maxMs: 100 }),
      handlers: {
        read: async (request, signal) => {
          asked.push(request);
          return request.path.endsWith('.txt') ? await read(request, signal) : { kind: 'missing' };
        },
        list: async () => ({ entries: [], truncated: false }),
        search: none,
        apply: none,
        diagnostics: none,
        symbols: none,
        'tool.call': none,
        'command.start': none,
        'command.poll': none,
        'command.write': none,
        'command.stop': none,
        'command.stopAll': none,
      },
    });
  });
  afterEach(async () => {
    sharing.dispose();
    connection.dispose();
    await server[Symbol.asyncDispose]();
  });

  /** Runs a turn that reads a file, and returns the text of the result. */
  const turn = async (): Promise<TurnState> => {
    claude.on(any, 'Done.');
    claude.on(any, toolUse('file_read', { path: 'a.txt' }), { times: 1 });
    const conversationId = await newConversation(server, 'project');
    using reader = new Reader(() => server, conversationId);
    return await reader.ended(await send(server, conversationId, 'Read a.txt.'), 20_000);
  };
  const results = ({ steps }: TurnState) =>
    steps.flatMap((step) => Object.values(step.results)).map(({ text }) => text);
  /** Returns whether the server offers workspace tools, which it does while a window shares its workspace. */
  const isLent = async (): Promise<boolean> => {
    claude.reset();
    claude.on(any, 'Done.');
    const conversationId = await newConversation(server, 'project');
    using reader = new Reader(() => server, conversationId);
    await reader.ended(await send(server, conversationId, 'Hello.'));
    const lent = JSON.stringify((await claude.received(1)).body).includes('file_read');
    claude.reset();
    return lent;
  };
  const lent = () => expect.poll(isLent, { timeout: 10_000 });

  it('a window does not start the server, and shares its workspace once it runs', async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([connects, connection.state.state]).toEqual([0, 'idle']);
    connection.start();
    await lent().toBe(true);
    expect(results(await turn())).toEqual(['1\tunsaved text']);
  });

  it('a window shares its workspace with the next server again', async () => {
    connection.start();
    await lent().toBe(true);
    starting = server.kill().then(() => server.start());
    await starting;
    await lent().toBe(true);
    expect(results(await turn())).toEqual(['1\tunsaved text']);
  });

  it('a window reports changes of its workspace without losing a request', async () => {
    connection.start();
    await lent().toBe(true);
    const reading = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    read = async () => {
      reading.resolve();
      await go.promise;
      return { kind: 'text', text: 'late', encoding: 'utf8', hash, dirty: false };
    };
    asked = [];
    const ended = turn();
    await reading.promise;
    hello = hello && { ...hello, folders: [{ name: 'renamed-folder', path: null }] };
    sharing.changed();
    // The server repeats the request under the same id on the window's new stream.
    await new Promise((resolve) => setTimeout(resolve, 300));
    go.resolve();
    expect(results(await ended)).toEqual(['1\tlate']);
    expect(asked.filter((request) => request.kind === 'read' && request.path === 'a.txt')).toHaveLength(1);
    claude.reset();
    await turn();
    expect(JSON.stringify((await claude.received(1)).body)).toContain('renamed-folder');
  });

  it('a window stops sharing when it has no workspace any more', async () => {
    connection.start();
    await lent().toBe(true);
    hello = null;
    sharing.changed();
    await lent().toBe(false);
  });
});
