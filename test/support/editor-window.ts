import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type EditorAnswer, type EditorFile, EditorRequest } from '@devlm/protocol/editor.ts';
import { EventSourceParserStream } from 'eventsource-parser/stream';
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
  rules: { user: unknown; workspace: unknown } = { user: null, workspace: null };
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
      folders: [{ name: 'folder', path: this.folder }],
      rules: this.rules,
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
    const answer = this.#tryAnswer(request);
    await this.after(request);
    await this.#post(`/backend/editor/requests/${request.id}`, answer).catch(() => undefined);
  }

  #tryAnswer(request: EditorRequest): EditorAnswer {
    try {
      return { ok: true, value: this.#answer(request) };
    } catch (error) {
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
        return {
          entries: readdirSync(join(this.folder, request.path)).map((name) => ({
            path: join(request.path, name),
            kind: 'file',
            bytes: null,
          })),
          truncated: false,
        };
      case 'search':
        return { matches: [], truncated: false };
      case 'diagnostics':
        return { items: [] };
    }
  }

  #read(path: string): EditorFile {
    const full = join(this.folder, path);
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
