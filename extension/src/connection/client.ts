import { type OwnProblem, ProblemError, ReceivedProblem } from '@devlm/protocol/problem.ts';
import type { RouteInput, RouteName, RouteOutput } from '@devlm/protocol/routes.ts';
import { routes } from '@devlm/protocol/routes.ts';
import * as z from 'zod';
import { pause } from '../backoff.ts';
import { parseJson } from '../json.ts';
import type { Problems } from '../problems.ts';

/** The address of a server and the secret that authenticates requests to it. */
export interface Endpoint {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly origin: string;
  readonly secret: string;
}

/** Options of a single call. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Timeout in milliseconds. Default: 30 000, because the slowest route asks the provider for its models. */
  readonly timeoutMs?: number;
}

/** Default timeout of a call, in milliseconds. */
export const defaultTimeoutMs = 30_000;
/** Maximum number of attempts for a rate-limited call, all within its timeout. */
const maxAttempts = 5;

/** Path prefix of the Messages API on the server. The provider's own path follows. */
export const messagesPath = '/llm';
/** Headers that every Messages API request needs. */
export const messagesHeaders = { 'anthropic-version': '2023-06-01' } as const;

/** Error response of the Messages API. */
const MessagesError = z.object({
  type: z.literal('error'),
  error: z.object({ type: z.string(), message: z.string() }),
});

/** An entry of the route table without the literal types. */
interface AnyRoute {
  readonly method: string;
  readonly path: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly response: z.ZodType;
}

/** The input of a route before validation. */
export interface RawInput {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
}

/** The HTTP client of the extension. It throws `ProblemError`s, or the abort reason of the caller. */
export class Client {
  readonly endpoint: Endpoint;
  readonly #problems: Problems;

  constructor(endpoint: Endpoint, problems: Problems) {
    this.endpoint = endpoint;
    this.#problems = problems;
  }

  /** Calls a route by name. */
  async call<N extends RouteName>(name: N, input: RouteInput<N>, options: CallOptions = {}): Promise<RouteOutput<N>> {
    return (await this.callUnchecked(name, input, options)) as RouteOutput<N>;
  }

  /** Calls a route with untrusted input, which is validated by the route's schemas before anything is sent. */
  async callUnchecked(name: RouteName, input: RawInput, options: CallOptions = {}): Promise<unknown> {
    const route: AnyRoute = routes[name];
    const { url, body } = requestOf(route, input, this.endpoint.origin, this.#problems);
    const text = await this.#send(url, route.method, body, options);
    const checked = route.response.safeParse(text === '' ? undefined : parseJson(text));
    if (!checked.success) throw this.#problems.badResponse(checked.error);
    return checked.data;
  }

  /** Calls the Messages API on the server. Returns the parsed JSON, or undefined if the response is not JSON. */
  async messages(path: string, body: unknown, options: CallOptions = {}): Promise<unknown> {
    const url = new URL(this.endpoint.origin + messagesPath + path);
    return parseJson(await this.#send(url, 'POST', body, options, messagesHeaders));
  }

  async #send(
    url: URL,
    method: string,
    body: unknown,
    options: CallOptions,
    extraHeaders: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const deadline = performance.now() + timeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    try {
      for (let attempt = 1; ; attempt++) {
        const response = await fetch(url, {
          method,
          headers: {
            authorization: `Bearer ${this.endpoint.secret}`,
            accept: 'application/json',
            ...extraHeaders,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          body: body === undefined ? null : JSON.stringify(body),
          redirect: 'error',
          signal,
        });
        const text = await response.text();
        if (response.ok) return text;
        const error = problemOf(response, text, this.#problems);
        // The server has done nothing yet. Jitter keeps windows that open together from retrying together.
        const waitMs = (error.retryAfterMs ?? 1_000) * (1 + Math.random());
        const isRateLimited = error.problem.code === 'rate_limited';
        if (!isRateLimited || attempt === maxAttempts || performance.now() + waitMs > deadline) throw error;
        await pause(waitMs, signal);
      }
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      options.signal?.throwIfAborted();
      throw timeout.aborted ? this.#problems.timeout(error) : this.#problems.unreachable(error);
    }
  }
}

/** Validates the parts of the input that the route declares, and builds its URL and body. */
function requestOf(route: AnyRoute, input: RawInput, origin: string, problems: Problems): { url: URL; body: unknown } {
  const check = (part: 'params' | 'query' | 'body'): unknown => {
    const schema = route[part];
    if (!schema) return undefined;
    const checked = schema.safeParse(input[part] ?? (part === 'query' ? {} : input[part]));
    if (checked.success) return checked.data;
    const issue = checked.error.issues[0];
    throw problems.invalidRequest([part, ...(issue?.path ?? [])].join('.') + (issue ? ` (${issue.message})` : ''));
  };
  const params = asRecord(check('params'));
  const path = route.path.replaceAll(/:(\w+)/g, (_, key: string) => encodeURIComponent(String(params[key])));
  const url = new URL(origin + path);
  for (const [key, value] of Object.entries(asRecord(check('query')))) {
    if (value !== undefined) url.searchParams.set(key, String(value));
  }
  return { url, body: check('body') };
}

/** Returns the problem of a failed response. If the body is not readable, the status decides. */
export function problemOf(response: Response, text: string, problems: Problems): ProblemError {
  const body = parseJson(text);
  const problem = ReceivedProblem.safeParse(body).data ?? messagesProblem(response.status, body, problems);
  if (!problem) return problems.badResponse(new Error(`HTTP ${response.status}`));
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ProblemError(problem, { retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined });
}

/** Converts a Messages API error, from a response or from a stream, to a problem. Returns null if it is not one. */
export function messagesProblem(
  status: number,
  body: unknown,
  problems: Problems,
): OwnProblem | ReceivedProblem | null {
  const parsed = MessagesError.safeParse(body);
  return parsed.success ? problems.provider(status, parsed.data.error.message).problem : null;
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
