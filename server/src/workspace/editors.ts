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
import { ProblemError, ReceivedProblem } from '@devlm/protocol/problem.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import type { Commands } from './commands.ts';
import type { Workspace } from './workspace.ts';

/** Maximum time that a tool waits for a window of its project to open or reconnect, in milliseconds. */
const windowWaitMs = 60_000;
/**
 * Maximum time that a window may take for a request, in milliseconds. The user may be looking at a prompt in the
 * editor.
 */
const answerTimeoutMs = 120_000;
/** Maximum number of unanswered requests to all windows. */
const maxPendingRequests = 100;

/** Maximum time that a turn waits for a window that may be about to connect, in milliseconds. */
const firstWaitMs = 1_500;
/** Maximum number of projects that are remembered as having no window. */
const maxAbsentProjects = 10_000;

/** A request without an answer. */
interface Pending {
  readonly projectId: string;
  readonly request: EditorRequest;
  readonly settle: (answer: EditorAnswer) => void;
}

/** An editor window, for as long as its stream is open. */
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

/** The windows that share their workspaces, and the requests to them. */
export class Editors {
  /** Connected windows in the order of their arrival. The newest is asked first. */
  readonly #windows = new Set<Window>();
  readonly #pending = new Map<string, Pending>();
  /** Ids of projects that a workspace was requested for while they had no window. */
  readonly #absent = new Set<string>();
  readonly #arrivals = new EventEmitter<{ window: [Window] }>();

  constructor() {
    this.#arrivals.setMaxListeners(0);
  }

  /** Shares the workspace of a window until the signal aborts. Yields the requests to the window. */
  async *attach(
    hello: EditorHello,
    signal: AbortSignal,
    userId = localUser,
  ): AsyncGenerator<{ data: EditorRequest }[]> {
    const window = new Window(hello, userId);
    // A window has one stream. The newer one replaces the older one.
    for (const existing of this.#windows)
      if (existing.hello.windowId === hello.windowId && existing.userId === userId) this.#remove(existing);
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

  /** Calls the listener for each window that connects. */
  onWindow(onHello: (hello: EditorHello) => void): void {
    this.#arrivals.on('window', ({ hello }) => onHello(hello));
  }

  /** Answers a request. The first answer counts; an answer that nobody waits for is ignored. */
  answer(requestId: string, answer: EditorAnswer): void {
    this.#pending.get(requestId)?.settle(answer);
  }

  /** Returns the project whose windows a request was sent to; null if nobody waits for its answer. */
  projectOf(requestId: string): string | null {
    return this.#pending.get(requestId)?.projectId ?? null;
  }

  /**
   * Returns the workspace of a project. Its windows may come and go while it is used.
   * @throws ProblemError `editor_gone` if no window connects in time
   */
  async workspace(projectId: string, signal: AbortSignal): Promise<Workspace> {
    const { hello } = await this.#window(projectId, signal);
    const ask =
      <K extends EditorRequestKind>(kind: K) =>
      (parameters: Omit<Extract<EditorRequest, { kind: K }>, 'id' | 'kind'>, during: AbortSignal) =>
        this.#ask(projectId, kind, parameters, during);
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
      (targetId: string, parameters: Omit<Extract<EditorRequest, { kind: K }>, 'id' | 'kind'>, during: AbortSignal) =>
        this.#ask(projectId, kind, parameters, during, targetId);
    return {
      windowId,
      shell,
      isOpen: (targetId) => this.#newest(projectId, targetId) !== undefined,
      start: ask('command.start'),
      poll: ask('command.poll'),
      write: ask('command.write'),
      stop: ask('command.stop'),
    };
  }

  /** Tells the windows of a project to end the commands of a conversation. Does not wait for it. */
  stopCommands(projectId: string, conversationId: string): void {
    const request = EditorRequest.parse({ id: randomUUID(), kind: 'command.stopAll', conversationId });
    for (const window of this.#windows)
      if (window.hello.projectId === projectId && window.hello.shell) window.events.emit('request', request);
  }

  /**
   * Returns the workspace of a project that has a window, or null. A window that has just sent a message may still be
   * about to share its workspace, so the first call for a project waits a moment.
   */
  async present(projectId: string, signal: AbortSignal): Promise<Workspace | null> {
    if (!this.#newest(projectId)) {
      if (this.#absent.has(projectId)) return null;
      this.#absent.add(projectId);
      if (this.#absent.size > maxAbsentProjects) this.#absent.clear();
    }
    try {
      return await this.workspace(projectId, AbortSignal.any([signal, AbortSignal.timeout(firstWaitMs)]));
    } catch {
      signal.throwIfAborted();
      return null;
    }
  }

  /** Returns whether a window of the project is connected. */
  attached(projectId: string): boolean {
    return this.#newest(projectId) !== undefined;
  }

  async #ask<K extends EditorRequestKind>(
    projectId: string,
    kind: K,
    parameters: Omit<Extract<EditorRequest, { kind: K }>, 'id' | 'kind'>,
    signal: AbortSignal,
    /** The only window that can answer. Default: any window of the project. */
    windowId?: string,
  ): Promise<EditorAnswerOf<K>> {
    if (this.#pending.size >= maxPendingRequests)
      throw editorGone('Too many requests are waiting for the editor. Try again later.');
    const request = parseRequest({ ...parameters, id: randomUUID(), kind });
    const { promise, resolve } = Promise.withResolvers<EditorAnswer>();
    this.#pending.set(request.id, { projectId, request, settle: resolve });
    const deadline = AbortSignal.timeout(answerTimeoutMs);
    const stop = AbortSignal.any([signal, deadline]);
    const aborted = once(stop, 'abort').then(() => null);
    try {
      for (;;) {
        // If a window closes with an unanswered request, the next window gets it under the same id.
        const window = await this.#window(projectId, stop, windowId);
        const windowGone = once(window.events, 'gone').then(() => 'left' as const);
        window.events.emit('request', request);
        const answer = await Promise.race([promise, aborted, windowGone]);
        // A tool of another extension may have had its effect, so it is not called twice.
        if (answer === 'left' && kind === 'tool.call')
          throw editorGone(
            'The editor window closed while the tool was running. It is not known whether the tool had its effect.',
          );
        if (answer === 'left') continue;
        signal.throwIfAborted();
        if (answer === null) throw editorGone('The editor did not answer in time. Try again.');
        if (!answer.ok) throw new ProblemError(ReceivedProblem.parse(answer.problem));
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
        throw editorGone('No editor window with this project is open. The project must be open in VS Code.');
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

/** Parses a request. Input of the model may not fit the schema, such as a path that is too long. */
function parseRequest(request: object): EditorRequest {
  const { success, data, error } = EditorRequest.safeParse(request);
  if (success) return data;
  const [issue] = error.issues;
  const detail = `The request to the editor is not valid. ${issue?.path.join('.')}: ${issue?.message}.`;
  throw new ProblemError({ code: 'invalid_request', status: 400, title: 'Invalid request', detail });
}

function parseAnswer<K extends EditorRequestKind>(kind: K, value: unknown): EditorAnswerOf<K> {
  const parsed = editorAnswers[kind].safeParse(value);
  if (!parsed.success) throw editorGone('The editor sent an answer that DevLM does not understand. Update DevLM.');
  // The value was parsed by the schema of this kind.
  return parsed.data as EditorAnswerOf<K>;
}

function editorGone(detail: string): ProblemError {
  return new ProblemError({ code: 'editor_gone', status: 503, title: 'Editor not available', detail });
}
