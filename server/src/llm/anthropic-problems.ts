import { APIConnectionError, APIConnectionTimeoutError, APIError } from '@anthropic-ai/sdk';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { retryAfterMs as retryAfterMsOf } from './pool/failure.ts';
import { hostOf, modelProblem } from './problems.ts';

/**
 * Returns an error of the SDK as a `ProblemError`. Only the provider's own message is passed on, never a header or a
 * body.
 */
export function sdkProblem(error: unknown, baseUrl: string): ProblemError {
  if (error instanceof ProblemError) return error;
  const host = hostOf(baseUrl);
  if (error instanceof APIConnectionTimeoutError)
    return modelProblem('stream_stalled', `${host} did not respond in time. Try again.`, { cause: error });
  if (error instanceof APIConnectionError)
    return modelProblem('offline', `Cannot connect to ${host}. Check the network, the proxy and the base URL.`, {
      cause: error,
    });
  if (error instanceof APIError) return fromApiError(error, host);
  // A body that is cut off: undici reports "terminated", and the SDK's parser finds an incomplete event.
  if (error instanceof TypeError || error instanceof SyntaxError)
    return modelProblem('stream_cut', `The connection to ${host} was interrupted. Try again.`, { cause: error });
  return modelProblem('provider_error', `The call to ${host} failed with an unknown error. Try again.`, {
    cause: error,
  });
}

function fromApiError(error: APIError, host: string): ProblemError {
  const providerMessage = error.apiMessage?.slice(0, 500) ?? '';
  const retryAfterMs = retryAfterMsOf(error.headers?.get('retry-after'));
  const options = { cause: error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  const type = error.type;
  // An error event inside a stream has no status, only a type.
  const status = error.status ?? 0;
  if (type === 'billing_error' || status === 402 || /credit balance/i.test(providerMessage))
    return modelProblem('no_credit', 'The account of this API key has no credit left. Add credit and try again.');
  if (status === 401 || type === 'authentication_error')
    return modelProblem('bad_key', `${host} rejected the API key. Set another API key.`, options);
  if (status === 403 || type === 'permission_error')
    return modelProblem(
      'forbidden',
      `${host} does not allow this request with this credential. ${providerMessage}`.trim(),
      options,
    );
  if (status === 404 || type === 'not_found_error')
    return modelProblem(
      'model_not_found',
      `${host} did not find the requested model or resource. ${providerMessage}`.trim(),
      options,
    );
  if (status === 413)
    return modelProblem(
      'too_large',
      'The message and its attachments are too large. Remove some attachments.',
      options,
    );
  if (status === 429 || type === 'rate_limit_error')
    return modelProblem(
      'rate_limited',
      `The rate limit of ${host} has been reached. ${providerMessage}`.trim(),
      options,
    );
  if (status === 529 || type === 'overloaded_error')
    return modelProblem('overloaded', `${host} is overloaded. Try again in a moment.`, options);
  if (/prompt is too long|context (window|length)|exceed.*context/i.test(providerMessage))
    return modelProblem(
      'too_long',
      "The conversation exceeds the model's context window. Start a new conversation, or branch from an earlier message.",
      options,
    );
  if (status === 400 || status === 422 || type === 'invalid_request_error')
    return modelProblem('bad_request', providerMessage || `${host} rejected the request.`, options);
  return modelProblem(
    'provider_error',
    `${host} returned an error${status ? ` (${status})` : ''}. ${providerMessage}`.trim(),
    options,
  );
}
