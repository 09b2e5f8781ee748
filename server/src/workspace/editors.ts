import { randomUUID } from 'node:crypto';
import { EventEmitter, on, once } from 'node:events';
import type { CommandShell } from '@devlm/protocol/commands.ts';
import {
  type EditorAnswer,
  type EditorAnswerOf,
  type EditorHello,
  EditorRequest,
  type EditorRequestKind,
  editorAnswers,
} from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import type { Commands } from './commands.ts';
import type { Workspace } from './workspace.ts';

/** How long a tool waits for a window of its project to come (back), milliseconds. */
const windowWaitMs = 60_000;
/** How long a window may take over one request. The person may be looking at a question of the editor's. */
const answerMs = 120_000;
/** Requests that may be open at one window. */
const openRequests = 100;

/** How long a turn waits for a window that may be about to come, milliseconds. */
const firstWaitMs = 1_500;
/** Projects of which it is remembered that they have no window. */
const absentProjects = 10_000;

interface Pending {
  readonly projectId: string;
  readonly request: EditorRequest;
  readonly settle: (answer: EditorAnswer) => void;
}

/** A window as long as it keeps its stream open. */
class Window {
  readonly hello: EditorHello;
  readonly userId: string;
  readonly events = new EventEmitter<{ request: [EditorRequest]; gone: [] }>();

  constructor(hello: EditorHello, userId: string) {
    this.hello = hello;
    this.userId = userId;
    this.events.setMaxListeners(0);
  }
}

/** The windows that lend their workspaces, and what they have been asked. */
export class Editors {
  /** The one that came last is asked first. */
  readonly #windows = new Set<Window>();
  readonly #pending = new Map<string, Pending>();
  /** Projects that were looked for and had no window. */
  readonly #absent = new Set<string>();
  readonly #arrivals = new EventEmitter<{ window: [Window] }>();

  constructor() {
    this.#arrivals.setMaxListeners(0);
  }

  /** Lends a window's workspace until the signal aborts. Yields what it is asked. */
  async *attach(
    hello: EditorHello,
    signal: AbortSignal,
    userId = localUser,
  ): AsyncGenerator<{ data: EditorRequest }[]> {
    const window = new Window(hello, userId);
    // One stream a window: the newer one knows better.
    for (const other of this.#windows)
      if (other.hello.windowId === hello.windowId && other.userId === userId) this.#remove(other);
    const stop = new AbortController();
    const requests = on(window.events, 'request', { signal: AbortSignal.any([signal, stop.signal]) });
    window.events.once('gone', () => stop.abort());
    this.#windows.add(window);
    this.#absent.delete(hello.projectId);
    this.#arrivals.emit('window', window);
    try {
      for await (const [request] of requests) yield [{ data: request }];
    } catch (error) {
      if (!signal.aborted && !stop.signal.aborted) throw error;
    } finally {
      this.#remove(window);
    }
  }

  /** Calls back for each window that comes. */
  onWindow(hear: (hello: EditorHello) => void): void {
    this.#arrivals.on('window', ({ hello }) => hear(hello));
  }

  /** The first answer counts; one to a request that nobody waits for changes nothing. */
  answer(requestId: string, answer: EditorAnswer): void {
    this.#pending.get(requestId)?.settle(answer);
  }

  /** The project whose windows were asked; null: nobody waits for such an answer. */
  projectOf(requestId: string): string | null {
    return this.#pending.get(requestId)?.projectId ?? null;
  }

  /** The workspace of a project. Windows may come and go while it is used. */
  async workspace(projectId: string, signal: AbortSignal): Promise<Workspace> {
    const { hello } = await this.#window(projectId, signal);
    const ask =
      <K extends EditorRequestKind>(kind: K) =>
      (asked: Omit<Extract<EditorRequest, { kind: K }>, 'id' | 'kind'>, during: AbortSignal) =>
        this.#ask(projectId, kind, asked, during);
    const read = ask('read');
    const apply = ask('apply');
    return {
      restricted: !hello.trusted,
      folders: hello.folders,
      acceptsEdits: hello.acceptsEdits,
      rules: hello.rules,
      read: (path, during) => read({ path }, during),
      apply: (changes, during) => apply({ changes: [...changes] }, during),
      list: ask('list'),
      search: ask('search'),
      diagnostics: ask('diagnostics'),
      mcp: hello.mcp,
      tools: hello.tools,
      mapTokens: hello.mapTokens ?? 0,
      symbols: ask('symbols'),
      callTool: ask('tool.call'),
      ...(hello.shell ? { commands: this.#commands(projectId, hello.windowId, hello.shell) } : {}),
    };
  }

  #commands(projectId: string, windowId: string, shell: CommandShell): Commands {
    const ask =
      <K extends EditorRequestKind>(kind: K) =>
      (of: string, asked: Omit<Extract<EditorRequest, { kind: K }>, 'id' | 'kind'>, during: AbortSignal) =>
        this.#ask(projectId, kind, asked, during, of);
    return {
      windowId,
      shell,
      isOpen: (of) => this.#newest(projectId, of) !== undefined,
      start: ask('command.start'),
      poll: ask('command.poll'),
      write: ask('command.write'),
      stop: ask('command.stop'),
    };
  }

  /** Lets the windows of a project end the commands of a conversation. Nobody waits for it. */
  stopCommands(projectId: string, conversationId: string): void {
    const request = EditorRequest.parse({ id: randomUUID(), kind: 'command.stopAll', conversationId });
    for (const window of this.#windows)
      if (window.hello.projectId === projectId && window.hello.shell) window.events.emit('request', request);
  }

  /**
   * The workspace of a project that has a window, else null. A window that has just sent a message may
   * still be about to lend its workspace: for the first time it is waited for a moment.
   */
  async present(projectId: string, signal: AbortSignal): Promise<Workspace | null> {
    if (!this.#newest(projectId)) {
      if (this.#absent.has(projectId)) return null;
      this.#absent.add(projectId);
      if (this.#absent.size > absentProjects) this.#absent.clear();
    }
    try {
      return await this.workspace(projectId, AbortSignal.any([signal, AbortSignal.timeout(firstWaitMs)]));
    } catch {
      signal.throwIfAborted();
      return null;
    }
  }

  /** Whether a window of the project is there. */
  attached(projectId: string): boolean {
    return this.#newest(projectId) !== undefined;
  }

  async #ask<K extends EditorRequestKind>(
    projectId: string,
    kind: K,
    asked: Omit<Extract<EditorRequest, { kind: K }>, 'id' | 'kind'>,
    signal: AbortSignal,
    /** Only this window can answer it. Default: any of the project. */
    windowId?: string,
  ): Promise<EditorAnswerOf<K>> {
    if (this.#pending.size >= openRequests) throw gone('Too many requests wait for the editor. Try again later.');
    const request = parseRequest({ ...asked, id: randomUUID(), kind });
    const { promise, resolve } = Promise.withResolvers<EditorAnswer>();
    this.#pending.set(request.id, { projectId, request, settle: resolve });
    const deadline = AbortSignal.timeout(answerMs);
    const stop = AbortSignal.any([signal, deadline]);
    const aborted = once(stop, 'abort').then(() => null);
    try {
      for (;;) {
        // A request that a window took along when it closed is asked again of the next one, under its id.
        const window = await this.#window(projectId, stop, windowId);
        const left = once(window.events, 'gone').then(() => 'left' as const);
        window.events.emit('request', request);
        const answer = await Promise.race([promise, aborted, left]);
        // Nobody knows whether somebody else's tool had its effect: it is not called twice.
        if (answer === 'left' && kind === 'tool.call') throw gone('The editor window closed while the tool worked.');
        if (answer === 'left') continue;
        signal.throwIfAborted();
        if (answer === null) throw gone('The editor did not answer in time. Try again, or ask the person.');
        if (!answer.ok) throw new ProblemError(answer.problem);
        return parseAnswer(kind, answer.value);
      }
    } finally {
      this.#pending.delete(request.id);
    }
  }

  async #window(projectId: string, signal: AbortSignal, windowId?: string): Promise<Window> {
    const deadline = AbortSignal.timeout(windowWaitMs);
    const stop = AbortSignal.any([signal, deadline]);
    for (;;) {
      const window = this.#newest(projectId, windowId);
      if (window) return window;
      try {
        await once(this.#arrivals, 'window', { signal: stop });
      } catch {
        signal.throwIfAborted();
        throw gone('No editor window with this project is open. Ask the person to open it.');
      }
    }
  }

  #newest(projectId: string, windowId?: string): Window | undefined {
    return [...this.#windows].findLast(
      ({ hello }) => hello.projectId === projectId && (windowId === undefined || hello.windowId === windowId),
    );
  }

  #remove(window: Window): void {
    if (this.#windows.delete(window)) window.events.emit('gone');
  }
}

/** What the model asks for may be more than crosses to a window, such as a path without end. */
function parseRequest(asked: object): EditorRequest {
  const { success, data, error } = EditorRequest.safeParse(asked);
  if (success) return data;
  const [issue] = error.issues;
  const detail = `This cannot be asked of an editor. ${issue?.path.join('.')}: ${issue?.message}.`;
  throw new ProblemError({ code: 'invalid_request', status: 400, title: 'Invalid request', detail });
}

function parseAnswer<K extends EditorRequestKind>(kind: K, value: unknown): EditorAnswerOf<K> {
  const parsed = editorAnswers[kind].safeParse(value);
  if (!parsed.success) throw gone('The editor sent an answer that DevLM does not understand. Update DevLM.');
  // Parsed by the schema of this very kind.
  return parsed.data as EditorAnswerOf<K>;
}

function gone(detail: string): ProblemError {
  return new ProblemError({ code: 'editor_gone', status: 503, title: 'No editor', detail });
}
