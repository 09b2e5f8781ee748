import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { offeredRule } from '@devlm/protocol/permissions.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { Ask } from '@devlm/protocol/tools.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

type Approval = Extract<Ask, { kind: 'approval' }>;

describe('rules that a question offers to always allow', { timeout: 60_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let window: EditorWindow;
  let folder: string;

  beforeAll(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'off'] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    claude.reset();
    folder = mkdtempSync(join(tmpdir(), 'devlm-always-'));
    window = new EditorWindow(() => server, folder);
    await window.attach();
  });
  afterEach(() => {
    window[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  /** Makes the model make one call. Returns the question and the user's answer. */
  const asked = async (
    name: string,
    input: object,
    projectId: string | null = 'project',
    allow = true,
  ): Promise<Approval | null> => {
    claude.reset();
    claude.on(any, 'Done.');
    claude.on(any, toolUse(name, input), { times: 1 });
    const conversationId = await newConversation(server, projectId);
    using reader = new Reader(() => server, conversationId);
    const turnId = await send(server, conversationId, 'Please work.');
    const open = (turn: TurnState | undefined) =>
      turn?.steps.flatMap(({ calls }) => Object.entries(calls)).find(([, { ask }]) => ask) ?? null;
    const state = await reader.until(
      ({ turns }) => open(turns[turnId]) !== null || turns[turnId]?.status === 'completed',
    );
    const found = open(state.turns[turnId]);
    if (!found) return null;
    const [callId, { ask }] = found;
    const params = { conversationId, turnId, callId };
    await server.client.call('asks.answer', { params, body: { kind: 'approval', allow } });
    await reader.ended(turnId);
    return ask?.kind === 'approval' ? ask : null;
  };
  const write = (path: string) => asked('file_write', { path, content: 'x\n' });
  const withRules = async (rules: EditorWindow['rules']) => {
    window.rules = rules;
    await window.attach();
  };

  it('an offered rule in the settings allows the same action and nothing wider', async () => {
    const rule = offeredRule((await write('src/a.ts'))?.rule ?? null);
    expect(rule).toEqual({ verdict: 'allow', tool: 'file_write', path: 'src/*' });
    expect(window.text('src/a.ts')).toBe('x\n');

    await withRules({ user: [rule], workspace: null });
    expect(await write('src/b.ts')).toBeNull();
    expect(window.text('src/b.ts')).toBe('x\n');
    expect(offeredRule((await write('src/sub/c.ts'))?.rule ?? null)).toMatchObject({ path: 'src/sub/*' });
    expect(await write('.vscode/settings.json')).toMatchObject({ rule: null });
  });

  it('an allowing rule in workspace settings has no effect, but a denying one does', async () => {
    const rule = { verdict: 'allow', tool: 'file_write', path: 'src/*' };
    await withRules({ user: null, workspace: [rule] });
    expect(await write('src/a.ts')).toMatchObject({ kind: 'approval' });
    await withRules({ user: [rule], workspace: [{ ...rule, verdict: 'ask' }] });
    expect(await write('src/b.ts')).toMatchObject({ rule: null });
  });

  it('an offered rule has no effect if the settings are unreadable or no window provides them', async () => {
    await withRules({ user: [{ verdict: 'always', tool: '*' }], workspace: null });
    expect(await write('src/a.ts')).toMatchObject({ rule: null });
    const fetching = { url: 'https://docs.example.org/page' };
    expect(await asked('web_fetch', fetching, null, false)).toMatchObject({ hosts: ['docs.example.org'], rule: null });
  });
});
