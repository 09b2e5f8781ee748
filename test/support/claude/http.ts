import type { IncomingMessage } from 'node:http';
import type { HttpReply } from './answer.ts';
import { httpError } from './faults.ts';

/** Returns the API key of a request from any header that can carry it; `x-api-key` takes precedence. */
export function keyOf(request: IncomingMessage): string | undefined {
  const key = request.headers['x-api-key'];
  if (typeof key === 'string' && key !== '') return key;
  return /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

/** Returns the parsed JSON, or the text if it is not JSON. */
export function parseBody(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return raw;
  }
}

/** Returns what is wrong with a body that is not a JSON object, or undefined. */
export function bodyProblem(body: unknown): string | undefined {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return undefined;
  return 'The request body is not valid JSON: expected an object';
}

/** Returns the 404 response for an unknown model. */
export function unknownModel(id: string): HttpReply {
  return httpError(404, { message: `model: ${id}` });
}

/** Returns whether SDKs retry a response with this status. */
export function isRetryable(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

/** Returns the rate limit headers of a large account. Each request starts with a full bucket. */
export function rateLimits(input: number, output: number): Record<string, string> {
  const reset = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const headers: Record<string, string> = {};
  const add = (kind: string, limit: number, used: number) => {
    headers[`anthropic-ratelimit-${kind}-limit`] = String(limit);
    headers[`anthropic-ratelimit-${kind}-remaining`] = String(Math.max(0, limit - used));
    headers[`anthropic-ratelimit-${kind}-reset`] = reset;
  };
  add('requests', 4000, 1);
  add('input-tokens', 2_000_000, input);
  add('output-tokens', 400_000, output);
  add('tokens', 2_400_000, input + output);
  return headers;
}
