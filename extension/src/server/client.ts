import { Problem, ProblemError } from '@devlm/protocol/problem.ts';
import type { RouteInput, RouteName, RouteOutput } from '@devlm/protocol/routes.ts';
import { routes } from '@devlm/protocol/routes.ts';
import type * as z from 'zod';
import type { Problems } from './problems.ts';

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
    const timeout = AbortSignal.timeout(options.timeoutMs ?? defaultTimeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method: route.method,
        headers: {
          authorization: `Bearer ${this.endpoint.secret}`,
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        redirect: 'error',
        signal,
      });
      text = await response.text();
    } catch (error) {
      options.signal?.throwIfAborted();
      throw timeout.aborted ? this.#problems.timeout(error) : this.#problems.unreachable(error);
    }
    if (!response.ok) throw problemOf(response, text, this.#problems);
    const answer = route.response.safeParse(text === '' ? undefined : parseJson(text));
    if (!answer.success) throw this.#problems.badResponse(answer.error);
    return answer.data;
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
  const parsed = Problem.safeParse(parseJson(text));
  if (!parsed.success) return problems.badResponse(new Error(`HTTP ${response.status}`));
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ProblemError(parsed.data, { retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined });
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
