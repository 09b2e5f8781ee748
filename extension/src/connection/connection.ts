import type { ReceivedEvent } from '@devlm/protocol/events.ts';
import type { ExecutionEvent, ExecutionRequest } from '@devlm/protocol/execution.ts';
import type { ServerState } from '@devlm/protocol/page.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { RouteInput, RouteName, RouteOutput } from '@devlm/protocol/routes.ts';
import { routes } from '@devlm/protocol/routes.ts';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import type { ServerInfo, ServerNotice } from '@devlm/protocol/views.ts';
import type { EventSourceMessage } from 'eventsource-parser';
import { Backoff } from '../backoff.ts';
import type { Log, Translate } from '../ports.ts';
import type { Problems } from '../problems.ts';
import { asProblem } from '../problems.ts';
import type { CallOptions, RawInput } from './client.ts';
import { Client, defaultTimeoutMs, messagesHeaders, messagesPath } from './client.ts';
import { type Deferred, newDeferred } from './deferred.ts';
import { followConversation, openNotices, openStream } from './events.ts';
import { followExecution } from './executions.ts';
import type { ServerSource } from './source.ts';
import { compareVersions } from './version.ts';

/**
 * The API key and base URL that this editor has for Claude. Null: unset here; the server may have its own or another
 * editor's.
 */
export interface Credential {
  readonly apiKey: string | null;
  readonly baseUrl: string | null;
}

/** Dependencies of a `ServerConnection`. */
export interface ConnectionOptions {
  readonly source: ServerSource;
  readonly credential: () => Promise<Credential>;
  /** Sends further configuration to a server before the first call. Never rejects. */
  readonly introduce?: (client: Pick<Client, 'call'>) => Promise<void>;
  /** Version of this extension and of the bundled server. */
  readonly version: string;
  readonly problems: Problems;
  readonly log: Log;
  readonly t: Translate;
  readonly timing?: Partial<Timing>;
}

interface Timing {
  /** Initial delay before reconnecting, in milliseconds. It doubles up to `maxMs`. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** Duration after which a connection counts as stable and the delay is reset, in milliseconds. */
  readonly stableMs: number;
  /** Time to wait for another window to start a server after the previous one closed, in milliseconds. */
  readonly graceMs: number;
  /** Maximum time that a call waits for a server, in milliseconds. */
  readonly waitMs: number;
}

/**
 * Maximum duration of a call, in milliseconds. The chat page waits 60 s for a response: a call has to end before,
 * because what the page reports as not sent must not be sent later.
 */
const callMs = 55_000;
/** Maximum silence in a Messages API response, in milliseconds. The server ends a response after five minutes. */
const answerMs = 330_000;
const defaultTiming: Timing = { firstMs: 250, maxMs: 30_000, stableMs: 5000, graceMs: 2000, waitMs: 45_000 };

/** Number of consecutive failed starts after which the user has to retry. */
const maxFailedStarts = 5;

/** The server that the connection uses, until `controller` is aborted. */
interface ActiveServer {
  readonly client: Client;
  readonly controller: AbortController;
}

/**
 * The connection of this window to the user's server. It starts the server on first use, monitors it through the
 * stream of notices (which also keeps the server alive), and reconnects with backoff.
 */
export class ServerConnection {
  readonly #options: ConnectionOptions;
  readonly #timing: Timing;
  readonly #stateListeners = new Set<(state: ServerState) => void>();
  readonly #noticeListeners = new Set<(notice: ServerNotice) => void>();
  #state: ServerState;
  /** Resolves with the client of the next ready server. */
  #nextClient: Deferred<Client> = newDeferred();
  #life: AbortController | undefined;
  #active: ActiveServer | undefined;
  /** The parts of the credential that this window has set or has to report, so that removing one is reported too. */
  readonly #reported = new Set<keyof Credential>();
  /** The server that received a base URL from this window. */
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

  /** Adds a listener for state changes. Returns a function that removes it. */
  onState(listener: (state: ServerState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  /** Adds a listener for server notices. Returns a function that removes it. */
  onNotice(listener: (notice: ServerNotice) => void): () => void {
    this.#noticeListeners.add(listener);
    return () => this.#noticeListeners.delete(listener);
  }

  /** Starts the server if the connection is idle, or tries again after a failure. */
  start(): void {
    if (this.#life && this.#state.state !== 'failed') return;
    this.#life?.abort();
    this.#life = new AbortController();
    if (this.#state.state === 'failed') this.#nextClient = newDeferred();
    this.#set({ state: 'starting', problem: undefined });
    void this.#supervise(this.#life.signal);
  }

  /**
   * Returns the client of the running server, waiting while it starts.
   * @throws ProblemError if the server could not be started; `start` tries again
   */
  async ready(signal?: AbortSignal): Promise<Client> {
    if (this.#state.state === 'idle') this.start();
    const { promise } = this.#nextClient;
    return await (signal ? untilAborted(promise, signal) : promise);
  }

  /** Calls a route by name. Repeats the call once if the server died during it; ids make that safe. */
  async call<N extends RouteName>(name: N, input: RouteInput<N>, options: CallOptions = {}): Promise<RouteOutput<N>> {
    return (await this.callUnchecked(name, input, options)) as RouteOutput<N>;
  }

  /** Calls a route like `call`, with untrusted input. */
  async callUnchecked(name: RouteName, input: RawInput, options: CallOptions = {}): Promise<unknown> {
    const startedAt = performance.now();
    const timeout = AbortSignal.timeout(this.#timing.waitMs);
    const waitSignal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    for (let attempt = 1; ; attempt++) {
      const client = await this.ready(waitSignal).catch((error: unknown) => {
        options.signal?.throwIfAborted();
        throw timeout.aborted ? this.#options.problems.unreachable(error) : error;
      });
      const remainingMs = Math.ceil(callMs - (performance.now() - startedAt));
      try {
        const timeoutMs = Math.min(options.timeoutMs ?? defaultTimeoutMs, Math.max(remainingMs, 1));
        return await client.callUnchecked(name, input, { ...options, timeoutMs });
      } catch (error) {
        if (attempt > 1 || !isTransport(error)) throw error;
        // Reconnect at once, so that the next attempt waits for the next server.
        if (this.#active?.client === client) this.#lose();
      }
    }
  }

  /** Follows a conversation until the signal is aborted; see `followConversation`. */
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
    onEvents: (events: ExecutionEvent[], restart: boolean) => Promise<unknown> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { problems, log } = this.#options;
    const endpoint = async (until: AbortSignal) => {
      const timeout = AbortSignal.timeout(this.#timing.waitMs);
      const client = await this.ready(AbortSignal.any([until, timeout])).catch((error: unknown) => {
        until.throwIfAborted();
        throw timeout.aborted ? problems.unreachable(error) : error;
      });
      return client.endpoint;
    };
    await followExecution({ endpoint, id, request, onEvents, signal, problems, log });
  }

  /** Streams a Messages API response, event by event. It is not repeated if it breaks off. */
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

  /**
   * Reports to a running server that a part of the credential was changed or removed. A later server receives it on
   * connecting.
   */
  async credentialChanged(part: keyof Credential): Promise<void> {
    this.#reported.add(part);
    const active = this.#active;
    if (active) await this.#sendCredential(active.client, active.controller.signal);
  }

  /** Ends the server, even a busy one, and starts it again. The new server resumes interrupted turns. */
  async restart(): Promise<void> {
    this.#life?.abort();
    this.#close();
    this.#nextClient.reject(this.#options.problems.unreachable());
    this.#nextClient = newDeferred();
    const life = new AbortController();
    this.#life = life;
    this.#set({ state: 'starting', problem: undefined });
    try {
      await this.#options.source.end(life.signal);
    } catch (error) {
      // The server may already have exited, or the user may have asked twice. `#supervise` finds out what is there
      // now.
      this.#options.log.warn(`could not end the server: ${String(error)}`);
    }
    void this.#supervise(life.signal);
  }

  /** Closes the connection and rejects everything that waits for it. */
  dispose(): void {
    this.#life?.abort();
    this.#close();
    this.#nextClient.reject(this.#options.problems.unreachable());
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
        const active = { client: new Client(endpoint, problems), controller: new AbortController() };
        this.#active = active;
        await this.#introduce(active.client, info, signal);
        failedStarts = 0;
        const since = performance.now();
        const closing = await this.#listen(active, info, signal);
        graceMs = closing ? this.#timing.graceMs : 0;
        if (performance.now() - since >= this.#timing.stableMs) backoff.reset();
        log.info(closing ? 'the server is closing' : 'the connection to the server ended');
        this.#lose();
      } catch (error) {
        if (signal.aborted) return;
        const problem = asProblem(error, t);
        log.warn(`no server: ${error instanceof ProblemError ? `${problem.code} ${problem.detail}` : String(error)}`);
        this.#close();
        if (this.#state.state === 'ready') this.#set({ state: 'reconnecting' });
        // Keep waiting for remote servers and for an older local server that is busy.
        if (problem.code !== 'server_older_busy' && source.remote === null) failedStarts += 1;
        if (failedStarts >= maxFailedStarts || isPermanent(error)) {
          this.#set({ state: 'failed', problem });
          this.#nextClient.reject(error);
          return;
        }
        this.#set({ problem });
      }
      await backoff.wait(signal).catch(() => undefined);
    }
  }

  /** Sends the credential and the configuration, then releases the waiting calls. */
  async #introduce(client: Client, info: ServerInfo, signal: AbortSignal): Promise<void> {
    this.#set({ key: info.key, demo: info.demo, problem: undefined });
    await this.#sendCredential(client, signal);
    await this.#options.introduce?.(client);
    signal.throwIfAborted();
    this.#set({ state: 'ready' });
    this.#nextClient.resolve(client);
    client.call('usage.today', { query: { offset: -new Date().getTimezoneOffset() } }, { signal }).then(
      (today) => this.#set({ today }),
      (error: unknown) => this.#options.log.debug(`usage of today: ${String(error)}`),
    );
  }

  async #sendCredential(client: Client, signal: AbortSignal): Promise<void> {
    try {
      const { apiKey, baseUrl } = await this.#options.credential();
      const badAddress = !routes['server.credential'].body.shape.baseUrl.safeParse(baseUrl).success;
      // Editors may share the server: a value that is unset here must not remove another editor's.
      const isReported = (part: keyof Credential, value: string | null) => value !== null || this.#reported.has(part);
      // A key that is meant for a new address must not be sent to the previous one.
      const misdirected = badAddress && apiKey !== null && this.#addressed === client;
      const withKey = isReported('apiKey', apiKey) && !misdirected;
      const withAddress = isReported('baseUrl', baseUrl) && !badAddress;
      const problem = badAddress ? this.#options.problems.badAddress().problem : undefined;
      if (withKey || withAddress) {
        const body = { ...(withKey ? { apiKey } : {}), ...(withAddress ? { baseUrl } : {}) };
        const { key } = await client.call('server.credential', { body }, { signal });
        if (withKey) this.#reported[apiKey === null ? 'delete' : 'add']('apiKey');
        if (withAddress) this.#reported[baseUrl === null ? 'delete' : 'add']('baseUrl');
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

  /** Handles notices until the connection ends. Returns whether the server announced that it closes. */
  async #listen(server: ActiveServer, { version }: ServerInfo, signal: AbortSignal): Promise<boolean> {
    const { source, version: own } = this.#options;
    const isOlder = source.remote === null && compareVersions(version, own) < 0;
    const either = AbortSignal.any([signal, server.controller.signal]);
    try {
      for await (const notice of openNotices(server.client.endpoint, {
        signal: either,
        problems: this.#options.problems,
      })) {
        if (notice.type === 'closing') return true;
        if (notice.type === 'hello' || notice.type === 'info.changed') {
          this.#set({ key: notice.info.key, demo: notice.info.demo });
        }
        if (notice.type === 'usage.changed') this.#set({ today: notice.today });
        for (const listener of this.#noticeListeners) listener(notice);
        if (isOlder && notice.type === 'conversation.changed' && !notice.conversation.busy) {
          const { busyTurns } = await server.client.call('server.info', {}, { signal: either });
          // Reconnecting replaces the idle older server.
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
    this.#active?.controller.abort();
    this.#active = undefined;
    if (this.#state.state === 'ready') this.#nextClient = newDeferred();
  }

  #set(change: Partial<ServerState>): void {
    const before = this.#state;
    const after = { ...before, ...change };
    const isSame = (Object.keys(after) as (keyof ServerState)[]).every((key) => after[key] === before[key]);
    if (isSame) return;
    this.#state = after;
    for (const listener of this.#stateListeners) listener(after);
  }
}

/** Codes of calls that got no response, or one from a server that is closing or does not accept this secret. */
const transportCodes: ReadonlySet<string> = new Set(['server_unreachable', 'unauthorized', 'closing']);

/** Returns whether the call failed in transport, not in the route: repeating it on the next server may succeed. */
function isTransport(error: unknown): boolean {
  return error instanceof ProblemError && transportCodes.has(error.problem.code);
}

/** Codes that persist until the user changes something. */
const permanentCodes: ReadonlySet<string> = new Set(['server_newer', 'server_older', 'store_newer', 'store_damaged']);

/** Returns whether retrying is useless until the user changes something. */
function isPermanent(error: unknown): boolean {
  if (!(error instanceof ProblemError)) return true;
  const { code, status } = error.problem;
  return permanentCodes.has(code) || [400, 401, 403].includes(status);
}
