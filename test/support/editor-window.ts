import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EditorAnswer, type EditorAnswerOf, EditorHello, EditorRequest } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import * as z from 'zod';
import { CommandRunner } from '../../extension/src/workspace/commands/command-runner.ts';
import type { Editors } from '../../server/src/workspace/editors.ts';
import { FolderWorkspace } from '../../server/src/workspace/folder/folder-workspace.ts';
import { segmentsOf } from '../../server/src/workspace/folder/path-names.ts';
import type { TestServer } from './server.ts';

type Reply = (requestId: string, answer: EditorAnswer) => Promise<void>;
/** Converts a value to JSON and back, as if it were sent to another process, and validates it. */
const parse = <S extends z.ZodType>(schema: S, value: unknown): z.output<S> =>
  schema.parse(JSON.parse(JSON.stringify(value)));

/**
 * A window that shares a folder, without an editor: requests of the server are answered from the disk by the server's
 * own adapter for folders. The extension's own handlers are tested in VS Code.
 */
export class EditorWindow implements Disposable {
  readonly folder: string;
  readonly projectId: string;
  /** Requests in the order in which they arrived. */
  readonly requests: EditorRequest[] = [];
  /** Called before a request is answered. May change files, or never resolve. */
  before: (request: EditorRequest) => Promise<void> | void = () => undefined;
  /** Called after a request was executed and before it is answered. */
  after: (request: EditorRequest) => Promise<void> | void = () => undefined;
  trusted = true;
  acceptsEdits = false;
  rules: { user: unknown; workspace: unknown } = { user: null, workspace: null };
  /** MCP servers that the window configures, and tools of other extensions that it offers. */
  mcp: EditorHello['mcp'];
  tools: EditorHello['tools'];
  /** Length of the repository map, in tokens. */
  mapTokens: number | undefined;
  /** Symbols that the language servers report. */
  symbols: EditorAnswerOf<'symbols'>['items'] = [];
  /** Answers a call of an offered tool. */
  callTool: (name: string, input: Record<string, unknown>) => EditorAnswerOf<'tool.call'> = (name) => {
    throw new Error(`no tool ${name} is offered`);
  };
  /** The command runner of the extension. */
  readonly commands = new CommandRunner();
  readonly #server: () => TestServer;
  readonly #stop = new AbortController();
  readonly #windowId = crypto.randomUUID();
  readonly #files: FolderWorkspace;

  constructor(server: () => TestServer, folder: string, projectId = 'project') {
    this.#server = server;
    this.folder = folder;
    this.#files = new FolderWorkspace(folder);
    this.projectId = projectId;
  }

  /** Resolves when the server has attached the window. */
  async attach(): Promise<void> {
    const response = await this.#post('/backend/editor', this.#hello());
    void this.#follow(response);
  }

  /** Attaches the window to a server that runs in the process of the test. */
  async lendTo(editors: Editors): Promise<void> {
    const reply: Reply = async (id, answer) => editors.answer(id, parse(EditorAnswer, answer));
    for await (const messages of editors.attach(parse(EditorHello, this.#hello()), this.#stop.signal))
      for (const { data } of messages) void this.#serve(parse(EditorRequest, data), reply);
  }

  text(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  #hello(): EditorHello {
    return {
      windowId: this.#windowId,
      projectId: this.projectId,
      trusted: this.trusted,
      acceptsEdits: this.acceptsEdits,
      folders: [{ name: 'folder', path: this.folder }],
      rules: { user: z.json().parse(this.rules.user), workspace: z.json().parse(this.rules.workspace) },
      mcp: this.mcp,
      tools: this.tools,
      mapTokens: this.mapTokens,
      shell: this.commands.shell.name,
    };
  }

  [Symbol.dispose](): void {
    this.commands.dispose();
    this.#stop.abort();
  }

  async #follow(response: Response): Promise<void> {
    const messages = response.body?.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    const reply: Reply = async (id, answer) => void (await this.#post(`/backend/editor/requests/${id}`, answer));
    try {
      for await (const { data } of messages ?? []) void this.#serve(EditorRequest.parse(JSON.parse(data)), reply);
    } catch {
      // The server was stopped, or the test is over.
    }
  }

  async #serve(request: EditorRequest, reply: Reply): Promise<void> {
    this.requests.push(request);
    await this.before(request);
    const answer = await this.#tryAnswer(request);
    await this.after(request);
    await reply(request.id, answer).catch(() => undefined);
  }

  async #tryAnswer(request: EditorRequest): Promise<EditorAnswer> {
    try {
      return { ok: true, value: await this.#answer(request) };
    } catch (error) {
      if (error instanceof ProblemError) return { ok: false, problem: error.problem };
      const detail = error instanceof Error ? error.message : String(error);
      return { ok: false, problem: { code: 'editor_failed', status: 500, title: 'Failed', detail } };
    }
  }

  #answer(request: EditorRequest): unknown {
    switch (request.kind) {
      case 'read':
        return this.#files.read(request.path);
      case 'apply':
        return this.#files.apply(request.changes, this.#stop.signal);
      case 'list':
        return this.#files.list(request, this.#stop.signal);
      case 'symbols':
        return { items: this.symbols };
      case 'search':
        return this.#files.search(request, this.#stop.signal);
      case 'diagnostics':
        for (const path of request.paths) segmentsOf(path);
        return { items: [] };
      case 'tool.call':
        return this.callTool(request.name, request.input);
      case 'command.start':
        return this.commands.start(request, join(this.folder, ...segmentsOf(request.cwd ?? '.')));
      case 'command.poll':
        return this.commands.poll(request.commandId, request.after, request.waitMs);
      case 'command.write':
        return this.commands.write(request.commandId, request.text, request.end);
      case 'command.stop':
        return this.commands.stop(request.commandId);
      case 'command.stopAll':
        return this.commands.stopAll(request.conversationId);
    }
  }

  async #post(path: string, body: object): Promise<Response> {
    const { origin, discovery } = this.#server();
    const response = await fetch(origin + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${discovery.secret}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: this.#stop.signal,
    });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return response;
  }
}
