import { type ErrorCode, errorCodes } from '@devlm/protocol/error-codes.ts';
import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';
import type { Response } from 'express';
import { endAfterRequest } from './linger.ts';

/** Titles of the errors of the HTTP edge. */
const titles = {
  not_found: 'Not found',
  method_not_allowed: 'Method not allowed',
  unauthorized: 'Authentication required',
  forbidden_scope: 'Not permitted for this token',
  forbidden_origin: 'Origin not allowed',
  forbidden_host: 'Host not allowed',
  body_too_large: 'Body too large',
  unsupported_media_type: 'Unsupported media type',
  bad_json: 'Invalid JSON',
  bad_encoding: 'Invalid UTF-8',
  bad_request: 'Bad request',
  invalid_input: 'Invalid input',
  conflict: 'Conflict',
  busy: 'Busy',
  events_ahead: 'Events ahead of the log',
  rate_limited: 'Too many requests',
  closing: 'Server shutting down',
} as const satisfies Partial<Record<ErrorCode, string>>;

/** Creates an error of the HTTP edge. */
export function httpProblem(
  code: keyof typeof titles,
  detail: string,
  options: { retryAfterMs?: number } = {},
): ProblemError {
  return new ProblemError({ code, status: errorCodes[code].status, title: titles[code], detail }, options);
}

/** Returns what a client is shown of an error: a problem unchanged, any other error without its details. */
export function problemForClient(error: unknown): Problem {
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
  const problem = { ...problemForClient(error), requestId };
  if (error instanceof ProblemError && error.retryAfterMs !== undefined)
    response.setHeader('Retry-After', String(Math.ceil(error.retryAfterMs / 1000)));
  // The end of a malformed request is unknown, so the connection cannot be reused.
  if (problem.code === 'bad_request') response.setHeader('Connection', 'close');
  const body = JSON.stringify(problem);
  response.status(problem.status).type('application/problem+json').setHeader('Content-Length', Buffer.byteLength(body));
  endAfterRequest(response, body);
}
