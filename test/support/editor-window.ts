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
/** What crosses a process, and becomes JSON on its way. */
const parse = <S extends z.ZodType>(schema: S, value: unknown): z.output<S> =>
  schema.parse(JSON.parse(JSON.stringify(value)));

/**
 * A window that lends a folder, without an editor: what the server asks of one is answered from the
 * disk, by the server's own adapter for folders. The extension's own side of this is tested in VS Code.
 */
export class EditorWindow implements Disposable {
  readonly folder: string;
  readonly projectId: string;
  /** In the order in which they came. */
  readonly requests: EditorRequest[] = [];
  /** Called before a request is answered; may change files, or never resolve. */
  before: (request: EditorRequest) => Promise<void> | void = () => undefined;
  /** Called when a request has been done and not yet answered. */
  after: (request: EditorRequest) => Promise<void> | void = () => undefined;
  trusted = true;
  acceptsEdits = false;
  rules: { user: unknown; workspace: unknown } = { user: null, workspace: null };
  /** MCP servers that the window names, and tools of other extensions that it lends. */
  mcp: EditorHello['mcp'];
  tools: EditorHello['tools'];
  /** The length of the repository map, tokens. */
  mapTokens: number | undefined;
  /** What the language servers know. */
  symbols: EditorAnswerOf<'symbols'>['items'] = [];
  /** Answers a call of a lent tool. */
  callTool: (name: string, input: Record<string, unknown>) => EditorAnswerOf<'tool.call'> = (name) => {
    throw new Error(`nobody lent ${name}`);
  };
  /** The extension's own runner. */
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

  /** Resolves when the server has the window. */
  async attach(): Promise<void> {
    const response = await this.#post('/backend/editor', this.#hello());
    void this.#follow(response);
  }

  /** The same for a server that is part of the test's own process. */
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
      // The server has gone, or the test is over.
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
