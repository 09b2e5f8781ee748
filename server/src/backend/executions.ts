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
import { conflict, notFound } from '../storage/problems.ts';
import { hiddenRecord, hiddenSnippet, hidingListener, revealedRequest } from './hidden-runs.ts';

/** Options of `Executions`. */
export interface ExecutionsOptions {
  readonly store: Store;
  readonly secrets: ConversationSecrets;
  readonly sandbox: SandboxChoice;
  readonly queue: FairQueue;
  readonly caps: LimitCaps;
  /** Whether a request may accept the open network. True only if its sender owns this machine. */
  readonly mayAcceptOpenNetwork: boolean;
  readonly logger: Logger;
  /** Called with the record of every run that has ended and belongs to a conversation. */
  readonly ended: (record: ExecutionRecord, userId: string) => void;
}

/** Runs programs and stores the record of each run. All requests reach the sandbox through this class. */
export class Executions {
  readonly #options: ExecutionsOptions;
  readonly #live = new Map<string, LiveExecution>();
  #closing = false;

  constructor(options: ExecutionsOptions) {
    this.#options = options;
  }

  /** Number of runs that have not ended. */
  get busy(): number {
    return this.#live.size;
  }

  /** Whether the configuration names an engine. `status` tells whether an engine is available. */
  get enabled(): boolean {
    return this.#options.sandbox.enabled;
  }

  /** Returns the status of the sandbox. */
  status() {
    return this.#options.sandbox.status();
  }

  /**
   * Starts a run, or returns the run that already has this id.
   *
   * @param queueKey requester in the queue; requesters take turns
   * @param userId owner of the run; default: `queueKey`
   * @throws ProblemError `invalid_input`, `not_found`, `conflict` (the id belongs to another program or user),
   *   `network_not_cut`, `open_network_forbidden`, `sandbox_busy`, `closing`, or an error of the store
   */
  async start(
    request: ExecutionRequest,
    queueKey: string,
    userId = queueKey,
  ): Promise<LiveExecution | ExecutionRecord> {
    const { store, sandbox } = this.#options;
    if (request.acceptOpenNetwork && !this.#options.mayAcceptOpenNetwork) throw openNetworkForbidden();
    if (((await this.ownerOf(request.id)) ?? userId) !== userId) throw idTaken();
    const secrets = await this.#options.secrets.of(request.origin?.conversationId ?? queueKey);
    const existing = this.#live.get(request.id) ?? (await store.executions.get(request.id));
    let prepared: PreparedJob;
    try {
      prepared = prepareJob(revealedRequest(secrets, request), this.#options.caps);
    } catch (error) {
      // The credentials of the request are forgotten, but the record of the run is kept.
      if (existing && error instanceof ProblemError && error.problem.code === 'secret_unknown') return existing;
      throw error;
    }
    if (existing) {
      if (existing.inputHash !== prepared.inputHash) throw idTaken();
      return existing;
    }
    if (request.origin && !(await store.conversations.get(request.origin.conversationId)))
      throw notFound('conversation');
    if (request.reuse) {
      const match = await store.executions.findLike(prepared.inputHash, userId);
      if (match) return { ...match, reusedFrom: match.id };
    }
    if (!request.acceptOpenNetwork && !(await sandbox.status()).networkCut) {
      throw this.#options.mayAcceptOpenNetwork ? networkNotCut() : openNetworkForbidden();
    }
    if (this.#closing) throw serverClosing();
    // The same request may have been started during the awaits above.
    const duplicate = this.#live.get(request.id);
    if (duplicate && duplicate.userId !== userId) throw idTaken();
    if (duplicate) return duplicate;
    this.#options.queue.checkRoom();
    const live = new LiveExecution(request, prepared, userId);
    this.#live.set(live.id, live);
    this.#run(live, queueKey, secrets).then(live.settle, live.fail);
    return live;
  }

  /** Returns the id of the user that the run belongs to, or null if there is no such run. */
  async ownerOf(id: string): Promise<string | null> {
    return this.#live.get(id)?.userId ?? (await this.#options.store.owners.ownerOf('execution', id));
  }

  /**
   * Returns a run that has not ended, or the record of one that has.
   *
   * @throws ProblemError `not_found`
   */
  async find(id: string): Promise<LiveExecution | ExecutionRecord> {
    const found = this.#live.get(id) ?? (await this.#options.store.executions.get(id));
    if (!found) throw notFound('run');
    return found;
  }

  /**
   * Returns the state of a run.
   *
   * @throws ProblemError `not_found`
   */
  async get(id: string): Promise<Execution> {
    const found = await this.find(id);
    return found instanceof LiveExecution ? found.view() : { id, state: 'ended', record: found };
  }

  /**
   * Cancels a run. Does nothing if it has ended.
   *
   * @throws ProblemError `not_found`
   */
  async cancel(id: string): Promise<void> {
    const found = await this.find(id);
    if (found instanceof LiveExecution) found.cancel();
  }

  /** Returns the newest run of each part of a conversation, with output cut to `limits.executionListChars`. */
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

  /**
   * Returns a program that the user has run, by its hash.
   *
   * @throws ProblemError `not_found`
   */
  async snippet(hash: string, userId: string) {
    const snippet = await this.#options.store.executions.snippet(hash, userId);
    if (!snippet) throw notFound('program');
    return snippet;
  }

  /** Cancels all runs and waits until their records are stored. Later calls to `start` fail. */
  async close(): Promise<void> {
    this.#closing = true;
    const live = [...this.#live.values()];
    for (const execution of live) execution.cancel();
    await Promise.allSettled(live.map((execution) => execution.ended));
  }

  async #run(live: LiveExecution, queueKey: string, secrets: Secrets): Promise<ExecutionRecord> {
    const { store, sandbox, queue, logger } = this.#options;
    const { job, snippet } = live.prepared;
    const redactor = hidingListener(secrets, (event) => live.addEvent(event));
    try {
      let result: RunResult | null = null;
      try {
        using _place = await queue.enter(queueKey, live.signal, (before) => live.addEvent({ type: 'queued', before }));
        live.leaveQueue();
        logger.debug(traced(live), 'run started');
        result = await sandbox.run(job, live.signal, redactor.onEvent);
        if (result === null) live.message = (await sandbox.status()).message;
      } catch (error) {
        if (error instanceof ProblemError) throw error;
        if (!live.signal.aborted) throw error;
      }
      redactor.end();
      const record = hiddenRecord(secrets, live.toRecord(result));
      const { status, exitCode, wallMs, engine } = record;
      logger.debug({ ...traced(live), status, exitCode, wallMs, engine: engine?.kind }, 'run ended');
      // The record is not stored, so that the next server can run the program again under the same id.
      if (this.#closing && record.status === 'cancelled') return record;
      try {
        await store.executions.save(record, hiddenSnippet(secrets, snippet), live.userId);
      } catch (error) {
        logger.error({ err: error, id: live.id }, 'cannot store the record of a run');
        const reason = error instanceof ProblemError ? error.problem.detail : 'See the log for details.';
        return { ...record, status: 'engine-error', message: `Cannot store the record of this run. ${reason}` };
      }
      if (record.origin) this.#options.ended(cutOutput(record, limits.executionListChars), live.userId);
      return record;
    } catch (error) {
      if (!(error instanceof ProblemError)) logger.error({ err: error, id: live.id }, 'run failed');
      throw error;
    } finally {
      redactor.end();
      this.#live.delete(live.id);
    }
  }
}

/** Returns the ids of a run for the log. */
function traced({ id, origin, prepared }: LiveExecution) {
  return { executionId: id, language: prepared.job.language, ...origin };
}

/** A run from its request to its record. */
export class LiveExecution {
  readonly prepared: PreparedJob;
  readonly userId: string;
  readonly origin: ExecutionOrigin | null;
  /** Resolves with the record. Rejects if the run never started or failed with an error. */
  readonly ended: Promise<ExecutionRecord>;
  readonly settle: (record: ExecutionRecord) => void;
  readonly fail: (error: unknown) => void;
  /** Reason why nothing ran, if no engine was available. */
  message: string | null = null;
  readonly #controller = new AbortController();
  readonly #emitter = new EventEmitter<{ event: [ExecutionEvent]; end: [] }>();
  readonly #requested = { at: new Date(), time: performance.now() };
  /** Events so far. Consecutive output of one stream is merged into one event. */
  readonly #events: ExecutionEvent[] = [];
  #state: 'queued' | 'running' | 'ended' = 'queued';
  #queuedMs = 0;

  constructor(request: ExecutionRequest, prepared: PreparedJob, userId: string) {
    this.prepared = prepared;
    this.userId = userId;
    this.origin = request.origin ?? null;
    this.#emitter.setMaxListeners(0);
    const { promise, resolve, reject } = Promise.withResolvers<ExecutionRecord>();
    this.ended = promise;
    // Followers receive the error. Without followers the rejection must not be unhandled.
    promise.catch(() => {});
    this.settle = (record) => {
      this.addEvent({ type: 'ended', record });
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

  /** Requests the end of the run. `ended` still resolves with its record. */
  cancel(): void {
    this.#controller.abort();
  }

  /** Marks the run as running and records how long it was queued. */
  leaveQueue(): void {
    this.#state = 'running';
    this.#queuedMs = performance.now() - this.#requested.time;
  }

  /** Adds an event and passes it to all followers. */
  addEvent(event: ExecutionEvent): void {
    const last = this.#events.at(-1);
    if (event.type === 'output' && last?.type === 'output' && last.stream === event.stream) {
      this.#events[this.#events.length - 1] = { ...last, text: last.text + event.text };
    } else if (event.type === last?.type && (event.type === 'queued' || event.type === 'preparing')) {
      this.#events[this.#events.length - 1] = event;
    } else {
      this.#events.push(event);
    }
    this.#emitter.emit('event', event);
  }

  /** Returns the state of the run as clients see it. */
  view(): Execution {
    return { id: this.id, state: this.#state === 'ended' ? 'running' : this.#state, record: null };
  }

  /**
   * Yields all events from the start of the run, then live events until its end.
   * @throws the error that `ended` rejects with
   */
  async *follow(signal: AbortSignal): AsyncGenerator<ExecutionEvent[]> {
    if (this.#state === 'ended') {
      yield [...this.#events];
    } else {
      // Listening starts before the first yield, so that no event is lost in between.
      const events = on(this.#emitter, 'event', { signal, close: ['end'] });
      yield [...this.#events];
      for await (const [event] of events) yield [event];
    }
    await this.ended;
  }

  /**
   * Returns the record of the run.
   * @param result result of the engine; null if the run was canceled before it began, or no engine was available
   */
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
      startedAt: this.#requested.at.toISOString(),
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

/** Returns the events of a run that has ended, as if it were followed now. */
export function replay(record: ExecutionRecord): ExecutionEvent[] {
  const output = outputOf(record).map((piece): ExecutionEvent => ({ type: 'output', ...piece }));
  const started: ExecutionEvent[] = record.engine ? [{ type: 'started', engine: record.engine }] : [];
  return [...started, ...output, { type: 'ended', record }];
}

const idTaken = () => conflict('A different program has already been run with this id.');

function serverClosing(): ProblemError {
  const detail = 'The server is shutting down. Connect again.';
  return new ProblemError(
    { code: 'closing', status: 503, title: 'Server shutting down', detail },
    { retryAfterMs: 1_000 },
  );
}

function networkNotCut(): ProblemError {
  const detail =
    'The sandbox on this machine cannot block network access. Start Docker, install bubblewrap (Linux), or accept network access (acceptOpenNetwork).';
  return new ProblemError({ code: 'network_not_cut', status: 409, title: 'Network access not blocked', detail });
}

function openNetworkForbidden(): ProblemError {
  const detail =
    'The sandbox of this server cannot block network access, and does not allow requests to accept that. Ask your administrator to start Docker or to install bubblewrap.';
  return new ProblemError({
    code: 'open_network_forbidden',
    status: 403,
    title: 'Network access not permitted',
    detail,
  });
}
