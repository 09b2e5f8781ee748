import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answerText } from '@devlm/protocol/reducer.ts';
import type { ToolResult } from '@devlm/protocol/state.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import * as tools from '../../server/src/backend/tools.ts';
import { type BadInput, misfits, noObjects, Schema } from '../support/bad-inputs.ts';
import { badInputs } from '../support/bad-inputs-of-tools.ts';
import { rawCalls } from '../support/claude/raw-calls.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { stdio } from '../support/mcp/agent.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';
import { TestWeb } from '../support/web/pages.ts';
import { serveSearxng } from '../support/web/search-engines.ts';

/*
 * For any input of a tool, the model is told in a sentence what is wrong and continues, and nothing has changed.
 */

const model = 'claude-sonnet-5-5';
const Offered = z.object({ tools: z.array(z.object({ name: z.string(), input_schema: Schema })) });
const Told = z.object({
  messages: z.array(
    z.object({
      content: z.union([
        z.string(),
        z.array(z.object({ type: z.string(), tool_use_id: z.string().optional(), is_error: z.boolean().optional() })),
      ]),
    }),
  ),
});
/** Texts that only a programmer can use: stack traces, dumps of a validator, paths of the server. */
const insides =
  /\n\s+at |ZodError|"code":|\[object |node_modules|node:internal|server\/src|devlm-server-|undefined|NaN/;

/** Returns the kind, mode and bytes of everything in a folder, by path. */
function snapshot(folder: string, below = ''): Record<string, string> {
  return Object.assign(
    {},
    ...readdirSync(join(folder, below)).map((name) => {
      const path = join(below, name);
      const stat = lstatSync(join(folder, path));
      const mode = stat.mode.toString(8);
      if (stat.isDirectory()) return { [path]: mode, ...snapshot(folder, path) };
      if (stat.isSymbolicLink()) return { [path]: `${mode} ${readlinkSync(join(folder, path))}` };
      if (!stat.isFile()) return { [path]: mode };
      return {
        [path]: `${mode} ${createHash('sha256')
          .update(readFileSync(join(folder, path)))
          .digest('hex')}`,
      };
    }),
  );
}

describe('bad input', { timeout: 120_000 }, () => {
  let web: TestWeb;
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let window: EditorWindow;
  /** Folder that contains the workspace and the files next to it. */
  let base: string;

  beforeAll(async () => {
    web = await TestWeb.start();
    serveSearxng(web, []);
    claude = await startClaude();
    server = await TestServer.start({
      claudeUrl: claude.url,
      env: { ...web.env, DEVLM_SEARCH: 'searxng', DEVLM_SEARXNG_URL: web.origin },
      args: ['--sandbox', 'embedded'],
    });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
    await web[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    claude.reset();
    base = mkdtempSync(join(tmpdir(), 'devlm-bad-input-'));
    const workspace = join(base, 'workspace');
    mkdirSync(join(base, 'outside'));
    writeFileSync(join(base, 'outside/secret.txt'), 'secret\n');
    window = new EditorWindow(() => server, workspace, `bad-${crypto.randomUUID()}`);
    window.write('a.txt', 'one\ntwo\none\n');
    window.write('crlf.txt', 'one\r\ntwo\r\n');
    window.write('sub/x.py', 'def f():\n    return 1\n');
    window.write('forbidden/x.txt', 'x\n');
    window.write('read-only.txt', 'x\n');
    chmodSync(join(workspace, 'read-only.txt'), 0o444);
    writeFileSync(join(workspace, 'binary.bin'), Buffer.from([1, 0, 2, 0]));
    writeFileSync(join(workspace, 'latin1.txt'), Buffer.from('caf\xe9', 'latin1'));
    writeFileSync(join(workspace, 'large.txt'), 'x'.repeat(5 * 1024 * 1024));
    symlinkSync('../outside', join(workspace, 'link-out'));
    symlinkSync('../outside/secret.txt', join(workspace, 'link-file'));
    symlinkSync('/dev/zero', join(workspace, 'zero'));
    symlinkSync('loop', join(workspace, 'loop'));
    symlinkSync('../outside/new.txt', join(workspace, 'link-nowhere'));
    execFileSync('mkfifo', [join(workspace, 'pipe')]);
    window.rules = {
      user: [
        { verdict: 'allow', tool: '*' },
        { verdict: 'allow', tool: '*', path: '**' },
        { verdict: 'deny', tool: '*', path: 'forbidden/**' },
        { verdict: 'deny', tool: 'run_command', command: 'rm' },
        { verdict: 'deny', tool: 'web_fetch', host: 'forbidden.example.com' },
      ],
      workspace: null,
    };
    window.mcp = {
      user: z.json().parse({ everything: stdio }),
      workspace: [{ path: '.vscode/mcp.json', content: z.json().parse({ servers: { waiting: stdio } }) }],
      variables: {},
    };
    window.tools = [
      {
        name: 'lent',
        description: 'Lent by another extension.',
        inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
      },
    ];
    window.callTool = (_name, { text }) => {
      if (typeof text !== 'string') throw new Error('lent: text: a string was expected');
      return { text, images: [] };
    };
    await window.attach();
  });
  afterEach(() => {
    window[Symbol.dispose]();
    rmSync(base, { recursive: true });
  });

  /**
   * Runs a turn in which the model reads some files and then makes these calls at once, with a user who allows
   * everything.
   */
  async function turn(name: string, rows: readonly BadInput[], task?: 'test' | 'generate') {
    const calls = rows.map(({ json }, i) => ({ id: `toolu_bad_${i}`, name, json }));
    const reads = ['a.txt', 'crlf.txt', 'read-only.txt', 'forbidden/x.txt'].map((path, i) => ({
      id: `toolu_read_${i}`,
      name: 'file_read',
      json: JSON.stringify({ path }),
    }));
    claude.reset();
    claude.on(any, 'All done.');
    claude.on(any, rawCalls(model, calls), { times: 1 });
    claude.on(any, rawCalls(model, reads), { times: 1 });
    const conversationId = await newConversation(server, window.projectId);
    using reader = new Reader(() => server, conversationId);
    reader.answerAsks(() => ({ kind: 'approval', allow: true }));
    const before = snapshot(base);
    const ended = await reader.ended(await send(server, conversationId, 'Please work.', task ? { task } : {}), 100_000);
    expect(snapshot(base)).toEqual(before);
    expect([ended.status, answerText(ended)]).toEqual(['completed', 'All done.']);
    const told = Told.parse((await claude.received(3)).body).messages.flatMap(({ content }) =>
      typeof content === 'string' ? [] : content,
    );
    const wrong = told.flatMap((part) => (part.type === 'tool_result' && part.is_error ? [part.tool_use_id] : []));
    expect(wrong).toEqual(calls.map(({ id }) => id));
    const results: Record<string, ToolResult> = Object.assign({}, ...ended.steps.map((step) => step.results));
    return calls.map(({ id }) => results[id]);
  }

  /** Returns the rows with an unexpected answer. */
  function badly(rows: readonly BadInput[], results: readonly (ToolResult | undefined)[], ownWords: boolean) {
    return rows.flatMap(({ what, says }, i) => {
      const { ok = true, text = '' } = results[i] ?? {};
      const named = typeof says === 'string' ? text.includes(says) : says.test(text);
      // Messages of foreign tools about their input are their own.
      const readable = !ownWords || (!insides.test(text) && /[.)>]\s*$/.test(text) && text.length < 4_000);
      return !ok && named && readable ? [] : [{ what, says: String(says), ok, text: text.slice(0, 300) }];
    });
  }

  const offered = async (task?: 'test' | 'generate') => {
    await turn('update_plan', [{ what: 'x', json: '{}', says: 'items' }], task);
    return Offered.parse((await claude.received(1)).body).tools;
  };

  it('every tool is tested with bad input', async () => {
    const own = Object.values(tools).flatMap((group) => group.map(({ name }) => name));
    expect(Object.keys(badInputs).toSorted()).toEqual(
      [...own, 'mcp__everything__get-sum', 'mcp_resource', 'mcp_start', 'vscode__lent'].toSorted(),
    );
  });

  it.each(Object.entries(badInputs))('bad input of %s is explained', async (name, { valid, rows, task, foreign }) => {
    const probe = await offered(task);
    const schema = probe.find((tool) => tool.name === name)?.input_schema;
    if (!schema) throw new Error(`${name} is not offered`);
    const all = [...(foreign ? [] : misfits(schema, valid)), ...noObjects(valid), ...rows];
    expect(badly(all, await turn(name, all, task), !foreign)).toEqual([]);
  });

  it('a call of an unknown tool is answered with its name', async () => {
    const rows = ['no_such_tool', 'File_Read', 'constructor', '__proto__', 'x'.repeat(200)];
    for (const name of rows) {
      const [result] = await turn(name, [{ what: name, json: '{}', says: name }]);
      expect(result).toMatchObject({ ok: false, text: `There is no tool named ${name}. Continue without it.` });
    }
  });

  it('errors about bad input never contain half a character', async () => {
    await turn('file_read', [{ what: 'half', json: '{"path":"a\\ud800b","\\udc00":1}', says: 'path' }]);
    const sent = JSON.stringify((await claude.received(3)).body);
    expect(sent).not.toMatch(/\\ud[89a-f]/i);
  });
});
