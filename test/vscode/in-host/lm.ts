import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import * as z from 'zod';
import { ServerConnection } from '../../../extension/src/connection/connection.ts';
import { Launcher } from '../../../extension/src/connection/launcher.ts';
import { McpFiles } from '../../../extension/src/lm/mcp-files.ts';
import { chatToolNames, modelVendor, participantId } from '../../../extension/src/lm/names.ts';
import { callOffered, offeredTools } from '../../../extension/src/lm/offered-tools.ts';
import { Participant } from '../../../extension/src/lm/participant.ts';
import type { TestApi } from '../../../extension/src/main.ts';
import { problemsOf } from '../../../extension/src/problems.ts';
import { toolUse } from '../../support/claude/answer.ts';
import { httpError } from '../../support/claude/faults.ts';
import { startClaude } from '../../support/claude/server.ts';
import { test } from '../../support/vscode/harness.ts';

/*
 * Tests DevLM's tools in VS Code's own chat, tools of other extensions in DevLM, and the MCP servers that a window
 * configures. `test/support/vscode/neighbour` is the other extension.
 */

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

function same(actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  check(a === b, `expected ${b}, got ${a}`);
}

async function eventually(what: string, holds: () => boolean, timeoutMs = 20_000): Promise<void> {
  for (const until = performance.now() + timeoutMs; performance.now() < until; await sleep(20)) if (holds()) return;
  throw new Error(`not within ${timeoutMs} ms: ${what}`);
}

async function eventuallyAsync(what: string, holds: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  for (const until = performance.now() + timeoutMs; performance.now() < until; await sleep(50))
    if (await holds()) return;
  throw new Error(`not within ${timeoutMs} ms: ${what}`);
}

const settings = () => vscode.workspace.getConfiguration('devlm');
const offer = (patterns: readonly string[] | undefined) =>
  settings().update('tools.offer', patterns, vscode.ConfigurationTarget.Global);
const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

test('DevLM’s tools are registered with VS Code and run there', async () => {
  const names = vscode.lm.tools.map(({ name }) => name);
  same(
    chatToolNames.filter((name) => !names.includes(name)),
    [],
  );
  const input = { language: 'javascript', source: 'console.log(6 * 7)' };
  const { content } = await vscode.lm.invokeTool('devlm_run_code', { input, toolInvocationToken: undefined });
  const [part] = content;
  check(part instanceof vscode.LanguageModelTextPart, 'it answered no text');
  check(/42|Could not run/.test(part.value), part.value);
  const searched = await vscode.lm.invokeTool('devlm_symbol_search', {
    input: { query: 'todo' },
    toolInvocationToken: undefined,
  });
  check(searched.content[0] instanceof vscode.LanguageModelTextPart, 'the search answered no text');
});

test('tools of other extensions are offered only if the user has chosen them, and can be called', async () => {
  same(offeredTools(), []);
  await offer(['neighbour_*', 'devlm_*']);
  try {
    const tools = offeredTools();
    same(
      tools.map(({ name }) => name),
      ['neighbour_greet'],
    );
    same(tools[0]?.description, 'Greets somebody by name.');
    const call = (name: string, input: object) => callOffered({ name, input }, AbortSignal.timeout(20_000));
    same(await call('neighbour_greet', { name: 'Ada' }), { text: 'Hello, Ada.\nNice to meet you.', images: [] });
    const failure = await call('neighbour_greet', { name: 'nobody' }).catch((error: unknown) => error);
    check(failure instanceof ProblemError && failure.problem.detail.includes('nobody to greet'), String(failure));
    await offer([]);
    const refused = await call('neighbour_greet', { name: 'Ada' }).catch((error: unknown) => error);
    check(refused instanceof ProblemError, 'a tool that is offered no more was called');
  } finally {
    await offer(undefined);
  }
});

test('workspace settings can neither offer tools nor add to the user’s own MCP servers', async () => {
  for (const [name, value] of [
    ['tools.offer', ['*']],
    ['mcp.servers', { evil: { command: 'evil' } }],
  ] as const) {
    const refused = await settings()
      .update(name, value, vscode.ConfigurationTarget.Workspace)
      .then(
        () => false,
        () => true,
      );
    check(refused, `devlm.${name} can be set by a folder`);
  }
});

test('MCP servers of a folder are read from its files, with comments, and read again when the files change', async () => {
  const folder = vscode.workspace.workspaceFolders?.[0];
  check(folder !== undefined, 'no folder is open');
  const file = vscode.Uri.joinPath(folder.uri, '.devlm/mcp.json');
  const write = (text: string) => vscode.workspace.fs.writeFile(file, new TextEncoder().encode(text));
  const files = new McpFiles(log, () => undefined);
  const content = () => files.mcp.workspace;
  try {
    same(content(), []);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as it stands in such files
    await write('{ // mine\n "servers": { "one": { "command": "node", "args": ["${workspaceFolder}/a.js"], } } }');
    await eventually('the file was read', () => JSON.stringify(content()).includes('"one"'));
    same(files.mcp.variables, { workspaceFolder: folder.uri.fsPath });
    await write('{ "servers": ');
    await eventually('it cannot be read', () => JSON.stringify(content()).includes('"content":null'));
    await vscode.workspace.fs.delete(vscode.Uri.joinPath(folder.uri, '.devlm'), { recursive: true });
    await eventually('it is gone', () => JSON.stringify(content()) === '[]');
  } finally {
    files.dispose();
    await vscode.workspace.fs
      .delete(vscode.Uri.joinPath(folder.uri, '.devlm'), { recursive: true })
      .then(undefined, () => undefined);
  }
});

test('@devlm streams a turn, and continues in the same conversation', async () => {
  await using claude = await startClaude();
  const problems = problemsOf((text) => text);
  const root = vscode.extensions.getExtension('devlm.devlm');
  const version = String(root?.packageJSON.version);
  const bundle = join(root?.extensionPath ?? '', 'dist/server.mjs');
  const dataDir = await mkdtemp(join(tmpdir(), 'devlm-participant-'));
  const source = new Launcher({ dataDir, bundle, version, log, problems });
  const credential = async () => ({ apiKey: 'sk-ant-test-0123456789', baseUrl: claude.url });
  const connection = new ServerConnection({ source, credential, version, problems, log, t: (text) => text });
  try {
    const participant = new Participant({ connection, projectId: () => null });
    const ask = async (prompt: string, history: readonly object[]) => {
      const shown: unknown[] = [];
      const stream = {
        markdown: (value: unknown) => void shown.push(value),
        progress: (value: string) => void shown.push({ progress: value }),
        button: ({ command, arguments: given }: vscode.Command) => void shown.push({ command, given }),
      };
      const result = await participant.answer(
        { prompt, references: [] },
        { history },
        stream,
        AbortSignal.timeout(30_000),
      );
      return { shown, result, turn: { participant: participantId, result } };
    };
    claude.on('Hello', 'Good **day**.');
    const first = await ask('Hello', []);
    same(first.shown.join(''), 'Good **day**.');
    const { conversationId } = z.object({ conversationId: z.string() }).parse(first.result.metadata);

    // The conversation continues there, and a question of a tool links to DevLM's own chat.
    claude.on('Fetch it', toolUse('web_fetch', { url: 'https://example.com/' }));
    const asked = ask('Fetch it', [{ prompt: 'Hello' }, first.turn]);
    let call: { turnId: string; callId: string } | undefined;
    const stop = new AbortController();
    const follow = connection.follow(
      conversationId,
      0,
      async (events) => {
        for (const event of events)
          if (event.type === 'ask.opened' && 'callId' in event) call = { turnId: event.turnId, callId: event.callId };
      },
      stop.signal,
    );
    await eventually('it asks', () => call !== undefined);
    stop.abort();
    await follow;
    claude.on({ when: ({ body }) => JSON.stringify(body).includes('did not allow') }, 'As you like.');
    await connection.call('asks.answer', {
      params: { conversationId, turnId: call?.turnId ?? '', callId: call?.callId ?? '' },
      body: { kind: 'approval', allow: false },
    });
    const { shown } = await asked;
    check(
      JSON.stringify(shown).includes(`"command":"devlm.openChat","given":["${conversationId}`),
      JSON.stringify(shown),
    );
    check(JSON.stringify(shown).includes('As you like.'), JSON.stringify(shown));
  } finally {
    await connection.call('server.shutdown', { body: { version } }).catch(() => undefined);
    connection.dispose();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
});

test('the server’s models answer through vscode.lm, call tools, read images and count tokens', async () => {
  await using claude = await startClaude();
  const api = await vscode.extensions.getExtension<TestApi | undefined>('devlm.devlm')?.activate();
  check(api !== undefined, 'the extension runs in production mode');
  await settings().update('baseUrl', claude.url, vscode.ConfigurationTarget.Global);
  await api.setKey('sk-ant-test-0123456789');
  try {
    await api.ready();
    let model: vscode.LanguageModelChat | undefined;
    await eventuallyAsync('the models are offered', async () => {
      const found = await vscode.lm.selectChatModels({ vendor: modelVendor, id: 'claude-sonnet-5-5' });
      model = found[0];
      return model !== undefined;
    });
    check(model !== undefined, 'no model');
    same([model.name, model.family], ['Claude Sonnet 5.5', 'claude-sonnet-5-5']);

    const { User } = vscode.LanguageModelChatMessage;
    const token = new vscode.CancellationTokenSource().token;
    const tools = [{ name: 'weather', description: 'Tells it.', inputSchema: { type: 'object', properties: {} } }];
    claude.on('rain?', toolUse('weather', { city: 'Bonn' }));
    const asked = await model.sendRequest([User('rain?')], { tools }, token);
    const parts = await collect(asked.stream);
    const call = parts.find((part) => part instanceof vscode.LanguageModelToolCallPart);
    check(call !== undefined, `no call: ${JSON.stringify(parts)}`);
    same([call.name, call.input], ['weather', { city: 'Bonn' }]);

    claude.on({ when: ({ body }) => JSON.stringify(body).includes('wet') }, 'Take an umbrella.');
    const result = new vscode.LanguageModelToolResultPart(call.callId, [new vscode.LanguageModelTextPart('wet')]);
    const history = [User('rain?'), vscode.LanguageModelChatMessage.Assistant([call]), User([result])];
    const answered = await model.sendRequest(history, { tools }, token);
    same((await collect(answered.text)).join(''), 'Take an umbrella.');
    check((await model.countTokens('How many are these?', token)) > 3, 'no tokens were counted');

    // The oldest supported editor does not have the class for images.
    const DataPart: unknown = Reflect.get(vscode, 'LanguageModelDataPart');
    if (typeof DataPart === 'function' && 'image' in DataPart && typeof DataPart.image === 'function') {
      const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
      const picture: vscode.LanguageModelTextPart = DataPart.image(Buffer.from(png, 'base64'), 'image/png');
      claude.on({ when: ({ body }) => JSON.stringify(body).includes(png) }, 'A dot.');
      const seen = await model.sendRequest(
        [User([picture, new vscode.LanguageModelTextPart('What is it?')])],
        {},
        token,
      );
      same((await collect(seen.text)).join(''), 'A dot.');
    }

    claude.on('nobody', httpError(429, { message: 'Too many requests.' }));
    const refused = await collect((await model.sendRequest([User('nobody')], {}, token)).text).catch(
      (error: unknown) => error,
    );
    check(String(refused).includes('Too many requests.'), String(refused));

    await settings().update('languageModels.offer', false, vscode.ConfigurationTarget.Global);
    await eventuallyAsync('they are no longer offered', async () => {
      return (await vscode.lm.selectChatModels({ vendor: modelVendor })).length === 0;
    });
  } finally {
    await settings().update('languageModels.offer', undefined, vscode.ConfigurationTarget.Global);
    await settings().update('baseUrl', undefined, vscode.ConfigurationTarget.Global);
    await api.setKey(null);
  }
});

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}
