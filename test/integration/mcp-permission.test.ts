import { describe, expect, it } from 'vitest';
import { EditorWindow } from '../support/editor-window.ts';
import { resultsOf, stdio, useAgent } from '../support/mcp/agent.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

/*
 * Who decides which MCP servers are started and which foreign tools are called.
 */

describe('tools of MCP servers and other extensions', { timeout: 60_000 }, () => {
  const agent = useAgent();
  const { attach, script, begin, turn, offered, answer } = agent;

  describe('MCP servers of a workspace', () => {
    const workspace = { everything: { ...stdio, env: { SECRET: 'not-to-be-shown' } } };
    const start: [string, object] = ['mcp_start', { server: 'everything' }];

    it('an MCP server of a workspace starts once the user agrees, and is not asked about again until it changes', async () => {
      await attach({}, { workspace });
      const asked = await begin(start, ['mcp__everything__echo', { message: 'started' }]);
      using _reader = asked.reader;
      const ask = await answer(asked, true);
      expect(ask).toMatchObject({ kind: 'approval', title: 'Start the MCP server "everything"', format: 'command' });
      expect(JSON.stringify(ask)).toContain('server-everything');
      expect(JSON.stringify(asked.reader.events)).not.toContain('not-to-be-shown');
      const [started, echoed] = resultsOf(await asked.reader.ended(asked.turnId, 40_000));
      expect(started).toMatchObject({ ok: true, text: expect.stringContaining('mcp__everything__echo') });
      expect(echoed?.text).toBe('Echo: started');
      expect((await offered(1)).map(({ name }) => name)).not.toContain('mcp__everything__echo');
      expect((await offered(2)).map(({ name }) => name)).toContain('mcp__everything__echo');

      await turn();
      const later = (await offered()).map(({ name }) => name);
      expect(later).toContain('mcp__everything__echo');
      expect(later).not.toContain('mcp_start');
      await attach({}, { workspace: { everything: { ...stdio, args: [...stdio.args, 'more'] } } });
      await turn();
      const changed = (await offered()).map(({ name }) => name);
      expect(changed).toContain('mcp_start');
      expect(changed).not.toContain('mcp__everything__echo');
    });

    it('an MCP server of a workspace does not start if the user refuses, whatever the rules allow', async () => {
      agent.window.rules = { user: [{ verdict: 'allow', tool: '*' }], workspace: null };
      await attach({}, { workspace });
      const asked = await begin(start);
      using _reader = asked.reader;
      await answer(asked, false);
      const [result] = resultsOf(await asked.reader.ended(asked.turnId));
      expect(result).toMatchObject({ ok: false, text: 'The user did not allow this.' });
      expect(agent.statuses.filter(({ state }) => state === 'starting')).toEqual([]);
    });

    it('an MCP server of a workspace is not asked about if a rule denies it', async () => {
      agent.window.rules = { user: null, workspace: [{ verdict: 'deny', tool: 'mcp_start' }] };
      await attach({}, { workspace });
      const { reader, turnId } = await begin(start);
      using _reader = reader;
      const [result] = resultsOf(await reader.ended(turnId));
      expect(result).toMatchObject({ ok: false, text: expect.stringMatching(/^This is not allowed/) });
    });

    it('no MCP server is available in an untrusted workspace', async () => {
      agent.window.trusted = false;
      await attach({ mine: stdio }, { workspace });
      await turn();
      expect((await offered()).filter(({ name }) => name.startsWith('mcp'))).toEqual([]);
    });

    it('an MCP server of a workspace cannot take the name of one of the user', async () => {
      await attach({ every_thing: stdio }, { workspace: { 'every thing': { url: 'http://127.0.0.1:1/mcp' } } });
      await turn();
      const names = (await offered()).map(({ name }) => name);
      expect(names).toContain('mcp__every_thing__echo');
      expect(names).not.toContain('mcp_start');
      expect(agent.statuses).toContainEqual(
        expect.objectContaining({
          name: 'every thing',
          state: 'failed',
          detail: expect.stringContaining('has the same name'),
        }),
      );
    });
  });

  it("a call of an MCP tool asks unless a rule allows it, and follows the user's answer", async () => {
    agent.window.rules = { user: null, workspace: null };
    await attach({ everything: stdio });
    const asked = await begin(['mcp__everything__echo', { message: 'may I' }]);
    using _reader = asked.reader;
    const ask = await answer(asked, false);
    expect(ask).toMatchObject({ title: 'Use echo of the MCP server "everything"', reason: expect.any(String) });
    expect(ask).toMatchObject({ detail: expect.stringContaining('may I') });
    const [result] = resultsOf(await asked.reader.ended(asked.turnId));
    expect(result).toMatchObject({ ok: false, text: 'The user did not allow this.' });
  });

  it('a team server does not start MCP servers as commands', async () => {
    await using team = await TestServer.start({
      claudeUrl: agent.claude.url,
      args: ['--sandbox', 'off', '--mcp-stdio', 'false'],
    });
    using other = new EditorWindow(() => team, agent.folder, 'team');
    other.mcp = { user: { everything: stdio }, workspace: null, variables: {} };
    await other.attach();
    script();
    const conversationId = await newConversation(team, 'team');
    using reader = new Reader(() => team, conversationId);
    await reader.ended(await send(team, conversationId, 'Go.'));
    expect((await offered()).filter(({ name }) => name.startsWith('mcp'))).toEqual([]);
  });

  it('a read-only MCP tool can be called without a conversation, if the rules and the user allow it', async () => {
    agent.window.write('a.py', 'def greet():\n    pass\n');
    await agent.window.attach();
    const run = (tool: string, input: Record<string, string>, confirmed = false) =>
      agent.server.client.call('actions.run', {
        params: { tool },
        body: { projectId: agent.window.projectId, input, confirmed },
      });
    await expect(run('file_write', { path: 'a.py', content: '' })).rejects.toMatchObject({
      problem: { code: 'not_found' },
    });
    expect(await run('symbol_search', {})).toMatchObject({ ok: false, text: expect.stringContaining('not valid') });
    expect(await run('symbol_search', { query: 'greet' })).toMatchObject({ text: expect.any(String) });
    expect(await run('web_search', { query: 'x' })).toEqual({ ok: false, text: 'The user did not allow this.' });
    agent.window.rules = { user: [{ verdict: 'deny', tool: 'web_search' }], workspace: null };
    await agent.window.attach();
    expect(await run('web_search', { query: 'x' }, true)).toMatchObject({
      ok: false,
      text: expect.stringMatching(/^This is not allowed/),
    });
  });

  describe('tools of other extensions', () => {
    const weather = {
      name: 'weather_lookup',
      description: 'Says what the weather is.',
      inputSchema: { type: 'object', properties: { city: { type: 'string' } } },
    };

    it('tools of other extensions are offered, asked about, called in the window, and marked as untrusted', async () => {
      agent.window.rules = { user: null, workspace: null };
      agent.window.tools = [weather, { name: 'odd', description: '', inputSchema: 7 }];
      agent.window.callTool = (name, input) => ({ text: `${name}: rain in ${String(input['city'])}`, images: [] });
      await agent.window.attach();
      const asked = await begin(['vscode__weather_lookup', { city: 'Oslo' }]);
      using _reader = asked.reader;
      expect(await answer(asked, true)).toMatchObject({ detail: expect.stringContaining('Oslo') });
      const [result] = resultsOf(await asked.reader.ended(asked.turnId));
      expect(result).toMatchObject({
        ok: true,
        text: 'weather_lookup: rain in Oslo',
        details: { untrusted: [{ kind: 'mcp', name: 'weather_lookup (VS Code)' }] },
      });
      expect((await offered()).filter(({ name }) => name.startsWith('vscode__'))).toHaveLength(1);
    });

    it('a failed tool of another extension gives a result, and an untrusted workspace has no such tools', async () => {
      agent.window.tools = [weather];
      await agent.window.attach();
      const asked = await begin(['vscode__weather_lookup', {}]);
      using _reader = asked.reader;
      await answer(asked, true);
      const [result] = resultsOf(await asked.reader.ended(asked.turnId));
      expect(result).toMatchObject({ ok: false, text: 'no tool weather_lookup is offered' });
      agent.window.trusted = false;
      await agent.window.attach();
      await turn();
      expect((await offered()).filter(({ name }) => name.startsWith('vscode__'))).toEqual([]);
    });
  });
});
