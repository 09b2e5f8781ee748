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

/** Requests that are worked on at once; changes one after the other. */
const atOnce = 8;
/** Answers to changes and calls that are kept, so that one that is asked for again is not done again. */
const keptAnswers = 200;

/** What answers each kind of request. */
export type Handlers = {
  readonly [K in EditorRequestKind]: (
    request: Extract<EditorRequest, { kind: K }>,
    signal: AbortSignal,
  ) => Promise<EditorAnswerOf<K>>;
};

export interface RequestsOptions {
  readonly handlers: Handlers;
  readonly send: (requestId: string, answer: EditorAnswer) => Promise<void>;
  readonly log: Log;
}

/** Answers the server's requests, each change once whatever is asked how often. */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #life = new AbortController();
  /** By id: those that are worked on, and changes that were. */
  readonly #answers = new Map<string, Promise<EditorAnswer>>();
  readonly #open = new Set<string>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #changes: Promise<unknown> = Promise.resolve();

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** Takes what the server sent. Never throws: what is not understood is answered with a problem. */
  async take(message: unknown): Promise<void> {
    const { log, send } = this.#options;
    const { success, data: request } = EditorRequest.safeParse(message);
    const id = success ? request.id : idOf(message);
    if (id === undefined) {
      log.warn('the server asked for something without an id');
      return;
    }
    // One that is being worked on will be answered.
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

  dispose(): void {
    this.#life.abort();
  }

  async #answerOnce(request: EditorRequest): Promise<EditorAnswer> {
    // These are known by their command's id, and wait by themselves.
    if (request.kind.startsWith('command.') && request.kind !== 'command.write') return await this.#answer(request);
    if (request.kind !== 'apply' && request.kind !== 'tool.call' && request.kind !== 'command.write')
      return await this.#bounded(() => this.#answer(request));
    const known = this.#answers.get(request.id);
    if (known) return await known;
    // Somebody else's tool may take its time: nothing waits behind it.
    const changes = request.kind === 'apply';
    const work = changes ? this.#changes.then(() => this.#bounded(() => this.#answer(request))) : this.#answer(request);
    if (changes) this.#changes = work;
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
    if (this.#running >= atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
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
