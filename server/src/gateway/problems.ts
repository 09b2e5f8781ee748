import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';
import type { Response } from 'express';
import { endAfterRequest } from './linger.ts';

const drafts = {
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  unauthorized: { status: 401, title: 'Authentication required' },
  forbidden_scope: { status: 403, title: 'Not permitted for this token' },
  forbidden_origin: { status: 403, title: 'Origin not allowed' },
  forbidden_host: { status: 403, title: 'Host not allowed' },
  body_too_large: { status: 413, title: 'Body too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  bad_json: { status: 400, title: 'Invalid JSON' },
  bad_encoding: { status: 400, title: 'Invalid UTF-8' },
  bad_request: { status: 400, title: 'Bad request' },
  invalid_input: { status: 422, title: 'Invalid input' },
  conflict: { status: 409, title: 'Conflict' },
  busy: { status: 409, title: 'Busy' },
  events_ahead: { status: 410, title: 'Events ahead of the log' },
  rate_limited: { status: 429, title: 'Too many requests' },
  closing: { status: 503, title: 'Server shutting down' },
} as const satisfies Record<string, Pick<Problem, 'status' | 'title'>>;

/** Creates an error of the HTTP edge. */
export function httpProblem(
  code: keyof typeof drafts,
  detail: string,
  options: { retryAfterMs?: number } = {},
): ProblemError {
  return new ProblemError({ code, ...drafts[code], detail }, options);
}

/** Returns what a client is shown of an error: a problem unchanged, any other error without its details. */
export function toProblem(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  return {
    code: 'internal',
    status: 500,
    title: 'Internal error',
    detail: 'An internal error occurred in the companion server. Look up this request id in the log for details.',
    action: 'show-log',
  };
}

/** Sends an error as `application/problem+json`. */
export function sendProblem(response: Response, error: unknown, requestId: string): void {
  const problem = { ...toProblem(error), requestId };
  if (error instanceof ProblemError && error.retryAfterMs !== undefined)
    response.setHeader('Retry-After', String(Math.ceil(error.retryAfterMs / 1000)));
  // The end of a malformed request is unknown, so the connection cannot be reused.
  if (problem.code === 'bad_request') response.setHeader('Connection', 'close');
  const body = JSON.stringify(problem);
  response.status(problem.status).type('application/problem+json').setHeader('Content-Length', Buffer.byteLength(body));
  endAfterRequest(response, body);
}
