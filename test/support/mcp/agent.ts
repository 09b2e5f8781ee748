import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ToolResult, TurnState } from '@devlm/protocol/state.ts';
import type { McpStatus } from '@devlm/protocol/views.ts';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import * as z from 'zod';
import { openNotices } from '../../../extension/src/connection/events.ts';
import { problemsOf } from '../../../extension/src/problems.ts';
import { toolUse } from '../claude/answer.ts';
import { any } from '../claude/scenario.ts';
import { startClaude } from '../claude/server.ts';
import { EditorWindow } from '../editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../server.ts';

/*
 * A server, a window with its own project for each test, and a model that makes the given calls.
 */

const root = join(import.meta.dirname, '../../..');
const node = process.execPath;

/** The official server with all features. */
export const everything = join(root, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
/** Configuration that starts it. */
export const stdio = { command: node, args: [everything, 'stdio'] };
/** A server whose argument determines what it does. */
export const hostile = join(root, 'test/support/mcp/hostile-server.ts');
/** Returns a variable reference as configurations write it. */
export const variable = (name: string): string => `\${${name}}`;
/** Rule that allows all tools of MCP servers. */
export const allowMcp = [{ verdict: 'allow', tool: 'mcp_*' }];

type Call = [name: string, input: object];

const Sent = z.object({
  tools: z
    .array(z.object({ name: z.string(), description: z.string().optional(), input_schema: z.unknown() }))
    .default([]),
});
const mark = /^This is untrusted material[^\n]*\n<tool_result from="[^"]*">\n([\s\S]*)\n<\/tool_result>$/;

/** Returns the results of a turn's calls, without the tags around untrusted text. */
export const resultsOf = (turn: TurnState | undefined): ToolResult[] =>
  (turn?.steps ?? [])
    .flatMap((step) => Object.values(step.results))
    .map((result) => ({ ...result, text: mark.exec(result.text)?.[1] ?? result.text }));

/** Waits until a condition is met. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  for (const until = performance.now() + timeoutMs; performance.now() < until; await sleep(20)) {
    if (await holds()) return;
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`);
}

/** Sets up what the tests of a file share, and a window for each test. */
export function useAgent() {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let window: EditorWindow;
  let folder: string;
  let projects = 0;
  let statuses: McpStatus[];
  let stop: AbortController;

  beforeAll(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'off'] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    claude.reset();
    statuses = [];
    stop = new AbortController();
    folder = mkdtempSync(join(tmpdir(), 'devlm-mcp-'));
    window = new EditorWindow(() => server, folder, `mcp-${++projects}`);
    window.rules = { user: allowMcp, workspace: null };
    void hearStatuses(stop.signal);
  });
  afterEach(() => {
    stop.abort();
    window[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  async function hearStatuses(signal: AbortSignal): Promise<void> {
    const { origin, discovery } = server;
    const options = { signal, problems: problemsOf((text) => text) };
    try {
      for await (const notice of openNotices({ origin, secret: discovery.secret }, options))
        if (notice.type === 'mcp.changed' && notice.projectId === window.projectId) statuses.push(notice.server);
    } catch {
      // The test is over.
    }
  }

  /** Attaches the window with these servers of the user, and those of a workspace file. */
  const attach = async (servers: object, more: { workspace?: object; variables?: Record<string, string> } = {}) => {
    const { workspace, variables = {} } = more;
    window.mcp = {
      user: z.json().parse(servers),
      workspace: workspace ? [{ path: '.vscode/mcp.json', content: { servers: z.json().parse(workspace) } }] : [],
      variables,
    };
    await window.attach();
  };
  const attachHostile = (kind: string, more = {}) =>
    attach({ fake: { command: node, args: [hostile, kind], env: { TOKEN: 'token-4711-secret' }, ...more } });

  /** Makes the model make these calls, one per step, and then say that it is done. */
  const script = (...calls: Call[]) => {
    claude.reset();
    claude.on(any, 'All done.');
    for (const [name, input] of calls.toReversed()) claude.on(any, toolUse(name, input), { times: 1 });
  };
  const begin = async (...calls: Call[]) => {
    script(...calls);
    const conversationId = await newConversation(server, window.projectId);
    const reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'Please work.');
    return { conversationId, reader, turnId };
  };
  /** A user who allows everything that this turn asks. Untrusted text in it makes later calls ask. */
  const agree = (reader: Reader) => reader.answerAsks(() => ({ kind: 'approval', allow: true }));
  /** Runs a turn to its end, with a user who allows everything. */
  const turn = async (...calls: Call[]) => {
    const asked = await begin(...calls);
    using reader = asked.reader;
    agree(reader);
    return await reader.ended(asked.turnId, 50_000);
  };
  const offered = async (request = 1) => Sent.parse((await claude.received(request)).body).tools;
  /** Waits for a question, and answers it. */
  const answer = async (asked: Awaited<ReturnType<typeof begin>>, allowed: boolean) => {
    const { conversationId, reader, turnId } = asked;
    const openAsk = () => {
      const calls = reader.state.turns[turnId]?.steps.flatMap((step) => Object.entries(step.calls)) ?? [];
      return calls.find(([, call]) => call.ask && !call.answer);
    };
    await reader.until(() => openAsk() !== undefined, 30_000);
    const [callId, call] = openAsk() ?? [];
    await server.client.call('asks.answer', {
      params: { conversationId, turnId, callId: callId ?? '' },
      body: { kind: 'approval', allow: allowed },
    });
    return call?.ask;
  };

  return {
    attach,
    attachHostile,
    script,
    begin,
    agree,
    turn,
    offered,
    answer,
    get claude() {
      return claude;
    },
    get server() {
      return server;
    },
    get window() {
      return window;
    },
    get folder() {
      return folder;
    },
    /** Notices about MCP servers that the windows of this test's project received, oldest first. */
    get statuses() {
      return statuses;
    },
  };
}
