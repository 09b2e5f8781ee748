import {
  EditorAnswer,
  type EditorAnswerOf,
  EditorRequest,
  type EditorRequestKind,
  editorAnswers,
} from '@devlm/protocol/editor.ts';
import { Id } from '@devlm/protocol/ids.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Log } from '../ports.ts';
import { refusals } from './problems.ts';

/** Maximum number of requests handled concurrently. Changes run one after the other. */
const maxConcurrent = 8;
/** Number of answers to changes and calls that are kept, so that a repeated request is not executed again. */
const keptAnswers = 200;

/**
 * How a request is executed. `bounded`: with at most `maxConcurrent` others. `free`: at once, because it is idempotent by
 * the id of its command and may wait long. `once`: once for each request id, at once, because it may take long.
 * `change`: once, bounded, after the change before it.
 */
type Mode = 'bounded' | 'free' | 'once' | 'change';

const modes: Readonly<Record<EditorRequestKind, Mode>> = {
  read: 'bounded',
  list: 'bounded',
  search: 'bounded',
  diagnostics: 'bounded',
  symbols: 'bounded',
  apply: 'change',
  'tool.call': 'once',
  'command.write': 'once',
  'command.start': 'free',
  'command.poll': 'free',
  'command.stop': 'free',
  'command.stopAll': 'free',
};

/** A handler for each kind of request. */
export type Handlers = {
  readonly [K in EditorRequestKind]: (
    request: Extract<EditorRequest, { kind: K }>,
    signal: AbortSignal,
  ) => Promise<EditorAnswerOf<K>>;
};

/** Options of `Requests`. */
export interface RequestsOptions {
  readonly handlers: Handlers;
  readonly send: (requestId: string, answer: EditorAnswer) => Promise<void>;
  readonly log: Log;
}

/** Responds to the server's requests for the workspace. A change that is requested again is not made again. */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #life = new AbortController();
  /** Answers by request id: those in progress, and those to completed changes. */
  readonly #answers = new Map<string, Promise<EditorAnswer>>();
  readonly #open = new Set<string>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #changes: Promise<unknown> = Promise.resolve();

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** Handles a message of the server. Never throws: an unknown request is answered with a problem. */
  async take(message: unknown): Promise<void> {
    const { log, send } = this.#options;
    const { success, data: request } = EditorRequest.safeParse(message);
    const id = success ? request.id : idOf(message);
    if (id === undefined) {
      log.warn('the server sent a request without an id');
      return;
    }
    // A request in progress will be answered.
    if (this.#open.has(id)) return;
    this.#open.add(id);
    try {
      const answer = success ? await this.#answerOnce(request) : failed(refusals.unknownRequest());
      if (!this.#life.signal.aborted) await send(id, answer);
    } catch (error) {
      log.warn(`request ${id} of the server was not answered: ${String(error)}`);
    } finally {
      this.#open.delete(id);
    }
  }

  /** Aborts all requests. */
  dispose(): void {
    this.#life.abort();
  }

  async #answerOnce(request: EditorRequest): Promise<EditorAnswer> {
    const mode = modes[request.kind];
    if (mode === 'free') return await this.#answer(request);
    if (mode === 'bounded') return await this.#bounded(() => this.#answer(request));
    const existing = this.#answers.get(request.id);
    if (existing) return await existing;
    const isChange = mode === 'change';
    const work = isChange
      ? this.#changes.then(() => this.#bounded(() => this.#answer(request)))
      : this.#answer(request);
    if (isChange) this.#changes = work;
    this.#answers.set(request.id, work);
    for (const old of this.#answers.keys()) {
      if (this.#answers.size <= keptAnswers) break;
      this.#answers.delete(old);
    }
    return await work;
  }

  async #answer(request: EditorRequest): Promise<EditorAnswer> {
    try {
      const value = await this.#handle(request);
      return { ok: true, value: editorAnswers[request.kind].parse(value) };
    } catch (error) {
      if (error instanceof ProblemError) return failed(error);
      this.#options.log.error(
        `request ${request.kind} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
      return failed(refusals.unknownError(error));
    }
  }

  async #handle(request: EditorRequest): Promise<unknown> {
    const { handlers } = this.#options;
    const { signal } = this.#life;
    switch (request.kind) {
      case 'read':
        return await handlers.read(request, signal);
      case 'apply':
        return await handlers.apply(request, signal);
      case 'list':
        return await handlers.list(request, signal);
      case 'search':
        return await handlers.search(request, signal);
      case 'diagnostics':
        return await handlers.diagnostics(request, signal);
      case 'symbols':
        return await handlers.symbols(request, signal);
      case 'tool.call':
        return await handlers['tool.call'](request, signal);
      case 'command.start':
        return await handlers['command.start'](request, signal);
      case 'command.poll':
        return await handlers['command.poll'](request, signal);
      case 'command.write':
        return await handlers['command.write'](request, signal);
      case 'command.stop':
        return await handlers['command.stop'](request, signal);
      case 'command.stopAll':
        return await handlers['command.stopAll'](request, signal);
    }
  }

  async #bounded<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= maxConcurrent) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

function failed({ problem }: ProblemError): EditorAnswer {
  return EditorAnswer.parse({ ok: false, problem });
}

function idOf(message: unknown): string | undefined {
  const id = typeof message === 'object' && message !== null && 'id' in message ? Id.safeParse(message.id) : undefined;
  return id?.data;
}
