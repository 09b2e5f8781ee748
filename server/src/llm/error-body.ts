/** Error types of the Messages API by HTTP status: https://platform.claude.com/docs/en/api/errors */
const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  408: 'timeout_error',
  413: 'request_too_large',
  431: 'invalid_request_error',
  415: 'invalid_request_error',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** Returns an error body of the Messages API, as JSON. */
export function errorBody(status: number, message: string, requestId: string): string {
  const type = errorTypes[status] ?? 'api_error';
  return JSON.stringify({ type: 'error', error: { type, message }, request_id: requestId });
}
