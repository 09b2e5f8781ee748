import { APIConnectionError, APIError, type BaseAnthropic } from '@anthropic-ai/sdk';
import { providerNames } from '@devlm/protocol/instances.ts';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import { errorBody } from '../error-body.ts';
import { listedModel, modelAnswer } from '../model-page.ts';
import type { MessagesFetch } from '../upstream.ts';
import type { PlatformInstance } from './platform.ts';
import { CredentialsError, refusalOf } from './refusals.ts';

/** Timeout of the SDK, in milliseconds: effectively none, because the caller limits the duration of a call. */
const timeoutMs = 86_400_000;

/**
 * Headers of a response that are passed on, in addition to `anthropic-…`. The other headers describe the bytes before
 * they were decoded.
 */
const passedHeaders = ['content-type', 'retry-after', 'request-id'];

/** How a platform's SDK is called. */
export interface PlatformClient {
  /**
   * Returns the SDK's client, which translates a request of the Messages API into one of the platform's, and the
   * response back.
   *
   * @throws CredentialsError
   */
  readonly connect: () => Promise<Pick<BaseAnthropic, 'post'>>;
  /** Whether the platform has `/v1/messages/count_tokens`. */
  readonly countsTokens: boolean;
  /** Returns the platform's name for the API version that a request names. */
  readonly versionOf: (version: string) => string;
  /** Response header with the request id. Default: `request-id`. */
  readonly requestId?: string;
  /**
   * Translates one event of a stream, from its `event:` to its blank line, into Anthropic's wording. Default:
   * unchanged.
   */
  readonly eventOf?: (event: Uint8Array) => Uint8Array;
}

/**
 * Returns a `fetch` for the Messages API over a platform's SDK. A failed connection rejects with a `TypeError`, as with
 * `fetch`. A refusal of the platform is a response with the status and in the wording of Anthropic's API. If the signal
 * aborts, the call also ends at the platform.
 */
export function messagesFetch(instance: PlatformInstance, platform: PlatformClient): MessagesFetch {
  return async (input, init = {}) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input);
    const path = /\/v1\/(messages(\/count_tokens)?|models(\/[^/]+)?)$/.exec(pathname)?.[0] ?? '';
    if (path.startsWith('/v1/models')) return listOf(instance, path);
    if (path === '') return answerWith(404, 'The endpoint does not exist.');
    if (path.endsWith('count_tokens') && !platform.countsTokens)
      return answerWith(400, `${providerNames[instance.provider]} does not support counting tokens through this API.`);
    const left = new AbortController();
    const signal = init.signal ? AbortSignal.any([init.signal, left.signal]) : left.signal;
    const requestHeaders = new Headers(init.headers);
    const beta = requestHeaders.get('anthropic-beta');
    const body = typeof init.body === 'string' ? init.body : await new Response(init.body).text();
    const call = async () => {
      const client = await platform.connect();
      return client
        .post(/[?&]beta=true\b/.test(search) ? `${path}?beta=true` : path, {
          // All other headers describe the client.
          headers: {
            'anthropic-version': platform.versionOf(requestHeaders.get('anthropic-version') ?? ''),
            ...(beta === null ? {} : { 'anthropic-beta': beta }),
            // With this type the SDK sends the body as text, unchanged.
            'content-type': 'application/json',
          },
          body,
          signal,
          timeout: timeoutMs,
          maxRetries: 0,
        })
        .asResponse();
    };
    try {
      // The SDKs do not abort a search for credentials together with the call.
      const response = await untilAborted(call(), signal);
      return answerOf(response, platform, left);
    } catch (error) {
      init.signal?.throwIfAborted();
      return refused(error, instance, platform);
    }
  };
}

/** Returns the response of the Messages API for a response of the platform. */
function answerOf(response: Response, platform: PlatformClient, left: AbortController): Response {
  const headers = headersOf(response.headers, platform);
  const body = response.body && bodyOf(response.body, platform.eventOf ?? ((event) => event), left);
  return new Response(body, { status: response.status, headers });
}

/** Returns the headers that are passed on. */
function headersOf(from: Headers | undefined, { requestId = 'request-id' }: PlatformClient): Headers {
  const headers = new Headers();
  for (const [name, value] of from ?? [])
    if (passedHeaders.includes(name) || name.startsWith('anthropic-')) headers.set(name, value);
  const id = from?.get(requestId);
  if (id) headers.set('request-id', id);
  return headers;
}

/**
 * Returns a body in Anthropic's wording. Any error in the body is reported as a broken connection. Canceling the body
 * also ends the call at the platform.
 */
function bodyOf(
  body: ReadableStream<Uint8Array>,
  eventOf: (event: Uint8Array) => Uint8Array,
  left: AbortController,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(eventOf(value));
      } catch (cause) {
        controller.error(new TypeError('terminated', { cause }));
        left.abort();
      }
    },
    async cancel(reason) {
      left.abort(reason);
      await reader.cancel(reason).catch(() => undefined);
    },
  });
}

/**
 * Returns the response for a failed call.
 *
 * @throws TypeError if the platform cannot be reached; any unexpected error
 */
function refused(error: unknown, instance: PlatformInstance, platform: PlatformClient): Response {
  const cause = error instanceof APIConnectionError ? error.cause : error;
  if (cause instanceof CredentialsError) return answerWith(403, cause.message);
  if (error instanceof APIConnectionError) throw new TypeError('fetch failed', { cause: error.cause ?? error });
  if (!(error instanceof APIError) || error.status === undefined) throw error;
  const { status, message } = refusalOf(instance.provider, error.status, error.error);
  return answerWith(status, message, headersOf(error.headers, platform));
}

/** Returns an error response of the Messages API. */
function answerWith(status: number, message: string, headers = new Headers()): Response {
  headers.set('content-type', 'application/json');
  return new Response(errorBody(status, message, headers.get('request-id') ?? ''), { status, headers });
}

/**
 * Returns the configured model names as a response of `/v1/models`. The platforms list their models elsewhere, without
 * stating which of them an account may use.
 */
function listOf({ models, modelIds }: PlatformInstance, path: string): Response {
  const names = [...models.filter((name) => !name.endsWith('*')), ...Object.keys(modelIds)];
  const listed = [...new Set(names)].map((id) =>
    listedModel({ id, name: id, contextTokens: null, maxOutputTokens: null, thinking: true }),
  );
  const answer = modelAnswer(path, listed);
  return answer ? Response.json(answer) : answerWith(404, `model: ${path.replace(/^.*\//, '')}`);
}
