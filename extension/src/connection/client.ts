import { Problem, ProblemError } from '@devlm/protocol/problem.ts';
import type { RouteInput, RouteName, RouteOutput } from '@devlm/protocol/routes.ts';
import { routes } from '@devlm/protocol/routes.ts';
import * as z from 'zod';
import { pause } from '../backoff.ts';
import type { Problems } from '../problems.ts';

/** Where a server listens and what it wants to hear. */
export interface Endpoint {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly origin: string;
  readonly secret: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default 30 000 ms: the slowest route asks the provider for its models. */
  readonly timeoutMs?: number;
}

export const defaultTimeoutMs = 30_000;
/** How often a call is sent that the server refuses for coming too often, within its time. */
const attempts = 5;

/** Where the server has the Messages API; what follows is the provider's own path. */
export const messagesPath = '/llm';
export const messagesHeaders = { 'anthropic-version': '2023-06-01' } as const;

/** How the Messages API words an error. */
const MessagesError = z.object({
  type: z.literal('error'),
  error: z.object({ type: z.string(), message: z.string() }),
});

/** A route as the table has it, without the literal types. */
interface AnyRoute {
  readonly method: string;
  readonly path: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly response: z.ZodType;
}

/** What a route takes, before it is checked. */
export interface RawInput {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
}

/** The one HTTP client of the extension. Errors are `ProblemError`s, or the caller's abort reason. */
export class Client {
  readonly endpoint: Endpoint;
  readonly #problems: Problems;

  constructor(endpoint: Endpoint, problems: Problems) {
    this.endpoint = endpoint;
    this.#problems = problems;
  }

  async call<N extends RouteName>(name: N, input: RouteInput<N>, options: CallOptions = {}): Promise<RouteOutput<N>> {
    return (await this.callUnchecked(name, input, options)) as RouteOutput<N>;
  }

  /** The same for input of unknown origin: it is checked by the route's schemas before anything is sent. */
  async callUnchecked(name: RouteName, input: RawInput, options: CallOptions = {}): Promise<unknown> {
    const route: AnyRoute = routes[name];
    const { url, body } = requestOf(route, input, this.endpoint.origin, this.#problems);
    const text = await this.#send(url, route.method, body, options);
    const answer = route.response.safeParse(text === '' ? undefined : parseJson(text));
    if (!answer.success) throw this.#problems.badResponse(answer.error);
    return answer.data;
  }

  /** A call of the Messages API behind the server. Answers its JSON; undefined where it is none. */
  async messages(path: string, body: unknown, options: CallOptions = {}): Promise<unknown> {
    const url = new URL(this.endpoint.origin + messagesPath + path);
    return parseJson(await this.#send(url, 'POST', body, options, messagesHeaders));
  }

  async #send(
    url: URL,
    method: string,
    body: unknown,
    options: CallOptions,
    more: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const until = performance.now() + timeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    try {
      for (let attempt = 1; ; attempt++) {
        const response = await fetch(url, {
          method,
          headers: {
            authorization: `Bearer ${this.endpoint.secret}`,
            accept: 'application/json',
            ...more,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          body: body === undefined ? null : JSON.stringify(body),
          redirect: 'error',
          signal,
        });
        const text = await response.text();
        if (response.ok) return text;
        const error = problemOf(response, text, this.#problems);
        // Refused before anything was done. Windows that open at once must not come again at once.
        const waitMs = (error.retryAfterMs ?? 1_000) * (1 + Math.random());
        const tooOften = error.problem.code === 'rate_limited';
        if (!tooOften || attempt === attempts || performance.now() + waitMs > until) throw error;
        await pause(waitMs, signal);
      }
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      options.signal?.throwIfAborted();
      throw timeout.aborted ? this.#problems.timeout(error) : this.#problems.unreachable(error);
    }
  }
}

/** Checks the parts of the input that the route has and fills them into its path, query and body. */
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

/** The problem in a response that is not a success; one that says nothing readable gets one from its status. */
export function problemOf(response: Response, text: string, problems: Problems): ProblemError {
  const said = parseJson(text);
  const problem = Problem.safeParse(said).data ?? messagesProblem(response.status, said, problems);
  if (!problem) return problems.badResponse(new Error(`HTTP ${response.status}`));
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ProblemError(problem, { retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined });
}

/** An error of the Messages API, in an answer or in its stream, as the problem that it is; null when it is none. */
export function messagesProblem(status: number, said: unknown, problems: Problems): Problem | null {
  const parsed = MessagesError.safeParse(said);
  return parsed.success ? problems.provider(status, parsed.data.error.message).problem : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
