import { EventEmitter, on } from 'node:events';
import {
  cutOutput,
  type Execution,
  type ExecutionEvent,
  type ExecutionOrigin,
  type ExecutionRecord,
  type ExecutionRequest,
  outputOf,
} from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Logger } from 'pino';
import type { ConversationSecrets } from '../actions/secrets/conversation-secrets.ts';
import type { Secrets } from '../actions/secrets/secrets.ts';
import type { SandboxChoice } from '../sandbox/choice.ts';
import { type LimitCaps, type PreparedJob, prepareJob, unrun } from '../sandbox/job.ts';
import type { FairQueue } from '../sandbox/queue.ts';
import type { RunResult } from '../sandbox/sandbox.ts';
import type { Store } from '../storage/ports/store.ts';
import { hiddenRecord, hiddenSnippet, hidingEar, revealedRequest } from './hidden-runs.ts';

export interface ExecutionsOptions {
  readonly store: Store;
  readonly secrets: ConversationSecrets;
  readonly sandbox: SandboxChoice;
  readonly queue: FairQueue;
  readonly caps: LimitCaps;
  /** Whether a request may accept the open network: only where its sender owns this machine. */
  readonly mayAcceptOpenNetwork: boolean;
  readonly logger: Logger;
  /** Told of every run that ended and is kept. */
  readonly ended: (record: ExecutionRecord, userId: string) => void;
}

/** Runs programs and keeps the record of each. The only way from a request to the sandbox. */
export class Executions {
  readonly #options: ExecutionsOptions;
  readonly #live = new Map<string, LiveExecution>();
  #closing = false;

  constructor(options: ExecutionsOptions) {
    this.#options = options;
  }

  /** Runs that have not ended. */
  get busy(): number {
    return this.#live.size;
  }

  /** False: the configuration names no engine. Whether one answers shows when it is asked. */
  get enabled(): boolean {
    return this.#options.sandbox.enabled;
  }

  status() {
    return this.#options.sandbox.status();
  }

  /**
   * Starts a run, or finds the one with this id.
   *
   * @param who asks: runs take turns by this
   * @param userId whose it is
   * @throws ProblemError `invalid_input`, `conflict` (the id is another program's), `network_not_cut`,
   *   `open_network_forbidden`, `sandbox_busy`, or one of the store's
   */
  async start(request: ExecutionRequest, who: string, userId = who): Promise<LiveExecution | ExecutionRecord> {
    const { store, sandbox } = this.#options;
    if (request.acceptOpenNetwork && !this.#options.mayAcceptOpenNetwork) throw openNetworkForbidden();
    if (((await this.ownerOf(request.id)) ?? userId) !== userId) throw conflict();
    const secrets = await this.#options.secrets.of(request.origin?.conversationId ?? who);
    const known = this.#live.get(request.id) ?? (await store.executions.get(request.id));
    let prepared: PreparedJob;
    try {
      prepared = prepareJob(revealedRequest(secrets, request), this.#options.caps);
    } catch (error) {
      // Its credentials are forgotten, what came of it is not.
      if (known && error instanceof ProblemError && error.problem.code === 'secret_unknown') return known;
      throw error;
    }
    if (known) {
      if (known.inputHash !== prepared.inputHash) throw conflict();
      return known;
    }
    if (request.origin && !(await store.conversations.get(request.origin.conversationId))) throw noConversation();
    if (request.reuse) {
      const like = await store.executions.findLike(prepared.inputHash, userId);
      if (like) return { ...like, reusedFrom: like.id };
    }
    if (!request.acceptOpenNetwork && !(await sandbox.status()).networkCut) {
      throw this.#options.mayAcceptOpenNetwork ? networkNotCut() : openNetworkForbidden();
    }
    if (this.#closing) throw closing();
    // The same request may have come twice while this one asked.
    const twin = this.#live.get(request.id);
    if (twin && twin.userId !== userId) throw conflict();
    if (twin) return twin;
    this.#options.queue.checkRoom();
    const live = new LiveExecution(request, prepared, userId);
    this.#live.set(live.id, live);
    this.#run(live, who, secrets).then(live.settle, live.fail);
    return live;
  }

  /** Null: there is none. */
  async ownerOf(id: string): Promise<string | null> {
    return this.#live.get(id)?.userId ?? (await this.#options.store.owners.ownerOf('execution', id));
  }

  async find(id: string): Promise<LiveExecution | ExecutionRecord> {
    const found = this.#live.get(id) ?? (await this.#options.store.executions.get(id));
    if (!found) throw noExecution();
    return found;
  }

  async get(id: string): Promise<Execution> {
    const found = await this.find(id);
    return found instanceof LiveExecution ? found.view() : { id, state: 'ended', record: found };
  }

  async cancel(id: string): Promise<void> {
    const found = await this.find(id);
    if (found instanceof LiveExecution) found.cancel();
  }

  /** What a conversation shows of the programs in it. */
  async list(conversationId: string): Promise<{ origin: ExecutionOrigin; execution: Execution }[]> {
    const byPart = new Map<string, { origin: ExecutionOrigin; execution: Execution }>();
    const add = (origin: ExecutionOrigin | null, execution: Execution) => {
      if (origin?.conversationId !== conversationId) return;
      byPart.set(`${origin.turnId} ${origin.part}`, { origin, execution });
    };
    for (const record of await this.#options.store.executions.listOf(conversationId)) {
      add(record.origin, { id: record.id, state: 'ended', record: cutOutput(record, limits.executionListChars) });
    }
    for (const live of this.#live.values()) add(live.origin, live.view());
    return [...byPart.values()];
  }

  async snippet(hash: string, userId: string) {
    const snippet = await this.#options.store.executions.snippet(hash, userId);
    if (!snippet) throw notFound('There is no such program.');
    return snippet;
  }

  /** Cancels what runs and waits until its records are kept. */
  async close(): Promise<void> {
    this.#closing = true;
    const live = [...this.#live.values()];
    for (const execution of live) execution.cancel();
    await Promise.allSettled(live.map((execution) => execution.ended));
  }

  async #run(live: LiveExecution, who: string, secrets: Secrets): Promise<ExecutionRecord> {
    const { store, sandbox, queue, logger } = this.#options;
    const { job, snippet } = live.prepared;
    const ear = hidingEar(secrets, (event) => live.hear(event));
    try {
      let result: RunResult | null = null;
      try {
        using _place = await queue.enter(who, live.signal, (before) => live.hear({ type: 'queued', before }));
        live.leaveQueue();
        result = await sandbox.run(job, live.signal, ear.hear);
        if (result === null) live.message = (await sandbox.status()).message;
      } catch (error) {
        if (error instanceof ProblemError) throw error;
        if (!live.signal.aborted) throw error;
      }
      ear.end();
      const record = hiddenRecord(secrets, live.toRecord(result));
      // The next server may run it again under its id.
      if (this.#closing && record.status === 'cancelled') return record;
      try {
        await store.executions.save(record, hiddenSnippet(secrets, snippet), live.userId);
      } catch (error) {
        logger.error({ err: error, id: live.id }, 'the record of a run could not be kept');
        const why = error instanceof ProblemError ? error.problem.detail : 'The log says why.';
        return { ...record, status: 'engine-error', message: `The record of this run could not be kept. ${why}` };
      }
      if (record.origin) this.#options.ended(cutOutput(record, limits.executionListChars), live.userId);
      return record;
    } catch (error) {
      if (!(error instanceof ProblemError)) logger.error({ err: error, id: live.id }, 'a run failed');
      throw error;
    } finally {
      ear.end();
      this.#live.delete(live.id);
    }
  }
}

/** One run from its request to its record. */
export class LiveExecution {
  readonly prepared: PreparedJob;
  readonly userId: string;
  readonly origin: ExecutionOrigin | null;
  /** Rejects only where the run was never begun. */
  readonly ended: Promise<ExecutionRecord>;
  readonly settle: (record: ExecutionRecord) => void;
  readonly fail: (error: unknown) => void;
  /** Why nothing ran, where no engine could be asked. */
  message: string | null = null;
  readonly #controller = new AbortController();
  readonly #emitter = new EventEmitter<{ event: [ExecutionEvent]; end: [] }>();
  readonly #asked = { at: new Date(), time: performance.now() };
  /** What was heard so far; neighbouring output of one stream is one event. */
  readonly #heard: ExecutionEvent[] = [];
  #state: 'queued' | 'running' | 'ended' = 'queued';
  #queuedMs = 0;

  constructor(request: ExecutionRequest, prepared: PreparedJob, userId: string) {
    this.prepared = prepared;
    this.userId = userId;
    this.origin = request.origin ?? null;
    this.#emitter.setMaxListeners(0);
    const { promise, resolve, reject } = Promise.withResolvers<ExecutionRecord>();
    this.ended = promise;
    // Whoever follows hears of it; nobody has to.
    promise.catch(() => {});
    this.settle = (record) => {
      this.hear({ type: 'ended', record });
      this.#finish();
      resolve(record);
    };
    this.fail = (error) => {
      this.#finish();
      reject(error);
    };
  }

  get id(): string {
    return this.prepared.job.id;
  }

  get inputHash(): string {
    return this.prepared.inputHash;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  cancel(): void {
    this.#controller.abort();
  }

  leaveQueue(): void {
    this.#state = 'running';
    this.#queuedMs = performance.now() - this.#asked.time;
  }

  hear(event: ExecutionEvent): void {
    const last = this.#heard.at(-1);
    if (event.type === 'output' && last?.type === 'output' && last.stream === event.stream) {
      this.#heard[this.#heard.length - 1] = { ...last, text: last.text + event.text };
    } else if (event.type === last?.type && (event.type === 'queued' || event.type === 'preparing')) {
      this.#heard[this.#heard.length - 1] = event;
    } else {
      this.#heard.push(event);
    }
    this.#emitter.emit('event', event);
  }

  view(): Execution {
    return { id: this.id, state: this.#state === 'ended' ? 'running' : this.#state, record: null };
  }

  /**
   * Everything from the start, then live to the end.
   * @throws what `ended` rejects with
   */
  async *follow(signal: AbortSignal): AsyncGenerator<ExecutionEvent[]> {
    if (this.#state === 'ended') {
      yield [...this.#heard];
    } else {
      // Listening starts before the first message, so that nothing falls between the two.
      const events = on(this.#emitter, 'event', { signal, close: ['end'] });
      yield [...this.#heard];
      for await (const [event] of events) yield [event];
    }
    await this.ended;
  }

  /** @param result null when it was cancelled before it began, or no engine was there */
  toRecord(result: RunResult | null): ExecutionRecord {
    const { job, inputHash, programHash, inputs } = this.prepared;
    const base = {
      id: job.id,
      language: job.language,
      limits: job.limits,
      inputHash,
      programHash,
      inputs,
      queuedMs: this.#queuedMs,
      startedAt: this.#asked.at.toISOString(),
      endedAt: new Date().toISOString(),
      origin: this.origin,
      reusedFrom: null,
    };
    const status = this.signal.aborted ? 'cancelled' : 'engine-error';
    const ran = result ?? { ...unrun(job), status, message: this.message, engine: null };
    return { ...base, ...ran, artifacts: [...ran.artifacts], command: [...ran.command] };
  }

  #finish(): void {
    this.#state = 'ended';
    this.#emitter.emit('end');
  }
}

/** A record as if it were heard now. */
export function replay(record: ExecutionRecord): ExecutionEvent[] {
  const output = outputOf(record).map((piece): ExecutionEvent => ({ type: 'output', ...piece }));
  const started: ExecutionEvent[] = record.engine ? [{ type: 'started', engine: record.engine }] : [];
  return [...started, ...output, { type: 'ended', record }];
}

function notFound(detail: string): ProblemError {
  return new ProblemError({ code: 'not_found', status: 404, title: 'Not found', detail });
}
const noExecution = () => notFound('There is no such run.');
const noConversation = () => notFound('There is no such conversation.');

function conflict(): ProblemError {
  const detail = 'Another program was run under this id.';
  return new ProblemError({ code: 'conflict', status: 409, title: 'Conflict', detail });
}

function closing(): ProblemError {
  const detail = 'The server is closing. Connect again.';
  return new ProblemError({ code: 'closing', status: 503, title: 'Closing', detail }, { retryAfterMs: 1_000 });
}

function networkNotCut(): ProblemError {
  const detail =
    'On this machine a program could reach the network. Start Docker, install bubblewrap (Linux), or agree to it (acceptOpenNetwork).';
  return new ProblemError({ code: 'network_not_cut', status: 409, title: 'Network not cut', detail });
}

function openNetworkForbidden(): ProblemError {
  const detail =
    'Programs on this server may not use the open network, and a request cannot allow it. Ask the operator to start Docker or to install bubblewrap.';
  return new ProblemError({ code: 'open_network_forbidden', status: 403, title: 'Open network forbidden', detail });
}
