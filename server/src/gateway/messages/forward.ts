import type { IncomingHttpHeaders } from 'node:http';
import type { Agent, Dispatcher } from 'undici';
import type { AnswerSink } from '../../llm/answers/answer-sink.ts';
import { failureOfStatus, retryAfterMs } from '../../llm/pool/failure.ts';
import type { Lane } from '../../llm/pool/instance.ts';
import type { Lease } from '../../llm/pool/lease.ts';
import type { Pool } from '../../llm/pool/pool.ts';
import type { Failure, Wanted } from '../../llm/pool/types.ts';
import { type Tapped, UsageTap } from '../../llm/usage-tap.ts';
import { heldMs, judge } from './beginning.ts';
import { type CallController, type DispatchedTo, dispatchBy } from './dispatch-by.ts';
import { keptAnswer } from './headers.ts';
import { Refused } from './refusal.ts';

/** One call, as it goes to whichever instance takes it. */
export interface Outgoing {
  readonly method: string;
  /** With what follows the `?`. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** For the model that the lease names. Null: none. */
  readonly body: (model: string | null) => Buffer | null;
  readonly stream: boolean;
  /** Called when it will not be made again. */
  readonly begun: () => void;
  /** Whether its answer is a message, which costs. */
  readonly counted: boolean;
  readonly wanted: Wanted;
  readonly requestId: string;
}

/** What became of a call at one instance. */
export interface Try extends Tapped {
  readonly instance: string;
  /** Milliseconds. */
  readonly latencyMs: number;
  readonly firstTokenMs: number;
  readonly outcome: 'answered' | 'cut';
}

export interface ForwardOptions {
  readonly pool: Pool;
  /** After five times as many milliseconds without a byte from the provider an answer is dead. */
  readonly idleMs: number;
  /** Told of each try that the provider answered with a message. */
  readonly onTry: (done: Try) => void;
  /** Aborts when the client leaves, and when the server closes. */
  readonly signal: AbortSignal;
}

let agent: Agent | undefined;

/**
 * What makes the calls: undici's own interface, which takes 50 microseconds for one where `http.request` takes 95. It
 * is loaded with the first call. The pool bounds how many there are, and `Attempt` how long they take.
 */
async function loadAgent(): Promise<Agent> {
  const { default: undici } = await import('undici');
  agent ??= new undici.Agent({ headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 60_000 });
  return agent;
}

/**
 * Makes a call at the instance that the pool names, and at another one while the client has seen nothing of it.
 * @throws Refused, ProblemError
 */
export async function forward(call: Outgoing, response: AnswerSink, options: ForwardOptions): Promise<void> {
  const tried = new Set<Lane>();
  const dispatcher = agent ?? (await loadAgent());
  for (;;) {
    using lease = await options.pool.lease(call.wanted, options.signal, tried);
    tried.add(lease.lane);
    const movable = () => !options.signal.aborted && options.pool.hasOther(call.wanted, tried);
    using attempt = new Attempt(call, lease, movable, response, options);
    if ((await attempt.run(dispatcher)) === 'done') return;
  }
}

class Silent extends Error {}
/** An answer that ended with an error before it had begun. */
class FailedInside extends Error {}

/** A call at one instance. What comes of the answer goes on as it comes. */
class Attempt implements Dispatcher.DispatchHandler, DispatchedTo, Disposable {
  readonly #call: Outgoing;
  readonly #lease: Lease;
  readonly #movable: () => boolean;
  readonly #response: AnswerSink;
  readonly #options: ForwardOptions;
  readonly #start = performance.now();
  readonly #over = Promise.withResolvers<'done' | 'moves'>();
  #settled = false;
  /** Why it was given up before it was sent. */
  #givenUp: Error | undefined;
  #controller: CallController | undefined;
  #answer: Answer | undefined;
  /** What has come since `#advance` last ran. */
  #came: Buffer[] = [];
  /** What of it has not gone out. */
  #kept: Buffer = Buffer.alloc(0);
  #passing = false;
  #held: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout;
  #firstMs: number | undefined;
  #tap: UsageTap | null = null;

  constructor(call: Outgoing, lease: Lease, movable: () => boolean, response: AnswerSink, options: ForwardOptions) {
    this.#call = call;
    this.#lease = lease;
    this.#movable = movable;
    this.#response = response;
    this.#options = options;
    // A stream shows soon that it lives; any other answer comes when it is complete.
    this.#silence = this.#patience(call.stream && movable() ? 1 : 5);
    options.signal.addEventListener('abort', this.#hangUp, { once: true });
  }

  /** @throws Refused, ProblemError */
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
    return this.#over.promise;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#held);
    this.#options.signal.removeEventListener('abort', this.#hangUp);
    this.#response.off('drain', this.#goOn);
  }

  onRequestStart(controller: CallController): void {
    this.#controller = controller;
    if (this.#givenUp) controller.abort(this.#givenUp);
  }

  onResponseStart(_controller: unknown, status: number, headers: IncomingHttpHeaders): void {
    // Only a word in between.
    if (status < 200) return;
    this.#lease.heard((name) => headerOf(headers, name));
    // What is not there without a model is not there for any instance.
    const failure = status === 404 && this.#call.wanted.model === null ? null : failureOfStatus(status);
    if (failure) this.#lease.failed(failure, retryAfterMs(headerOf(headers, 'retry-after')));
    if (failure && this.#movable()) {
      this.#settle('moves');
      this.#controller?.abort(new Error('The call is made elsewhere.'));
      return;
    }
    if (this.#call.counted && status === 200) this.#tap = new UsageTap(headerOf(headers, 'content-type') ?? '');
    this.#answer = { status, headers, failure };
    if (status === 200 && this.#movable()) this.#held = setTimeout(this.#pass, heldMs);
    else this.#pass();
  }

  onResponseData(_controller: unknown, bytes: Buffer): void {
    // Events that come together go on together: to write 200 of them one by one takes 0.3 ms.
    if (this.#came.push(bytes) === 1) process.nextTick(this.#advance);
  }

  onResponseEnd(): void {
    this.#look();
    if (this.#settled) return;
    this.#pass();
    clearTimeout(this.#silence);
    this.#lease.succeeded();
    this.#response.end(this.#kept, () => {
      this.#note('answered');
      this.#settle('done');
    });
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#failed(error);
  }

  readonly #advance = (): void => {
    this.#look();
    const response = this.#response;
    if (!this.#passing || this.#settled || response.writableEnded) return;
    const bytes = this.#kept;
    this.#kept = Buffer.alloc(0);
    // The headers of a stream reach the client before the first event does.
    if (bytes.length === 0) response.flushHeaders();
    else if (!response.write(bytes)) this.#controller?.pause();
  };

  /** Looks at what has come, and whether it may go out. */
  #look(): void {
    const bytes = Buffer.concat(this.#came.splice(0));
    if (this.#settled || bytes.length === 0) return;
    this.#firstMs ??= performance.now() - this.#start;
    this.#silence.refresh();
    this.#tap?.write(bytes);
    this.#kept = this.#kept.length === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
    if (this.#passing) return;
    const verdict = judge(this.#kept);
    if (verdict === 'pass') this.#pass();
    else if (verdict === 'failed') this.#stop(new FailedInside());
  }

  /** From here on the client sees it. */
  readonly #pass = (): void => {
    if (!this.#answer || this.#passing) return;
    this.#passing = true;
    clearTimeout(this.#held);
    clearTimeout(this.#silence);
    this.#silence = this.#patience(5);
    if (this.#tap) this.#lease.firstToken();
    this.#call.begun();
    const { status, headers, failure } = this.#answer;
    this.#response.on('drain', this.#goOn);
    const kept = keptAnswer(headers);
    kept['x-devlm-request-id'] = this.#call.requestId;
    // Where several instances have failed, one that does not say when to come again is no reason to give up.
    if (failure && failure !== 'refused' && this.#places > 1) kept['retry-after'] ??= '2';
    this.#response.writeHead(status, kept);
    if (this.#call.stream) process.nextTick(this.#advance);
  };

  readonly #goOn = (): void => this.#controller?.resume();

  readonly #hangUp = (): void => this.#stop(this.#options.signal.reason);

  #stop(why: Error): void {
    this.#failed(why);
    this.#givenUp = why;
    this.#controller?.abort(why);
  }

  #failed(error: Error): void {
    if (this.#settled) return;
    const { aborted, reason } = this.#options.signal;
    if (!aborted) this.#lease.failed(failureOfError(error, this.#answer ? 'cut' : 'unreachable'));
    if (this.#answer) this.#note('cut');
    if (this.#passing) {
      // What was cut off must not look whole to the client.
      this.#response.destroy();
      this.#settle('done');
    } else if (aborted) this.#refuse(reason);
    else if (this.#movable()) this.#settle('moves');
    else this.#refuse(unanswered(error, this.#places));
  }

  #settle(outcome: 'done' | 'moves'): void {
    this.#settled = true;
    this.#over.resolve(outcome);
  }

  #refuse(reason: unknown): void {
    this.#settled = true;
    this.#over.reject(reason);
  }

  #note(outcome: Try['outcome']): void {
    const tapped = this.#tap?.end();
    if (!tapped || (outcome === 'cut' && tapped.model === null)) return;
    const model = tapped.model === null ? null : this.#lease.nameOf(tapped.model);
    const latencyMs = Math.round(performance.now() - this.#start);
    const firstTokenMs = Math.round(this.#firstMs ?? latencyMs);
    this.#options.onTry({ ...tapped, model, instance: this.#lease.instanceId, latencyMs, firstTokenMs, outcome });
  }

  #patience(times: number): NodeJS.Timeout {
    return setTimeout(() => this.#stop(new Silent()), this.#options.idleMs * times);
  }

  get #places(): number {
    return this.#options.pool.places(this.#call.wanted);
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly failure: Failure | null;
}

function failureOfError(error: unknown, otherwise: Failure): Failure {
  if (error instanceof Silent) return 'stalled';
  return error instanceof FailedInside ? 'overloaded' : otherwise;
}

function unanswered(error: unknown, places: number): Refused {
  if (error instanceof Silent) return new Refused(504, 'The provider did not answer in time.');
  if (error instanceof FailedInside) return new Refused(529, 'The provider is overloaded. Try again soon.', 2_000);
  return places > 1
    ? new Refused(503, 'No instance of the provider can be reached. Try again soon.', 2_000)
    : new Refused(502, 'The provider cannot be reached.');
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
