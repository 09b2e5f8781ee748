import type { ReceivedEvent } from '@devlm/protocol/events.ts';
import type { ExecutionEvent, ExecutionRequest } from '@devlm/protocol/execution.ts';
import type { ServerState } from '@devlm/protocol/page.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { RouteInput, RouteName, RouteOutput } from '@devlm/protocol/routes.ts';
import { routes } from '@devlm/protocol/routes.ts';
import type { ServerInfo, ServerNotice } from '@devlm/protocol/views.ts';
import type { EventSourceMessage } from 'eventsource-parser';
import { Backoff } from '../backoff.ts';
import type { Log, Translate } from '../ports.ts';
import type { Problems } from '../problems.ts';
import { asProblem } from '../problems.ts';
import type { CallOptions, RawInput } from './client.ts';
import { Client, defaultTimeoutMs, messagesHeaders, messagesPath } from './client.ts';
import { followConversation, openNotices, openStream } from './events.ts';
import { followExecution } from './executions.ts';
import { abortable, type Gate, newGate } from './gate.ts';
import type { ServerSource } from './source.ts';
import { compareVersions } from './version.ts';

/** What this editor knows for reaching Claude. Null: nothing, the server has its own or another editor's. */
export interface Credential {
  readonly apiKey: string | null;
  readonly baseUrl: string | null;
}

export interface ConnectionOptions {
  readonly source: ServerSource;
  readonly credential: () => Promise<Credential>;
  /** What else a server is told before calls go to it. Never rejects. */
  readonly introduce?: (client: Pick<Client, 'call'>) => Promise<void>;
  /** Version of this extension and of the server in its bundle. */
  readonly version: string;
  readonly problems: Problems;
  readonly log: Log;
  readonly t: Translate;
  readonly timing?: Partial<Timing>;
}

interface Timing {
  /** First wait before the server is sought again; doubles up to `maxMs`. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** A connection that held for so long starts the waits afresh. */
  readonly stableMs: number;
  /** After a server said that it closes, another window's is awaited so long before one is started. */
  readonly graceMs: number;
  /** A call waits so long for a server. */
  readonly waitMs: number;
}

/**
 * The chat page waits 60 s for an answer. A call ends before: what the page calls not sent must not
 * be sent later.
 */
const callMs = 55_000;
/** Longest silence of an answer of the Messages API: the server ends one after five minutes. */
const answerMs = 330_000;
const defaultTiming: Timing = { firstMs: 250, maxMs: 30_000, stableMs: 5000, graceMs: 2000, waitMs: 45_000 };

/** So many starts in a row may fail before it is left to the person. */
const maxFailedStarts = 5;

interface Watch {
  readonly client: Client;
  readonly cut: AbortController;
}

/**
 * The way from this window to the user's server: started on first use, watched by the stream of
 * notices (which also keeps the server alive), made again with backoff when it breaks.
 */
export class ServerConnection {
  readonly #options: ConnectionOptions;
  readonly #timing: Timing;
  readonly #stateListeners = new Set<(state: ServerState) => void>();
  readonly #noticeListeners = new Set<(notice: ServerNotice) => void>();
  #state: ServerState;
  #gate: Gate<Client> = newGate();
  #life: AbortController | undefined;
  #watch: Watch | undefined;
  /** The halves of the credential that this window has set or must tell of, so that taking one away is told too. */
  readonly #told = new Set<keyof Credential>();
  /** The server that has an address from this window. */
  #addressed: Client | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#timing = { ...defaultTiming, ...options.timing };
    const { remote } = options.source;
    this.#state = { state: 'idle', ...(remote === null ? {} : { remote }) };
  }

  get state(): ServerState {
    return this.#state;
  }

  /** Answers how to stop listening. */
  onState(listener: (state: ServerState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  onNotice(listener: (notice: ServerNotice) => void): () => void {
    this.#noticeListeners.add(listener);
    return () => this.#noticeListeners.delete(listener);
  }

  /** Starts the server when it is idle; also a new try after it failed. */
  start(): void {
    if (this.#life && this.#state.state !== 'failed') return;
    this.#life?.abort();
    this.#life = new AbortController();
    if (this.#state.state === 'failed') this.#gate = newGate();
    this.#set({ state: 'starting', problem: undefined });
    void this.#supervise(this.#life.signal);
  }

  /**
   * The client of the server that runs now; waits while it starts.
   * @throws ProblemError when it could not be started; `start` tries again
   */
  async ready(signal?: AbortSignal): Promise<Client> {
    if (this.#state.state === 'idle') this.start();
    return await abortable(this.#gate.promise, signal);
  }

  /** A route of the server, by name. Sent again once when the server died under it: ids make that safe. */
  async call<N extends RouteName>(name: N, input: RouteInput<N>, options: CallOptions = {}): Promise<RouteOutput<N>> {
    return (await this.callUnchecked(name, input, options)) as RouteOutput<N>;
  }

  /** The same for input of unknown origin. */
  async callUnchecked(name: RouteName, input: RawInput, options: CallOptions = {}): Promise<unknown> {
    const begun = performance.now();
    const wait = AbortSignal.timeout(this.#timing.waitMs);
    const waiting = options.signal ? AbortSignal.any([options.signal, wait]) : wait;
    for (let attempt = 1; ; attempt++) {
      const client = await this.ready(waiting).catch((error: unknown) => {
        options.signal?.throwIfAborted();
        throw wait.aborted ? this.#options.problems.unreachable(error) : error;
      });
      const left = Math.ceil(callMs - (performance.now() - begun));
      try {
        const timeoutMs = Math.min(options.timeoutMs ?? defaultTimeoutMs, Math.max(left, 1));
        return await client.callUnchecked(name, input, { ...options, timeoutMs });
      } catch (error) {
        if (attempt > 1 || !isTransport(error)) throw error;
        // At once, so that the next attempt waits for the next server.
        if (this.#watch?.client === client) this.#lose();
      }
    }
  }

  /** Follows a conversation until the signal; see `followConversation`. */
  async follow(
    conversationId: string,
    after: number,
    deliver: (events: ReceivedEvent[]) => Promise<unknown> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { problems, log } = this.#options;
    const endpoint = async (until: AbortSignal) => (await this.ready(until)).endpoint;
    await followConversation({ endpoint, conversationId, after, deliver, signal, problems, log });
  }

  /** Runs a program, or without a request follows the run with this id; see `followExecution`. */
  async execute(
    id: string,
    request: ExecutionRequest | undefined,
    hear: (events: ExecutionEvent[], restart: boolean) => Promise<unknown> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { problems, log } = this.#options;
    const endpoint = async (until: AbortSignal) => {
      const wait = AbortSignal.timeout(this.#timing.waitMs);
      const client = await this.ready(AbortSignal.any([until, wait])).catch((error: unknown) => {
        until.throwIfAborted();
        throw wait.aborted ? problems.unreachable(error) : error;
      });
      return client.endpoint;
    };
    await followExecution({ endpoint, id, request, hear, signal, problems, log });
  }

  /** An answer of the Messages API behind the server, as its events come. Not sent again when it breaks off. */
  async *messages(body: unknown, signal: AbortSignal): AsyncGenerator<EventSourceMessage[]> {
    const { endpoint } = await this.ready(signal);
    const patience = { openMs: answerMs, silenceMs: answerMs };
    const { problems } = this.#options;
    yield* openStream(endpoint, `${messagesPath}/v1/messages`, {
      body,
      headers: messagesHeaders,
      signal,
      problems,
      ...patience,
    });
  }

  /** Tells a running server that this half changed or was taken away; one that is started later is told then. */
  async credentialChanged(half: keyof Credential): Promise<void> {
    this.#told.add(half);
    const watch = this.#watch;
    if (watch) await this.#sendCredential(watch.client, watch.cut.signal);
  }

  /** Ends the server, whatever it does, and starts it. Turns that ran are taken up again by the new one. */
  async restart(): Promise<void> {
    this.#life?.abort();
    this.#close();
    this.#gate.reject(this.#options.problems.unreachable());
    this.#gate = newGate();
    const life = new AbortController();
    this.#life = life;
    this.#set({ state: 'starting', problem: undefined });
    try {
      await this.#options.source.end(life.signal);
    } catch (error) {
      // The server may have gone by itself, or the person may have asked twice. What is there now is found out next.
      this.#options.log.warn(`the server could not be ended: ${String(error)}`);
    }
    void this.#supervise(life.signal);
  }

  dispose(): void {
    this.#life?.abort();
    this.#close();
    this.#gate.reject(this.#options.problems.unreachable());
    this.#stateListeners.clear();
    this.#noticeListeners.clear();
  }

  async #supervise(signal: AbortSignal): Promise<void> {
    const { source, problems, log, t } = this.#options;
    const backoff = new Backoff(this.#timing);
    let failedStarts = 0;
    let graceMs = 0;
    while (!signal.aborted) {
      try {
        const { endpoint, info } = await source.connect(signal, graceMs);
        signal.throwIfAborted();
        const watch = { client: new Client(endpoint, problems), cut: new AbortController() };
        this.#watch = watch;
        await this.#introduce(watch.client, info, signal);
        failedStarts = 0;
        const since = performance.now();
        const closing = await this.#listen(watch, info, signal);
        graceMs = closing ? this.#timing.graceMs : 0;
        if (performance.now() - since >= this.#timing.stableMs) backoff.reset();
        log.info(closing ? 'the server closes' : 'the connection to the server ended');
        this.#lose();
      } catch (error) {
        if (signal.aborted) return;
        const problem = asProblem(error, t);
        log.warn(`no server: ${error instanceof ProblemError ? `${problem.code} ${problem.detail}` : String(error)}`);
        this.#close();
        if (this.#state.state === 'ready') this.#set({ state: 'reconnecting' });
        // A server that others run is waited for, and so is an older one that is busy.
        if (problem.code !== 'server_older_busy' && source.remote === null) failedStarts += 1;
        if (failedStarts >= maxFailedStarts || isLasting(error)) {
          this.#set({ state: 'failed', problem });
          this.#gate.reject(error);
          return;
        }
        this.#set({ problem });
      }
      await backoff.wait(signal).catch(() => undefined);
    }
  }

  /** Brings the credential, then lets the waiting calls go. */
  async #introduce(client: Client, info: ServerInfo, signal: AbortSignal): Promise<void> {
    this.#set({ key: info.key, demo: info.demo, problem: undefined });
    await this.#sendCredential(client, signal);
    await this.#options.introduce?.(client);
    signal.throwIfAborted();
    this.#set({ state: 'ready' });
    this.#gate.resolve(client);
    client.call('usage.today', { query: { offset: -new Date().getTimezoneOffset() } }, { signal }).then(
      (today) => this.#set({ today }),
      (error: unknown) => this.#options.log.debug(`usage of today: ${String(error)}`),
    );
  }

  async #sendCredential(client: Client, signal: AbortSignal): Promise<void> {
    try {
      const { apiKey, baseUrl } = await this.#options.credential();
      const badAddress = !routes['server.credential'].body.shape.baseUrl.safeParse(baseUrl).success;
      // Two editors may share the server: what this one does not know must not take away the other's.
      const tells = (half: keyof Credential, value: string | null) => value !== null || this.#told.has(half);
      // A key meant for a new address must not go to the one before it.
      const misdirected = badAddress && apiKey !== null && this.#addressed === client;
      const withKey = tells('apiKey', apiKey) && !misdirected;
      const withAddress = tells('baseUrl', baseUrl) && !badAddress;
      const problem = badAddress ? this.#options.problems.badAddress().problem : undefined;
      if (withKey || withAddress) {
        const body = { ...(withKey ? { apiKey } : {}), ...(withAddress ? { baseUrl } : {}) };
        const { key } = await client.call('server.credential', { body }, { signal });
        if (withKey) this.#told[apiKey === null ? 'delete' : 'add']('apiKey');
        if (withAddress) this.#told[baseUrl === null ? 'delete' : 'add']('baseUrl');
        if (withAddress) this.#addressed = baseUrl === null ? undefined : client;
        this.#set({ key });
      }
      this.#set({ problem });
    } catch (error) {
      if (isTransport(error) || !(error instanceof ProblemError)) throw error;
      this.#options.log.warn(`credential refused: ${error.problem.detail}`);
      this.#set({ problem: { ...error.problem, action: 'open-settings' } });
    }
  }

  /** Listens until the connection ends; answers whether the server said that it closes. */
  async #listen(watch: Watch, { version }: ServerInfo, signal: AbortSignal): Promise<boolean> {
    const { source, version: own } = this.#options;
    const older = source.remote === null && compareVersions(version, own) < 0;
    const both = AbortSignal.any([signal, watch.cut.signal]);
    try {
      for await (const notice of openNotices(watch.client.endpoint, {
        signal: both,
        problems: this.#options.problems,
      })) {
        if (notice.type === 'closing') return true;
        if (notice.type === 'hello' || notice.type === 'info.changed') {
          this.#set({ key: notice.info.key, demo: notice.info.demo });
        }
        if (notice.type === 'usage.changed') this.#set({ today: notice.today });
        for (const listener of this.#noticeListeners) listener(notice);
        if (older && notice.type === 'conversation.changed' && !notice.conversation.busy) {
          const { busyTurns } = await watch.client.call('server.info', {}, { signal: both });
          // Seeking the server again replaces it.
          if (busyTurns === 0) return false;
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      this.#options.log.debug(`notices: ${String(error)}`);
    }
    return false;
  }

  #lose(): void {
    this.#close();
    this.#set({ state: 'reconnecting', problem: undefined });
  }

  #close(): void {
    this.#watch?.cut.abort();
    this.#watch = undefined;
    if (this.#state.state === 'ready') this.#gate = newGate();
  }

  #set(change: Partial<ServerState>): void {
    const before = this.#state;
    const after = { ...before, ...change };
    const same = (Object.keys(after) as (keyof ServerState)[]).every((key) => after[key] === before[key]);
    if (same) return;
    this.#state = after;
    for (const listener of this.#stateListeners) listener(after);
  }
}

/** Codes of an answer that never came, or came from a server that closes or does not know this secret. */
const transportCodes: ReadonlySet<string> = new Set(['server_unreachable', 'unauthorized', 'closing']);

/** Not the route's own refusal: the same call to the next server may succeed. */
function isTransport(error: unknown): boolean {
  return error instanceof ProblemError && transportCodes.has(error.problem.code);
}

const lastingCodes: ReadonlySet<string> = new Set(['server_newer', 'server_older', 'store_newer', 'store_damaged']);

/** Trying again without a change by the person cannot help. */
function isLasting(error: unknown): boolean {
  if (!(error instanceof ProblemError)) return true;
  const { code, status } = error.problem;
  return lastingCodes.has(code) || [400, 401, 403].includes(status);
}
