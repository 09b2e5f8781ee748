import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { errorBody } from '../../llm/error-body.ts';
import { endAfterRequest } from '../linger.ts';

/** An error of the Messages endpoint that DevLM itself responds with, in place of the provider. */
export class Refused extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Returns what the client is shown of an error. Unexpected errors are hidden behind a generic message. */
function describe(error: unknown): { status: number; message: string; retryAfterMs?: number | undefined } {
  if (error instanceof Refused) return error;
  if (error instanceof ProblemError)
    return { status: error.problem.status, message: error.problem.detail, retryAfterMs: error.retryAfterMs };
  return { status: 500, message: 'An internal error occurred in DevLM.' };
}

/** Returns a new request id, in the style of the provider's. */
export const newRequestId = (): string => `req_devlm_${randomUUID().replaceAll('-', '')}`;

/** Sends an error in the format of the Messages API. Destroys the connection if the headers have been sent already. */
export function sendRefusal(response: ServerResponse, requestId: string, error: unknown): void {
  // The HTTP server has already responded, as it does to an incomplete body.
  if (response.writableEnded) return;
  if (response.headersSent || response.destroyed) return void response.destroy();
  const { status, message, retryAfterMs } = describe(error);
  const body = errorBody(status, message, requestId);
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.setHeader('request-id', requestId);
  if (retryAfterMs !== undefined)
    response.setHeader('retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  // The end of a malformed request is unknown, so the connection cannot be reused.
  if (error instanceof ProblemError && error.problem.code === 'bad_request') response.setHeader('connection', 'close');
  endAfterRequest(response, body);
}
