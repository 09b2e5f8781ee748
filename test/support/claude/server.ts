import { hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Answer, ClaudeRequest, HttpReply, Pace, RawReply, Reply, Wire } from './answer.ts';
import { normalise } from './answer.ts';
import { PromptCache } from './cache.ts';
import { compose } from './compose.ts';
import { type Frame, frames } from './events.ts';
import { errorStatus, httpError } from './faults.ts';
import { bodyProblem, isRetryable, keyOf, parseBody, rateLimits, unknownModel } from './http.ts';
import { defaultModels, findModel, modelPage, type StandInModel } from './models.ts';
import { isMessagePath, type PlatformCall, type PlatformKeys, platformCall } from './platforms/platforms.ts';
import { BodyTooLarge, newRecord, type RecordedRequest, readBody, type WritableRecord } from './record.ts';
import {
  type ApiVersion,
  apiVersions,
  CountTokensRequest,
  lastUserText,
  MessagesRequest,
  shapeProblem,
} from './request.ts';
import { messageProblem, promptProblem } from './rules.ts';
import { type Match, messagesPath, type Scenario, ScenarioBook } from './scenario.ts';
import { Signer } from './signer.ts';
import { Threads } from './threads.ts';
import { promptTokens } from './tokens.ts';
import { Line, sendBody, sendFrames } from './transmit.ts';

/** Options of `startClaude`. */
export interface ClaudeOptions {
  /** Scenarios in order of precedence. A request that matches none is echoed. */
  readonly scenarios?: readonly Scenario[];
  /** Pace of answers without a pace of their own. */
  readonly pace?: Pace;
  /** Models, the newest first. */
  readonly models?: readonly StandInModel[];
  /** Model that answers requests for unknown models, instead of a 404. */
  readonly anyModelAs?: StandInModel;
  /** Accepted API keys. Default: every key. */
  readonly apiKeys?: readonly string[];
  /** Credentials for calls as Amazon Bedrock and Google Vertex AI. Default: none. */
  readonly platforms?: PlatformKeys;
  /** Port on 127.0.0.1. Default: 0, a free port. */
  readonly port?: number;
  /** Clock for the cache's lifetimes, in milliseconds since the epoch. */
  readonly now?: () => number;
  /** Maximum number of requests kept in `requests`. Default: 1000. */
  readonly keepRequests?: number;
}

/** A running stand-in for Claude. */
export interface Claude extends AsyncDisposable {
  /** Base URL without a trailing slash. */
  readonly url: string;
  /** Recorded requests, the oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** Recorded requests for a message. */
  readonly messages: readonly RecordedRequest[];
  /** Adds a scenario before all others. `times` limits how often it answers. */
  on(match: Match, answer: Answer, options?: { times?: number }): void;
  /** Waits for the `nth` request for a message, counted from 1. Default timeout: 5000 ms. */
  received(nth?: number, timeoutMs?: number): Promise<RecordedRequest>;
  /** Clears requests, added scenarios, counts and the prompt cache. */
  reset(): void;
}

const maxBodyBytes = 32 * 1024 * 1024;
const defaultChunkChars = 40;

/** Starts a stand-in for Claude: an HTTP server that speaks the Messages API from scripted scenarios. */
export async function startClaude(options: ClaudeOptions = {}): Promise<Claude> {
  const standIn = new StandIn(options);
  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, (request, response) => {
    standIn.handle(request, response).catch((error: unknown) => {
      // The client disconnected while the error was sent.
      console.error(error);
      response.destroy();
    });
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the stand-in listens on no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    get requests() {
      return standIn.requests;
    },
    get messages() {
      return standIn.requests.filter(isMessage);
    },
    on: (match, answer, { times } = {}) => standIn.book.add({ match, answer, times }),
    received: (nth = 1, timeoutMs = 5000) => standIn.received(nth, timeoutMs),
    reset: () => standIn.reset(),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function isMessage(request: RecordedRequest): boolean {
  return request.method === 'POST' && isMessagePath(request.path.split('?', 1)[0] ?? '');
}

/** State of a request while it is answered. */
interface Exchange {
  readonly line: Line;
  readonly record: WritableRecord;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Hash of the API key. */
  readonly caller: string;
  readonly beta: boolean;
  readonly version: ApiVersion;
  /** Undefined for Anthropic's own API. */
  readonly platform?: PlatformCall;
}

class StandIn {
  requests: RecordedRequest[] = [];
  readonly book: ScenarioBook;
  readonly #options: ClaudeOptions;
  readonly #models: readonly StandInModel[];
  readonly #cache: PromptCache;
  readonly #signer = new Signer();
  readonly #threads = new Threads();
  #serial = 0;
  #waiting: (() => void)[] = [];

  constructor(options: ClaudeOptions) {
    this.#options = options;
    this.#models = options.models ?? defaultModels;
    this.#cache = new PromptCache(options.now ?? Date.now);
    this.book = new ScenarioBook(options.scenarios ?? []);
  }

  reset(): void {
    this.requests = [];
    this.book.reset();
    this.#cache.clear();
    this.#threads.clear();
  }

  async received(nth: number, timeoutMs: number): Promise<RecordedRequest> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = this.requests.filter(isMessage)[nth - 1];
      if (found) return found;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`message ${nth} did not arrive within ${timeoutMs} ms`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      const timer = setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
    }
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const requestId = `req_011C${String(++this.#serial).padStart(20, '0')}`;
    const line = new Line(response);
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const record = newRecord(request, requestId, done);
    response.once('close', () => {
      if (!response.writableFinished && !line.cut) {
        record.hungUp = { at: new Date(), afterMs: performance.now() - started, bytesSent: line.bytes };
      }
      resolve();
    });
    const url = new URL(record.path, 'http://stand-in');
    const key = keyOf(request);
    const asked = String(request.headers['anthropic-version'] ?? '');
    const version = apiVersions.find((each) => each === asked);
    const exchange: Exchange = {
      line,
      record,
      path: url.pathname,
      query: url.searchParams,
      caller: hash('sha256', key ?? ''),
      beta: url.searchParams.get('beta') === 'true' || request.headers['anthropic-beta'] !== undefined,
      version: version ?? '2023-06-01',
    };
    try {
      const raw = await readBody(request, maxBodyBytes);
      const platform = platformCall(request, raw, this.#options.platforms ?? {});
      record.body = platform ? platform.body : parseBody(raw.toString());
      this.#keep(record);
      if (platform)
        return await this.#platform({
          ...exchange,
          // Tokens and signatures differ from call to call; the account does not.
          caller: 'the account at the platform',
          platform,
          path: platform.path,
          version: platform.version ?? exchange.version,
        });
      const wrong = asked === '' ? 'header is required' : `"${asked}" is not a valid version`;
      await this.#route(exchange, key, version ? undefined : `anthropic-version: ${wrong}`);
    } catch (error) {
      this.#keep(record);
      if (error instanceof BodyTooLarge) await this.#http(exchange, httpError(413));
      else if (!line.closed) await this.#http(exchange, httpError(500, { message: `The stand-in failed: ${error}` }));
    }
  }

  #platform(exchange: Exchange & { readonly platform: PlatformCall }): Promise<void> {
    const { refused, version, path } = exchange.platform;
    if (refused) return this.#http(exchange, refused);
    if (!version) return this.#invalid(exchange, 'anthropic_version: expected a version of this platform');
    return path === messagesPath ? this.#message(exchange) : this.#count(exchange);
  }

  #keep(record: RecordedRequest): void {
    if (this.requests.at(-1) === record) return;
    this.requests.push(record);
    if (this.requests.length > (this.#options.keepRequests ?? 1000)) this.requests.shift();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #route(exchange: Exchange, key: string | undefined, misversioned: string | undefined): Promise<void> {
    const { path, record } = exchange;
    const { method } = record;
    if (path === '/' && method === 'HEAD') return this.#http(exchange, { status: 200, body: '' });
    const model = /^\/v1\/models\/([^/]+)$/.exec(path)?.[1];
    const wanted = path === messagesPath || path === `${messagesPath}/count_tokens` ? 'POST' : 'GET';
    if (wanted === 'GET' && path !== '/v1/models' && model === undefined) {
      return this.#http(exchange, httpError(404, { message: 'Not Found' }));
    }
    if (method !== wanted) {
      const headers = { allow: wanted };
      return this.#http(exchange, httpError(405, { message: 'Method Not Allowed', headers }));
    }
    if (key === undefined) return this.#http(exchange, httpError(401, { message: 'x-api-key header is required' }));
    if (this.#options.apiKeys && !this.#options.apiKeys.includes(key)) return this.#http(exchange, httpError(401));
    if (misversioned) return this.#invalid(exchange, misversioned);

    if (path === messagesPath) return this.#message(exchange);
    const scripted = this.book.find(path, { ...this.#seen(exchange), body: emptyRequest, text: '' });
    if (scripted) return this.#give(exchange, scripted.answer, scripted.request);
    if (wanted === 'POST') return this.#count(exchange);
    return this.#listModels(exchange, model);
  }

  async #listModels(exchange: Exchange, id: string | undefined): Promise<void> {
    if (id !== undefined) {
      const found = findModel(this.#models, decodeURIComponent(id));
      return this.#http(exchange, found ? { status: 200, body: found.info } : unknownModel(decodeURIComponent(id)));
    }
    const page = modelPage(this.#models, exchange.query);
    return typeof page === 'string' ? this.#invalid(exchange, page) : this.#http(exchange, { status: 200, body: page });
  }

  async #count(exchange: Exchange): Promise<void> {
    const { body } = exchange.record;
    const problem = bodyProblem(body) ?? shapeProblem(CountTokensRequest, body, exchange.beta);
    if (problem) return this.#invalid(exchange, problem);
    const request = body as CountTokensRequest;
    if (!this.#find(request.model)) return this.#http(exchange, unknownModel(request.model));
    const broken = promptProblem(request, this.#signer, exchange.version);
    if (broken) return this.#invalid(exchange, broken);
    return this.#http(exchange, { status: 200, body: { input_tokens: promptTokens(request) } });
  }

  async #message(exchange: Exchange): Promise<void> {
    const expanded = this.#threads.expand(exchange.record.body, exchange.caller);
    if ('error' in expanded) return this.#http(exchange, expanded.error);
    const { body } = expanded;
    const misshapen = bodyProblem(body) ?? shapeProblem(MessagesRequest, body, exchange.beta);
    if (misshapen) return this.#invalid(exchange, misshapen);
    const request = body as MessagesRequest;
    exchange.record.message = request;
    const model = this.#find(request.model);
    if (!model) return this.#http(exchange, unknownModel(request.model));
    const broken = promptProblem(request, this.#signer, exchange.version) ?? messageProblem(request, model);
    if (broken) return this.#invalid(exchange, broken);

    const text = lastUserText(request.messages);
    const seen = { ...this.#seen(exchange), body: request, text };
    const scripted = this.book.find(messagesPath, seen);
    return this.#give(exchange, scripted?.answer ?? echo, scripted?.request ?? { ...seen, call: 1 });
  }

  #find(id: string): StandInModel | undefined {
    const found = findModel(this.#models, id);
    return found && found.info.lifecycle !== 'retired' ? found : this.#options.anyModelAs;
  }

  #seen(exchange: Exchange) {
    return { headers: exchange.record.headers };
  }

  async #give(exchange: Exchange, answer: Answer, request: ClaudeRequest): Promise<void> {
    const given = normalise(typeof answer === 'function' ? await answer(request) : answer);
    if ('hangUp' in given) return exchange.line.hangUp(given.hangUp === 'reset');
    if ('status' in given) return this.#http(exchange, given);
    if ('raw' in given) return this.#raw(exchange, given);
    return this.#reply(exchange, given, request.body);
  }

  async #reply(exchange: Exchange, reply: Reply, request: MessagesRequest): Promise<void> {
    const { line, record } = exchange;
    const { wire } = reply;
    const model = this.#find(request.model);
    if (!model) throw new Error(`an answer to ${exchange.path} must be an HTTP answer`);
    const scope = `${exchange.caller}\n${model.info.id}`;
    const prompt = this.#cache.use(scope, request, model.cacheMinTokens);
    const composed = compose(reply, { request, model, prompt, signer: this.#signer, serial: this.#serial });
    const { id, content } = composed.message;
    record.usage = composed.message.usage;
    this.#threads.keep(record.body, exchange.caller, request, id, content);
    const pace = { ...this.#options.pace, ...reply.pace };
    const rates = rateLimits(prompt.input, composed.message.usage.output_tokens);

    if (request.stream !== true) {
      if (wire?.error) return this.#http(exchange, httpError(errorStatus(wire.error.type), wire.error));
      await line.wait(pace.startDelayMs ?? 0);
      return this.#http(exchange, { status: 200, headers: rates, body: composed.message, wire });
    }
    await line.wait(wire?.headersDelayMs ?? 0);
    this.#open(exchange, 200, streamHeaders(exchange, wire, rates));
    // An answer that stalls or fails at its beginning has sent its headers nevertheless.
    if (pace.startDelayMs || wire) line.response.flushHeaders();
    const events = frames(composed, pace.chunkChars ?? defaultChunkChars);
    return sendFrames(line, events, pace, wire, record.requestId, exchange.platform?.encode);
  }

  async #raw(exchange: Exchange, { raw, wire }: RawReply): Promise<void> {
    this.#signer.learn(typeof raw === 'string' ? raw : Buffer.from(raw).toString());
    await exchange.line.wait(wire?.headersDelayMs ?? 0);
    this.#open(exchange, 200, streamHeaders(exchange, wire, rateLimits(0, 0)));
    if ((!wire && !exchange.platform) || typeof raw !== 'string') return sendBody(exchange.line, raw, wire);
    const events = raw.split(/(?<=\n\n)/).map((text): Frame => ({ text, delta: false }));
    return sendFrames(exchange.line, events, {}, wire, exchange.record.requestId, exchange.platform?.encode);
  }

  #invalid(exchange: Exchange, message: string): Promise<void> {
    return this.#http(exchange, httpError(400, { message }));
  }

  async #http(exchange: Exchange, given: HttpReply): Promise<void> {
    const { line, record, platform } = exchange;
    const reply = platform?.shape(given, record.requestId) ?? given;
    const isError = typeof reply.body === 'object' && 'error' in reply.body;
    const body =
      typeof reply.body === 'string'
        ? reply.body
        : JSON.stringify(isError ? { ...reply.body, request_id: record.requestId } : reply.body);
    await line.wait(reply.wire?.headersDelayMs ?? 0);
    if (line.closed || line.response.headersSent) return;
    this.#open(exchange, reply.status, {
      'content-type': reply.wire?.contentType ?? 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      ...(reply.status >= 400 ? { 'x-should-retry': String(isRetryable(reply.status)) } : {}),
      ...reply.headers,
    });
    return sendBody(line, body, reply.wire);
  }

  #open({ line, record }: Exchange, status: number, headers: Record<string, string>): void {
    record.status = status;
    if (line.closed) return;
    line.response.writeHead(status, {
      'request-id': record.requestId,
      'anthropic-organization-id': '00000000-0000-4000-8000-000000000000',
      'cache-control': 'no-cache',
      ...headers,
    });
  }
}

const eventStream = 'text/event-stream; charset=utf-8';

function streamHeaders({ platform, record }: Exchange, wire: Wire | undefined, rates: Record<string, string>) {
  const type = { 'content-type': wire?.contentType ?? platform?.contentType ?? eventStream };
  return platform ? { ...type, 'x-amzn-requestid': record.requestId } : { ...type, ...rates };
}

/** Placeholder for the body of a request that is not for a message. */
const emptyRequest: MessagesRequest = { model: '', max_tokens: 0, messages: [] };

/** Answer if no scenario matches. */
const echo: Answer = ({ text, body }) => {
  if (text !== '') return `You said: ${text}`;
  const kinds = body.messages.at(-1)?.content;
  return `You sent: ${typeof kinds === 'string' ? 'nothing' : kinds?.map((block) => block.type).join(', ')}`;
};
