import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { errorBody } from '../../llm/error-body.ts';
import { endAfterRequest } from '../linger.ts';

/** A call that is not answered by the provider. */
export class Refused extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Of an error that nobody foresaw nothing is shown. */
function described(error: unknown): { status: number; message: string; retryAfterMs?: number | undefined } {
  if (error instanceof Refused) return error;
  if (error instanceof ProblemError)
    return { status: error.problem.status, message: error.problem.detail, retryAfterMs: error.retryAfterMs };
  return { status: 500, message: 'Something went wrong in DevLM.' };
}

export const newRequestId = (): string => `req_devlm_${randomUUID().replaceAll('-', '')}`;

/** An error as the Messages API words it. After the headers it can only be the end of the connection. */
export function refuse(response: ServerResponse, requestId: string, error: unknown): void {
  // What has ended was answered for it, as a broken body is.
  if (response.writableEnded) return;
  if (response.headersSent || response.destroyed) return void response.destroy();
  const { status, message, retryAfterMs } = described(error);
  const body = errorBody(status, message, requestId);
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.setHeader('request-id', requestId);
  if (retryAfterMs !== undefined)
    response.setHeader('retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  // What is no clear request has no clear end.
  if (error instanceof ProblemError && error.problem.code === 'bad_request') response.setHeader('connection', 'close');
  endAfterRequest(response, body);
}
