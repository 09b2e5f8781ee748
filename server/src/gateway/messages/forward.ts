import type { IncomingHttpHeaders } from 'node:http';
import type { Agent, Dispatcher } from 'undici';
import type { AnswerSink } from '../../llm/answers/answer-sink.ts';
import { failureOfStatus, retryAfterMs } from '../../llm/pool/failure.ts';
import type { Lane } from '../../llm/pool/instance.ts';
import type { InstanceLease } from '../../llm/pool/instance-lease.ts';
import type { Pool } from '../../llm/pool/pool.ts';
import type { Failure, LeaseRequest } from '../../llm/pool/types.ts';
import { type Tapped, UsageTap } from '../../llm/usage-tap.ts';
import { classifyBeginning, maxHoldMs } from './beginning.ts';
import { type CallController, type CallHandler, dispatchBy } from './dispatch-by.ts';
import { forwardedResponseHeaders } from './headers.ts';
import { Refused } from './refusal.ts';

/** A call to the provider, independent of the instance that takes it. */
export interface Outgoing {
  readonly method: string;
  /** The provider's path, including the query string. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Returns the body for the model that the lease names; null for a call without a body. */
  readonly body: (model: string | null) => Buffer | null;
  readonly stream: boolean;
  /** Called when the call will not be retried. */
  readonly begun: () => void;
  /** Whether the answer is a message, which is billed. */
  readonly counted: boolean;
  readonly leaseRequest: LeaseRequest;
  readonly requestId: string;
}

/** Outcome of a call at one instance. */
export interface Try extends Tapped {
  readonly instance: string;
  /** Time from the start of the call to the end of the answer, in milliseconds. */
  readonly latencyMs: number;
  /** Time from the start of the call to the first byte of the answer, in milliseconds. */
  readonly firstTokenMs: number;
  readonly outcome: 'answered' | 'cut';
}

/** Options of `forward`. */
export interface ForwardOptions {
  readonly pool: Pool;
  /**
   * Base of the idle timeouts, in milliseconds. An answer is abandoned after five times as long without a byte; a
   * stream that can still be retried elsewhere, after this time without content.
   */
  readonly idleMs: number;
  /** Called with each try that the provider answered with a message. */
  readonly onTry: (done: Try) => void;
  /** Aborts when the client disconnects or the server closes. */
  readonly signal: AbortSignal;
}

let agent: Agent | undefined;

/**
 * Returns undici's agent, which makes the calls. It is loaded with the first call. A call through undici's own
 * interface takes 50 µs, one through `http.request` 95 µs. The pool bounds the number of calls, `Attempt` their duration.
 */
async function loadAgent(): Promise<Agent> {
  const { default: undici } = await import('undici');
  agent ??= new undici.Agent({ headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 60_000 });
  return agent;
}

/**
 * Makes a call at the instance that the pool chooses. A call that fails before the client has seen any of the answer is
 * retried at another instance.
 * @throws Refused, ProblemError
 */
export async function forward(call: Outgoing, response: AnswerSink, options: ForwardOptions): Promise<void> {
  const tried = new Set<Lane>();
  const dispatcher = agent ?? (await loadAgent());
  for (;;) {
    using lease = await options.pool.lease(call.leaseRequest, options.signal, tried);
    tried.add(lease.lane);
    const canRetryElsewhere = () => !options.signal.aborted && options.pool.hasOther(call.leaseRequest, tried);
    using attempt = new Attempt(call, lease, canRetryElsewhere, response, options);
    if ((await attempt.run(dispatcher)) === 'done') return;
  }
}

/** The provider sent nothing for too long. */
class SilenceError extends Error {}
/** The provider sent an error event before the first content of the answer. */
class ErrorEventReceived extends Error {}

/** A call at one instance. Passes the answer on to the client as it arrives. */
class Attempt implements Dispatcher.DispatchHandler, CallHandler, Disposable {
  readonly #call: Outgoing;
  readonly #lease: InstanceLease;
  readonly #canRetryElsewhere: () => boolean;
  readonly #response: AnswerSink;
  readonly #options: ForwardOptions;
  readonly #start = performance.now();
  readonly #outcome = Promise.withResolvers<'done' | 'moves'>();
  #settled = false;
  /** Reason for aborting a call that undici has not started yet. */
  #abortReason: Error | undefined;
  #controller: CallController | undefined;
  #answer: ProviderAnswer | undefined;
  /** Bytes received since `#flush` last ran. */
  #received: Buffer[] = [];
  /** Inspected bytes that have not been written to the client. */
  #unsent: Buffer = Buffer.alloc(0);
  #passing = false;
  #holdTimer: NodeJS.Timeout | undefined;
  #silenceTimer: NodeJS.Timeout;
  #firstByteMs: number | undefined;
  #tap: UsageTap | null = null;

  constructor(
    call: Outgoing,
    lease: InstanceLease,
    canRetryElsewhere: () => boolean,
    response: AnswerSink,
    options: ForwardOptions,
  ) {
    this.#call = call;
    this.#lease = lease;
    this.#canRetryElsewhere = canRetryElsewhere;
    this.#response = response;
    this.#options = options;
    // A stream sends its first bytes early; any other answer is sent when it is complete.
    this.#silenceTimer = this.#startSilenceTimer(call.stream && canRetryElsewhere() ? 1 : 5);
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Makes the call. Resolves to `moves` when it is to be retried at another instance. @throws Refused, ProblemError */
  run(dispatcher: Dispatcher): Promise<'done' | 'moves'> {
    const { method, path, headers, body } = this.#call;
    const { baseUrl, apiKey, send } = this.#lease.upstream;
    const [, origin = baseUrl, prefix = ''] = /^(https?:\/\/[^/]+)(.*?)\/*$/i.exec(baseUrl) ?? [];
    const request = {
      origin,
      path: prefix + path,
      method,
      headers: { ...headers, 'x-api-key': apiKey, 'accept-encoding': 'identity' },
      body: body(this.#lease.model),
    };
    if (send) void dispatchBy(send, request, this);
    else dispatcher.dispatch(request, this);
    return this.#outcome.promise;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#silenceTimer);
    clearTimeout(this.#holdTimer);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#response.off('drain', this.#resume);
  }

  onRequestStart(controller: CallController): void {
    this.#controller = controller;
    if (this.#abortReason) controller.abort(this.#abortReason);
  }

  onResponseStart(_controller: unknown, status: number, headers: IncomingHttpHeaders): void {
    // Informational response: the final one follows.
    if (status < 200) return;
    this.#lease.heard((name) => headerOf(headers, name));
    // A 404 to a request without a model is not a failure of the instance: every instance would respond with it.
    const failure = status === 404 && this.#call.leaseRequest.model === null ? null : failureOfStatus(status);
    if (failure) this.#lease.failed(failure, retryAfterMs(headerOf(headers, 'retry-after')));
    if (failure && this.#canRetryElsewhere()) {
      this.#settle('moves');
      this.#controller?.abort(new Error('The call is retried at another instance.'));
      return;
    }
    if (this.#call.counted && status === 200) this.#tap = new UsageTap(headerOf(headers, 'content-type') ?? '');
    this.#answer = { status, headers, failure };
    if (status === 200 && this.#canRetryElsewhere()) this.#holdTimer = setTimeout(this.#startPassing, maxHoldMs);
    else this.#startPassing();
  }

  onResponseData(_controller: unknown, bytes: Buffer): void {
    // Events that arrive together are written together: writing 200 of them one by one takes 0.3 ms.
    if (this.#received.push(bytes) === 1) process.nextTick(this.#flush);
  }

  onResponseEnd(): void {
    this.#inspectReceived();
    if (this.#settled) return;
    this.#startPassing();
    clearTimeout(this.#silenceTimer);
    this.#lease.succeeded();
    this.#response.end(this.#unsent, () => {
      this.#report('answered');
      this.#settle('done');
    });
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#fail(error);
  }

  readonly #flush = (): void => {
    this.#inspectReceived();
    const response = this.#response;
    if (!this.#passing || this.#settled || response.writableEnded) return;
    const bytes = this.#unsent;
    this.#unsent = Buffer.alloc(0);
    // The headers of a stream reach the client before the first event does.
    if (bytes.length === 0) response.flushHeaders();
    else if (!response.write(bytes)) this.#controller?.pause();
  };

  /** Moves the received bytes to `#unsent` and decides whether they may be sent to the client. */
  #inspectReceived(): void {
    const bytes = Buffer.concat(this.#received.splice(0));
    if (this.#settled || bytes.length === 0) return;
    this.#firstByteMs ??= performance.now() - this.#start;
    this.#silenceTimer.refresh();
    this.#tap?.write(bytes);
    this.#unsent = this.#unsent.length === 0 ? bytes : Buffer.concat([this.#unsent, bytes]);
    if (this.#passing) return;
    const verdict = classifyBeginning(this.#unsent);
    if (verdict === 'pass') this.#startPassing();
    else if (verdict === 'failed') this.#stop(new ErrorEventReceived());
  }

  /** Starts passing the answer on to the client. From then on the call cannot be retried. */
  readonly #startPassing = (): void => {
    if (!this.#answer || this.#passing) return;
    this.#passing = true;
    clearTimeout(this.#holdTimer);
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = this.#startSilenceTimer(5);
    if (this.#tap) this.#lease.firstToken();
    this.#call.begun();
    const { status, headers, failure } = this.#answer;
    this.#response.on('drain', this.#resume);
    const kept = forwardedResponseHeaders(headers);
    kept['x-devlm-request-id'] = this.#call.requestId;
    // If several instances have failed, tell the client to retry even if the last one sent no `Retry-After`.
    if (failure && failure !== 'refused' && this.#instanceCount > 1) kept['retry-after'] ??= '2';
    this.#response.writeHead(status, kept);
    if (this.#call.stream) process.nextTick(this.#flush);
  };

  readonly #resume = (): void => this.#controller?.resume();

  readonly #onAbort = (): void => this.#stop(this.#options.signal.reason);

  #stop(why: Error): void {
    this.#fail(why);
    this.#abortReason = why;
    this.#controller?.abort(why);
  }

  #fail(error: Error): void {
    if (this.#settled) return;
    const { aborted, reason } = this.#options.signal;
    if (!aborted) this.#lease.failed(failureOfError(error, this.#answer ? 'cut' : 'unreachable'));
    if (this.#answer) this.#report('cut');
    if (this.#passing) {
      // Destroy the connection, so that a truncated answer does not look complete to the client.
      this.#response.destroy();
      this.#settle('done');
    } else if (aborted) this.#rejectWith(reason);
    else if (this.#canRetryElsewhere()) this.#settle('moves');
    else this.#rejectWith(refusedFor(error, this.#instanceCount));
  }

  #settle(outcome: 'done' | 'moves'): void {
    this.#settled = true;
    this.#outcome.resolve(outcome);
  }

  #rejectWith(reason: unknown): void {
    this.#settled = true;
    this.#outcome.reject(reason);
  }

  #report(outcome: Try['outcome']): void {
    const tapped = this.#tap?.end();
    if (!tapped || (outcome === 'cut' && tapped.model === null)) return;
    const model = tapped.model === null ? null : this.#lease.nameOf(tapped.model);
    const latencyMs = Math.round(performance.now() - this.#start);
    const firstTokenMs = Math.round(this.#firstByteMs ?? latencyMs);
    this.#options.onTry({ ...tapped, model, instance: this.#lease.instanceId, latencyMs, firstTokenMs, outcome });
  }

  #startSilenceTimer(times: number): NodeJS.Timeout {
    return setTimeout(() => this.#stop(new SilenceError()), this.#options.idleMs * times);
  }

  get #instanceCount(): number {
    return this.#options.pool.places(this.#call.leaseRequest);
  }
}

/** The beginning of the provider's answer, and the failure that it means; null if it means none. */
interface ProviderAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly failure: Failure | null;
}

function failureOfError(error: unknown, otherwise: Failure): Failure {
  if (error instanceof SilenceError) return 'stalled';
  return error instanceof ErrorEventReceived ? 'overloaded' : otherwise;
}

function refusedFor(error: unknown, places: number): Refused {
  if (error instanceof SilenceError) return new Refused(504, 'The provider did not respond in time.');
  if (error instanceof ErrorEventReceived)
    return new Refused(529, 'The provider is overloaded. Try again in a moment.', 2_000);
  return places > 1
    ? new Refused(503, 'Cannot connect to any instance of the provider. Try again in a moment.', 2_000)
    : new Refused(502, 'Cannot connect to the provider.');
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
