import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type EditorAnswer,
  type EditorAnswerOf,
  type EditorFile,
  type EditorHello,
  EditorRequest,
} from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { Commands } from '../../extension/src/workspace/commands/commands.ts';
import { pathParts } from '../../extension/src/workspace/path-parts.ts';
import type { TestServer } from './server.ts';

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * A window that lends a folder, without an editor: what the server asks of one is answered from the
 * disk. The extension's own side of this is tested in VS Code.
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
  readonly commands = new Commands();
  readonly #server: () => TestServer;
  readonly #stop = new AbortController();
  readonly #windowId = crypto.randomUUID();

  constructor(server: () => TestServer, folder: string, projectId = 'project') {
    this.#server = server;
    this.folder = folder;
    this.projectId = projectId;
  }

  /** Resolves when the server has the window. */
  async attach(): Promise<void> {
    const response = await this.#post('/backend/editor', {
      windowId: this.#windowId,
      projectId: this.projectId,
      trusted: this.trusted,
      acceptsEdits: this.acceptsEdits,
      folders: [{ name: 'folder', path: this.folder }],
      rules: this.rules,
      mcp: this.mcp,
      tools: this.tools,
      mapTokens: this.mapTokens,
      shell: this.commands.shell.name,
    });
    void this.#follow(response);
  }

  text(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  [Symbol.dispose](): void {
    this.commands.dispose();
    this.#stop.abort();
  }

  async #follow(response: Response): Promise<void> {
    const messages = response.body?.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    try {
      for await (const { data } of messages ?? []) void this.#serve(EditorRequest.parse(JSON.parse(data)));
    } catch {
      // The server has gone, or the test is over.
    }
  }

  async #serve(request: EditorRequest): Promise<void> {
    this.requests.push(request);
    await this.before(request);
    const answer = await this.#tryAnswer(request);
    await this.after(request);
    await this.#post(`/backend/editor/requests/${request.id}`, answer).catch(() => undefined);
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
        return this.#read(request.path);
      case 'apply': {
        const conflicts = request.changes.flatMap(({ path, base }) => {
          const file = this.#read(path);
          return (file.kind === 'text' ? file.hash : null) === base ? [] : [{ path, file }];
        });
        if (conflicts.length > 0) return { conflicts, files: [], diagnostics: [] };
        const files = request.changes.map(({ path, text }) => {
          if (text === null) rmSync(join(this.folder, path));
          else this.write(path, text);
          return { path, hash: text === null ? null : hashOf(text) };
        });
        return { conflicts: [], files, diagnostics: [] };
      }
      case 'list':
        return { entries: this.#list(request.path, request.depth), truncated: false };
      case 'symbols':
        return { items: this.symbols };
      case 'search':
        return { matches: [], truncated: false };
      case 'diagnostics':
        return { items: [] };
      case 'tool.call':
        return this.callTool(request.name, request.input);
      case 'command.start':
        return this.commands.start(request, join(this.folder, request.cwd ?? '.'));
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

  #list(path: string, depth: number): EditorAnswerOf<'list'>['entries'] {
    return readdirSync(join(this.folder, path)).flatMap((name) => {
      const below = join(path, name);
      const stat = statSync(join(this.folder, below));
      if (!stat.isDirectory()) return [{ path: below, kind: 'file', bytes: stat.size, modified: stat.mtimeMs }];
      return [{ path: below, kind: 'folder', bytes: null }, ...(depth > 1 ? this.#list(below, depth - 1) : [])];
    });
  }

  #read(path: string): EditorFile {
    // The extension's own first check of a path.
    const full = join(this.folder, ...pathParts(path));
    if (!existsSync(full)) return { kind: 'missing' };
    if (statSync(full).isDirectory()) return { kind: 'folder' };
    const text = readFileSync(full, 'utf8');
    return { kind: 'text', text, encoding: 'utf8', hash: hashOf(text), dirty: false };
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
