import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { EditorWindow } from '../support/editor-window.ts';
import { allowMcp, eventually, everything, resultsOf, stdio, useAgent, variable } from '../support/mcp/agent.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

/*
 * Tests the agent with the official server-everything, over each transport.
 */

const node = process.execPath;

describe('MCP servers', { timeout: 60_000 }, () => {
  const agent = useAgent();
  const { attach, attachHostile, script, begin, turn, offered, agree } = agent;

  describe.each(['stdio', 'http', 'sse'] as const)('server-everything over %s', (kind) => {
    let process_: ChildProcess | undefined;
    let servers: object;

    beforeAll(async () => {
      servers = { everything: stdio };
      if (kind === 'stdio') return;
      const port = await freePort();
      process_ = spawn(node, [everything, kind === 'sse' ? 'sse' : 'streamableHttp'], {
        env: { PATH: process.env['PATH'], PORT: String(port) },
        stdio: 'ignore',
      });
      const url = `http://127.0.0.1:${port}/${kind === 'sse' ? 'sse' : 'mcp'}`;
      await eventually('the server listens', () =>
        fetch(url, { method: 'OPTIONS' }).then(
          () => true,
          () => false,
        ),
      );
      // A server with the older transport is recognized by its refusal.
      servers = { everything: { url } };
    });
    afterAll(() => void process_?.kill());
    beforeEach(() => attach(servers));

    it('the tools of an MCP server are offered, and none as read-only', async () => {
      await turn();
      const tools = await offered();
      const names = tools.map(({ name }) => name);
      expect(names).toEqual(
        expect.arrayContaining(['mcp__everything__echo', 'mcp__everything__get-sum', 'mcp_resource']),
      );
      const sum = tools.find(({ name }) => name === 'mcp__everything__get-sum');
      expect(sum?.description).toBe(
        'A tool of the MCP server "everything", described by its owner as: Returns the sum of two numbers',
      );
      expect(sum?.input_schema).toMatchObject({ type: 'object', properties: { a: { type: 'number' } } });
      expect(agent.statuses.at(-1)).toMatchObject({ name: 'everything', state: 'ready', tools: expect.any(Number) });
    });

    it('calls of an MCP server return text, numbers, structured data, an image and an error', async () => {
      const results = resultsOf(
        await turn(
          ['mcp__everything__echo', { message: 'Hello.' }],
          ['mcp__everything__get-sum', { a: 2, b: 3 }],
          ['mcp__everything__get-structured-content', { location: 'Chicago' }],
          ['mcp__everything__get-tiny-image', {}],
          ['mcp__everything__get-sum', { a: 'two' }],
        ),
      );
      expect(results.slice(0, 3)).toMatchObject([
        { ok: true, text: 'Echo: Hello.', details: { untrusted: [{ kind: 'mcp', name: 'everything' }] } },
        { ok: true, text: 'The sum of 2 and 3 is 5.' },
        { ok: true, text: expect.stringContaining('Light rain') },
      ]);
      const [, , , picture, mistake] = results;
      expect(picture?.details?.images).toEqual([{ mediaType: 'image/png', blob: expect.any(String) }]);
      const sent = JSON.stringify((await agent.claude.received(5)).body);
      expect(sent).toContain('"media_type":"image/png"');
      expect(sent).toContain('This is untrusted material');
      expect(mistake).toMatchObject({ ok: false, text: expect.stringContaining('expected number') });
    });

    it('a call of an MCP server is canceled with its turn', async () => {
      const { conversationId, reader, turnId } = await begin([
        'mcp__everything__trigger-long-running-operation',
        { duration: 600, steps: 1200 },
      ]);
      using _reader = reader;
      const output = () =>
        reader.state.turns[turnId]?.steps.flatMap((step) => Object.values(step.calls)).map((call) => call.output);
      await reader.until(() => output()?.[0]?.includes('2 of 1200') ?? false, 40_000);
      await agent.server.client.call('turns.stop', { params: { conversationId, turnId } });
      expect((await reader.ended(turnId)).status).toBe('stopped');
      // It is available for the next call.
      const [again] = resultsOf(await turn(['mcp__everything__echo', { message: 'again' }]));
      expect(again?.text).toBe('Echo: again');
    });

    it('resources of an MCP server can be read', async () => {
      const [list] = resultsOf(await turn(['mcp_resource', { server: 'everything' }]));
      expect(list).toMatchObject({ ok: true, text: expect.stringContaining('://') });
      const uri = /^(\S+:\/\/[^{}\s]+) /m.exec(list?.text ?? '')?.[1];
      const [read, missing, nobody] = resultsOf(
        await turn(
          ['mcp_resource', { server: 'everything', uri }],
          ['mcp_resource', { server: 'everything', uri: 'nothing://here' }],
          ['mcp_resource', { server: 'nobody' }],
        ),
      );
      expect(read).toMatchObject({ ok: true, details: { untrusted: [{ kind: 'mcp', name: 'everything' }] } });
      expect(read?.text).toContain(uri);
      expect(missing).toMatchObject({
        ok: false,
        text: expect.stringMatching(/^The MCP server "everything" answered with an error/),
      });
      expect(nobody?.text).toBe('There is no MCP server "nobody". The servers are everything.');
    });
  });

  it('an MCP server that is killed during a call is started again, and the model is told', async () => {
    const pidFile = join(agent.folder, 'pid');
    const line = `echo $$ > "$1"; exec "$2" "$3" stdio`;
    await attach({ everything: { command: 'sh', args: ['-c', line, 'sh', pidFile, node, everything] } });
    const { reader, turnId } = await begin(
      ['mcp__everything__trigger-long-running-operation', { duration: 600, steps: 1200 }],
      ['mcp__everything__echo', { message: 'back' }],
    );
    using _reader = reader;
    const first = () => reader.state.turns[turnId]?.steps.flatMap((step) => Object.values(step.calls))[0];
    await reader.until(() => first()?.output.includes('1 of 1200') ?? false, 40_000);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    agree(reader);
    process.kill(pid, 'SIGKILL');
    const [killed, echoed] = resultsOf(await reader.ended(turnId, 40_000));
    expect(killed).toMatchObject({ ok: false, text: 'The MCP server "everything" ended.' });
    expect(echoed).toMatchObject({ ok: true, text: 'Echo: back' });
    expect(Number(readFileSync(pidFile, 'utf8'))).not.toBe(pid);
    expect(agent.statuses.map(({ state }) => state)).toEqual(['starting', 'ready', 'ended', 'starting', 'ready']);
  });

  it('a call of an MCP server is not repeated when the DevLM server is killed during it', async () => {
    const file = join(agent.folder, 'calls');
    await attachHostile('mute', { env: { CALLS: file } });
    const { reader, turnId } = await begin(['mcp__fake__do', {}]);
    using _reader = reader;
    await eventually('it was called', () => existsSync(file));
    await agent.server.kill('SIGKILL');
    await agent.server.start();
    await agent.window.attach();
    const [result] = resultsOf(await reader.ended(turnId, 40_000));
    expect(result).toMatchObject({ ok: false, text: expect.stringContaining('may or may not have had its effect') });
    expect(readFileSync(file, 'utf8')).toBe('do\n');
  });

  it('an MCP server sees only harmless environment variables and those of its configuration', async () => {
    const envs = { variables: { 'env:MINE': 'resolved', workspaceFolder: agent.folder } };
    await attach(
      { everything: { ...stdio, env: { OWN: variable('env:MINE'), WHERE: variable('workspaceFolder') } } },
      envs,
    );
    const [result] = resultsOf(await turn(['mcp__everything__get-env', {}]));
    const env = z.record(z.string(), z.string()).parse(JSON.parse(result?.text ?? ''));
    expect(env).toMatchObject({ OWN: 'resolved', WHERE: agent.folder, PATH: expect.any(String) });
    expect(Object.keys(env).filter((name) => /DEVLM|ANTHROPIC|KEY|TOKEN/.test(name))).toEqual([]);
  });

  it('an MCP server and its child processes end when they are no longer needed', async () => {
    await using own = await TestServer.start({
      claudeUrl: agent.claude.url,
      args: ['--sandbox', 'off', '--mcp-idle-ms', '500'],
    });
    const files = { server: join(agent.folder, 'server'), child: join(agent.folder, 'child') };
    const line = `sleep 1000 & echo $! > "$1"; echo $$ > "$2"; "$3" "$4" stdio`;
    const args = ['-c', line, 'sh', files.child, files.server, node, everything];
    using other = new EditorWindow(() => own, agent.folder, 'other');
    other.mcp = { user: { everything: { command: 'sh', args } }, workspace: null, variables: {} };
    await other.attach();
    script(['mcp__everything__echo', { message: 'x' }]);
    other.rules = { user: allowMcp, workspace: null };
    await other.attach();
    const conversationId = await newConversation(own, 'other');
    using reader = new Reader(() => own, conversationId);
    const ended = await reader.ended(await send(own, conversationId, 'Go.'), 40_000);
    expect(resultsOf(ended)[0]?.text).toBe('Echo: x');
    const pids = Object.values(files).map((file) => Number(readFileSync(file, 'utf8')));
    expect(pids.map(isAlive)).toEqual([true, true]);
    await eventually('both are gone', () => !pids.some(isAlive), 30_000);
    // It starts again when it is needed, until the last window closes.
    script(['mcp__everything__echo', { message: 'y' }]);
    expect(resultsOf(await reader.ended(await send(own, conversationId, 'Go.'), 40_000)).length).toBeGreaterThan(0);
    const next = Number(readFileSync(files.server, 'utf8'));
    expect(pids).not.toContain(next);
    other[Symbol.dispose]();
    await eventually('it is gone with the window', () => !isAlive(next), 30_000);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const address = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  if (typeof address !== 'object' || !address) throw new Error('no port');
  return address.port;
}
