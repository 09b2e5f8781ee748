import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ToolResult, TurnState } from '@devlm/protocol/state.ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

const Sent = z.object({
  system: z.unknown(),
  messages: z.array(
    z.object({ content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]) }),
  ),
});
const resultsOf = (turn: TurnState): ToolResult[] => turn.steps.flatMap((step) => Object.values(step.results));

describe('what the model knows of a project', { timeout: 60_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let window: EditorWindow;
  let folder: string;

  beforeEach(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'off'] });
    folder = mkdtempSync(join(tmpdir(), 'devlm-map-'));
    window = new EditorWindow(() => server, folder);
    window.mapTokens = 1_500;
    window.write('src/store.py', 'class Store:\n    def put(self, key, value):\n        return key\n');
    window.write('src/shop.py', 'from store import Store\n\ndef sell(item):\n    return Store().put(item, 1)\n');
    window.write(
      'src/web.py',
      'from store import Store\nfrom shop import sell\n\ndef page():\n    Store().put(1, sell(2))\n',
    );
  });
  afterEach(async () => {
    window[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  /** Returns the texts of the first message of the request. */
  const first = async (number: number): Promise<string[]> => {
    const content = Sent.parse((await claude.received(number)).body).messages[0]?.content ?? [];
    return typeof content === 'string' ? [content] : content.map(({ text = '' }) => text);
  };
  /** Runs a turn to its end. */
  const ended = async (conversationId: string, text: string, parent: string | null = null): Promise<TurnState> => {
    using reader = new Reader(() => server, conversationId);
    return await reader.ended(await send(server, conversationId, text, { parent }), 30_000);
  };
  /** Sends first messages until the map has been created, and returns the conversation that has it. */
  const mapped = async (): Promise<{ conversationId: string; turnId: string; number: number }> => {
    let found: { conversationId: string; turnId: string; number: number } | undefined;
    await vi.waitFor(
      async () => {
        const conversationId = await newConversation(server, 'project');
        const { id: turnId } = await ended(conversationId, 'Hello.');
        const number = claude.messages.length;
        expect((await first(number))[0]).toContain('<repository_map>');
        found = { conversationId, turnId, number };
      },
      { timeout: 30_000, interval: 100 },
    );
    if (!found) throw new Error('no map');
    return found;
  };

  it('the repository map has the most used definitions, and is the same in each turn and after a restart', async () => {
    claude.on(any, 'Hello.');
    await window.attach();
    const { conversationId, turnId, number } = await mapped();
    const [map = ''] = await first(number);
    expect(map).toContain('src/store.py:\n    1 class Store\n    2 def put(self, key, value)');
    expect(map).toContain('src/shop.py:\n    3 def sell(item)');
    expect(map).not.toContain('page()');

    window.write('src/new.py', 'from store import Store\n\nclass Other:\n    pass\n\nOther()\n');
    const { id: second } = await ended(conversationId, 'And now?', turnId);
    expect((await first(claude.messages.length))[0]).toBe(map);
    await server.kill();
    await server.start();
    await window.attach();
    await ended(conversationId, 'And after a restart?', second);
    const after = claude.messages.length;
    expect((await first(after))[0]).toBe(map);
    expect(JSON.stringify((await claude.received(after)).body).split('<repository_map>')).toHaveLength(2);
  });

  it('the repository map is not sent if the user has turned it off', async () => {
    claude.on(any, 'Hello.');
    await window.attach();
    await mapped();
    window.mapTokens = 0;
    await window.attach();
    const conversationId = await newConversation(server, 'project');
    await ended(conversationId, 'Hello.');
    expect((await first(claude.messages.length))[0]).toBe('Hello.');
  });

  it('the model can search definitions by name in the current files', async () => {
    claude.on(any, 'Done.');
    claude.on(any, toolUse('symbol_search', { query: 'store' }), { times: 1 });
    claude.on(any, toolUse('symbol_search', { query: 'late_comer', kind: 'function', path: 'src' }), { times: 1 });
    window.symbols = [{ name: 'StoreFront', kind: 'struct', container: 'shop', path: 'src/front.cs', line: 4 }];
    await window.attach();
    const conversationId = await newConversation(server, 'project');
    const before = resultsOf(await ended(conversationId, 'Where is it?'));
    expect(before.map(({ text }) => text)).toEqual([
      expect.stringContaining('No definition matches "late_comer" in 3 source files.'),
      'src/store.py:1 class Store (class, 4 uses of the name)\nsrc/front.cs:4 shop.StoreFront (class, 0 uses of the name)',
    ]);
    window.write('src/late.py', 'def late_comer():\n    pass\n');
    claude.on(any, toolUse('symbol_search', { query: 'lateComer' }), { times: 1 });
    const [late] = resultsOf(await ended(conversationId, 'And now?'));
    expect(late?.text).toBe('src/late.py:1 def late_comer() (function, 0 uses of the name)');
  });
});
