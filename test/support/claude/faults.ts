import type { HttpReply, NoReply, Wire } from './answer.ts';

/** Error types by status. */
const types: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** Options of `httpError`. */
export interface FaultOptions {
  readonly message?: string;
  /** Replaces the error type that belongs to the status. */
  readonly type?: string;
  /** Seconds, or a time, which is sent as an HTTP date. */
  readonly retryAfter?: number | Date;
  readonly headers?: Readonly<Record<string, string>>;
  /** Machine-readable detail, such as `{ error_code: 'enforced_spend_limit_reached' }`. */
  readonly details?: object;
  readonly wire?: Wire;
}

function errorType(status: number): string {
  return types[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
}

/** Returns the status that belongs to the type of an error event. */
export function errorStatus(type: string): number {
  const [status] = Object.entries(types).find(([, each]) => each === type) ?? ['500'];
  return Number(status);
}

/** Returns an error response of the API. */
export function httpError(status: number, options: FaultOptions = {}): HttpReply {
  const type = options.type ?? errorType(status);
  const headers: Record<string, string> = { ...options.headers };
  const { retryAfter } = options;
  if (retryAfter !== undefined) {
    headers['retry-after'] = retryAfter instanceof Date ? retryAfter.toUTCString() : String(retryAfter);
  }
  const error = { type, message: options.message ?? defaultMessage(status), details: options.details };
  return { status, headers, body: { type: 'error', error }, wire: options.wire };
}

function defaultMessage(status: number): string {
  switch (status) {
    case 401:
      return 'invalid x-api-key';
    case 403:
      return 'Your API key does not have permission to use the specified resource.';
    case 413:
      return 'Request exceeds the maximum size';
    case 429:
      return 'This request would exceed the rate limit for your organization.';
    case 500:
      return 'Internal server error';
    case 529:
      return 'Overloaded';
    default:
      return 'Error';
  }
}

/** Returns a 429 response. `retryAfter` is in seconds or a time. */
export function rateLimited(retryAfter?: number | Date): HttpReply {
  return httpError(429, { retryAfter, headers: { 'anthropic-ratelimit-requests-remaining': '0' } });
}

/** 529 */
export function overloaded(): HttpReply {
  return httpError(529);
}

/** 401 */
export function badKey(): HttpReply {
  return httpError(401);
}

/** Returns the 400 response for an account without credit. */
export function creditTooLow(): HttpReply {
  return httpError(400, {
    message:
      'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
  });
}

/** 400 */
export function promptTooLong(tokens = 205_000, most = 200_000): HttpReply {
  return httpError(400, { message: `prompt is too long: ${tokens} tokens > ${most} maximum` });
}

/** Returns the error page of a proxy, which is HTML instead of JSON. */
export function proxyPage(status = 502): HttpReply {
  return {
    status,
    headers: { 'content-type': 'text/html' },
    body: `<html>\r\n<head><title>${status} Bad Gateway</title></head>\r\n<body><center><h1>${status} Bad Gateway</h1></center></body>\r\n</html>\r\n`,
  };
}

/** Returns an answer that closes the connection without a response. */
export function hangUp(how: NoReply['hangUp'] = 'close'): NoReply {
  return { hangUp: how };
}
